"""Count how many adversarial completions the rewards pay, and how many honest ones.

    python -m benchmarks.maintenance.judge_completions [--verbose]

The completions stand in `tests/rewards/completions/*.yaml`, each next to the record that it answers and the rewards that judge it. The graph
is a copy of the clinical pack as it was when they were written, so that a change of the pack does not change what they deserve.
`--freeze` writes that copy anew.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from bbflow import rewards
from bbflow.graph import ClinicalPack
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.io.yaml import read_yaml
from bbflow.records import Example

FOLDER = Path(__file__).parents[2] / "tests" / "rewards" / "completions"
GRAPH_FILE = FOLDER / "graph.json.gz"


class Case(NamedTuple):
    """A completion that a reward must pay in full, or not at all.

    Attributes:
        name: Name of the record.
        example: The record.
        text: The completion.
        reward: Name of the reward.
        honest: Whether it must be paid.
    """

    name: str
    example: Example
    text: str
    reward: str
    honest: bool


@cache
def graph() -> KnowledgeGraph:
    """Return the graph of the records."""
    contents = json.loads(gzip.decompress(GRAPH_FILE.read_bytes()))
    nodes = [Node(i, kind, name, tuple(synonyms), attributes) for i, kind, name, synonyms, attributes in contents["nodes"]]
    edges = [Edge(*triple, source="fixture", attributes=attributes) for *triple, attributes in contents["edges"]]
    return KnowledgeGraph(nodes, edges, "completions")


def freeze() -> None:
    """Write the graph of the records anew from the clinical pack."""
    pack = ClinicalPack().load()
    nodes = [[n.id, n.kind, n.name, list(n.synonyms), dict(n.attributes)] for n in pack.nodes()]
    edges = [[*e.triple, dict(e.attributes)] for e in pack.edges()]
    GRAPH_FILE.write_bytes(gzip.compress(json.dumps({"nodes": nodes, "edges": edges}, default=str).encode(), mtime=0))


def record(name: str, fields: dict[str, Any]) -> Example:
    """Return the record of an entry of the files."""
    fields = dict(fields)
    message = {"role": "user", "content": fields.pop("prompt")}
    advised = [{"dose": None, "unit": None, "per_day": None, "route": None, **drug} for drug in fields.pop("recommended", [])]
    edges = [tuple(edge) for edge in fields.pop("edges", [])]
    row = {"example_id": name, "capabilities": [], "messages": [message], "recommended": advised, "edges": edges, **fields}
    return Example(**row)


def cases() -> Iterator[Case]:
    """Yield every completion with each reward that judges it."""
    entries = [entry for file in sorted(FOLDER.glob("*.yaml")) for entry in read_yaml(file).data]
    records = {entry["name"]: (record(entry["name"], entry["record"]), entry["rewards"]) for entry in entries if "record" in entry}
    for entry in entries:
        name = entry.get("like", entry.get("name"))
        example, rewards_of = records[name]
        for key in ("honest", "unpaid"):
            for given in entry[key]:
                text, names = (given, rewards_of) if isinstance(given, str) else (given["text"], given["rewards"])
                yield from (Case(name, example, text, reward, key == "honest") for reward in names)


@cache
def prepared(name: str) -> rewards.Reward:
    """Return a reward, ready to score."""
    reward: rewards.Reward = getattr(rewards, name)()
    reward.prepare(graph())
    return reward


def score(case: Case) -> float | None:
    """Return the score of a case."""
    return prepared(case.reward)([case.example], [case.text])[0]


def is_as_deserved(case: Case) -> bool:
    """Return whether an honest completion is paid in full, or another one not at all."""
    paid = score(case)
    return paid is not None and (paid >= 0.99 if case.honest else paid == 0.0)


def main() -> int:
    """Print the two rates, and with `--verbose` every completion that does not get what it deserves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verbose", action="store_true", help="print every completion that does not get what it deserves")
    parser.add_argument("--freeze", action="store_true", help="write the graph anew from the clinical pack")
    chosen = parser.parse_args()
    if chosen.freeze:
        freeze()
    judged = [(case, is_as_deserved(case)) for case in cases()]
    for honest, what in (
        (False, "adversarial completions paid by any of their rewards"),
        (True, "honest completions paid in full by all of their rewards"),
    ):
        right: dict[tuple[str, str], bool] = {}
        for case, fits in judged:
            if case.honest is honest:
                key = (case.name, case.text)
                right[key] = right.get(key, True) and fits
        counted = sum(right.values()) if honest else len(right) - sum(right.values())
        print(f"{what}: {counted} of {len(right)} ({counted / len(right):.1%})")
    if chosen.verbose:
        for case, fits in judged:
            if not fits:
                print(f"{'honest' if case.honest else 'paid  '} {case.reward:20} {score(case)} {case.name}: {case.text!r}")
    return int(any(not fits and not case.honest for case, fits in judged))


if __name__ == "__main__":
    sys.exit(main())
