"""Scores of the rewards that the recipes use, as they were in November 2026: a change to any of them is a decision, not an accident."""

import gzip
import json
from pathlib import Path

import pytest

from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.records import Example
from bbflow.rewards import ChainReward, ConstraintReward, CorrectAnswer, FollowsInstructions, ReasonedAnswer, SafeChoice

FIXTURE = json.loads(gzip.decompress((Path(__file__).parent / "scores_2026_11.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    nodes = [Node(node_id, kind, name, tuple(synonyms)) for node_id, kind, name, synonyms in FIXTURE["graph"]["nodes"]]
    return KnowledgeGraph(nodes, [Edge(*triple, source="fixture") for triple in FIXTURE["graph"]["edges"]])


@pytest.mark.parametrize("reward", [CorrectAnswer, ChainReward, ReasonedAnswer, FollowsInstructions, ConstraintReward, SafeChoice])
def test_scores_are_what_they_were(reward: type, graph: KnowledgeGraph) -> None:
    scorer = reward()
    scorer.prepare(graph)
    different = []
    for row in FIXTURE["rows"]:
        example = Example.from_row(row["example"])
        texts, before = row["completions"], row["scores"].get(reward.__name__)
        if before is not None and (after := scorer([example] * len(texts), texts)) != before:
            different += [(example.prompt, t, b, a) for t, b, a in zip(texts, before, after, strict=True) if a != b]
    assert not different, different[:5]
    assert sum(len(row["completions"]) for row in FIXTURE["rows"]) > 2000
