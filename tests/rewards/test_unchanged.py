"""Scores of the rewards that the recipes use, as they were in November 2026: a change to any of them is a decision, not an accident."""

import gzip
import json
from pathlib import Path

import pytest

from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.records import Example
from bbflow.rewards import ChainReward, ConstraintReward, CorrectAnswer, FollowsInstructions, ReasonedAnswer, SafeChoice
from bbflow.text.answers.extraction import has_single_answer

FIXTURE = json.loads(gzip.decompress((Path(__file__).parent / "scores_2026_11.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    nodes = [Node(node_id, kind, name, tuple(synonyms)) for node_id, kind, name, synonyms in FIXTURE["graph"]["nodes"]]
    return KnowledgeGraph(nodes, [Edge(*triple, source="fixture") for triple in FIXTURE["graph"]["edges"]])


@pytest.mark.parametrize("reward", [CorrectAnswer, ChainReward, ReasonedAnswer, FollowsInstructions, ConstraintReward, SafeChoice])
def test_scores_are_what_they_were(reward: type, graph: KnowledgeGraph) -> None:
    scorer = reward()
    scorer.prepare(graph)
    different, mended = [], 0
    for row in FIXTURE["rows"]:
        example = Example.from_row(row["example"])
        texts, before = row["completions"], row["scores"].get(reward.__name__)
        if before is not None and (after := scorer([example] * len(texts), texts)) != before:
            for text, old, new in zip(texts, before, after, strict=True):
                # Mended on purpose: a chain that ends in two answers, or in none that was offered, was paid.
                if reward is ChainReward and new == 0.0 and not has_single_answer(example, text):
                    mended += 1
                elif new != old:
                    different.append((example.prompt, text, old, new))
    assert not different, different[:5]
    assert (mended > 0) == (reward is ChainReward)
    assert sum(len(row["completions"]) for row in FIXTURE["rows"]) > 2000
