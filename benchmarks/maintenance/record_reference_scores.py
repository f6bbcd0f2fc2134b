"""Score the completions of `tests/rewards/reference_scores.json.gz` with the present rewards, and write the file.

    python -m benchmarks.maintenance.record_reference_scores [--write] [--data FILE]

The file holds a graph, records with completions of each (honest, wrong, empty, malformed), and a score of each reward that the recipes
use. Without `--write`, only the differences are printed, and the exit code is 1 if there is one: a changed score is a decision, to be
explained in the commit that records it. `--data` adds the records of a file of examples, each with the completions of `completions_of`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path
from typing import Any

from bbflow.data.example_io import read_examples
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.records import Example
from bbflow.rewards import ChainReward, ConstraintReward, CorrectAnswer, FollowsInstructions, ReasonedAnswer, Reward, SafeChoice

FILE = Path(__file__).parents[2] / "tests" / "rewards" / "reference_scores.json.gz"
REWARDS: tuple[type[Reward], ...] = (CorrectAnswer, ChainReward, ReasonedAnswer, FollowsInstructions, ConstraintReward, SafeChoice)


def read_scores(file: Path = FILE) -> dict[str, Any]:
    """Return the contents of the file: `graph`, and `rows` of `example`, `completions` and `scores` by reward."""
    contents: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
    return contents


def graph_of(contents: dict[str, Any]) -> KnowledgeGraph:
    """Return the graph that the records are about."""
    nodes = [Node(node_id, kind, name, tuple(synonyms)) for node_id, kind, name, synonyms in contents["graph"]["nodes"]]
    return KnowledgeGraph(nodes, [Edge(*triple, source="fixture") for triple in contents["graph"]["edges"]])


def completions_of(example: Example) -> list[str]:
    """Return completions of a record: the reference, each option, the answer in several forms, and malformed ones."""
    answer = example.answer
    forms = [example.response, answer, f"Answer: {answer}", answer.upper(), f'"{answer}"', "", "Answer: none of these", f"not {answer}"]
    forms += [f"Answer: {option}" for option in example.options or []]
    return list(dict.fromkeys([*forms, ", ".join(example.options or example.accepted)]))


def score(reward: type[Reward], graph: KnowledgeGraph, row: dict[str, Any]) -> list[float | None]:
    """Return the scores of the completions of one row."""
    scorer = reward()
    scorer.prepare(graph)
    return scorer([Example.from_row(row["example"])] * len(row["completions"]), row["completions"])


def main() -> int:
    """Print the differences, and write the file if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="record the present scores")
    parser.add_argument("--data", type=Path, help="file of examples about the same graph, whose records are added")
    chosen = parser.parse_args()
    contents = read_scores()
    graph = graph_of(contents)
    for example in read_examples(chosen.data) if chosen.data else []:
        row = example.to_row()
        contents["rows"].append({"example": row, "completions": completions_of(example), "scores": {r.__name__: None for r in REWARDS}})
    changed = 0
    for row in contents["rows"]:
        for reward in REWARDS:
            if reward.__name__ in row["scores"]:
                before, after = row["scores"][reward.__name__], score(reward, graph, row)
                for text, old, new in zip(row["completions"], before or [None] * len(after), after, strict=True):
                    if old != new:
                        changed += 1
                        print(f"{reward.__name__}: {old} -> {new}: {text!r}")
                row["scores"][reward.__name__] = after
    print(f"{changed} scores differ")
    if chosen.write:
        FILE.write_bytes(gzip.compress(json.dumps(contents).encode(), mtime=0))
        return 0
    return int(changed > 0)


if __name__ == "__main__":
    sys.exit(main())
