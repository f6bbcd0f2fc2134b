"""Verdicts on shards: stored as JSON with each shard, and joined into one verdict on all rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bbflow.contracts import Contract, Verdict
from bbflow.contracts.verdict import Failure, RuleResult
from bbflow.graph.knowledge_graph import KnowledgeGraph

_NO_ROW = "applied to no row"
_ABOUT_RULE = ("id", "name", "rule", "severity", "dimension", "tags", "on_failure", "evaluated")


def as_json(verdict: Verdict) -> list[list[Any]]:
    """Return the result of each rule in one shard, as JSON."""
    return [
        [r.id, r.name, r.rule, r.severity, r.dimension, list(r.tags), r.on_failure, r.evaluated,
         [[f.example_id, f.row, f.reason] for f in r.failures], r.error, r.owner,
         [[f.example_id, f.row, f.reason] for f in r.not_understood]]
        for r in verdict.results
    ]  # fmt: skip


def joined(contract: Contract, graph: KnowledgeGraph, shards: Iterable[tuple[list[str], list[list[Any]]]]) -> Verdict:
    """Join the verdicts on shards into one; a rule that applies to no row of one shard is no error.

    Args:
        contract: The contract.
        graph: Graph that the rows were generated from.
        shards: For each shard, the ids of its rows and the result of `as_json`.
    """
    ids: list[str] = []
    by_rule: dict[str, list[Any]] = {}
    for own, rules in shards:
        for rule in rules:
            known = by_rule.setdefault(rule[0], [*rule[:5], tuple(rule[5]), rule[6], 0, [], [], rule[10], []])
            known[7] += rule[7]
            for findings in (8, 11):
                known[findings] += [Failure(name, None if row is None else row + len(ids), reason) for name, row, reason in rule[findings]]
            known[9] += [rule[9]] if rule[9] else []
        ids += own
    results = []
    for rule in by_rule.values():
        error = next((e for e in rule[9] if not (e.startswith(_NO_ROW) and rule[7])), "")
        about_rule = dict(zip(_ABOUT_RULE, rule, strict=False))
        results.append(RuleResult(**about_rule, failures=tuple(rule[8]), error=error, owner=rule[10], not_understood=tuple(rule[11])))
    about = {"name": graph.name, "version": graph.version, "sha256": graph.sha256}
    return Verdict(contract, about, tuple(ids), tuple(results))
