"""Verdicts on shards: kept as JSON beside each shard, and joined into one on all rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bbflow.contracts import Contract, Verdict
from bbflow.contracts.verdict import Failure, RuleResult
from bbflow.graph.knowledge_graph import KnowledgeGraph

_NO_ROW = "applied to no row"
_ABOUT_RULE = ("id", "name", "rule", "severity", "dimension", "tags", "on_failure", "evaluated")


def as_json(verdict: Verdict) -> list[list[Any]]:
    """Returns what each rule found in one shard."""
    return [
        [r.id, r.name, r.rule, r.severity, r.dimension, list(r.tags), r.on_failure, r.evaluated,
         [[f.example_id, f.row, f.reason] for f in r.failures], r.error, r.owner]
        for r in verdict.results
    ]  # fmt: skip


def joined(contract: Contract, graph: KnowledgeGraph, shards: Iterable[tuple[list[str], list[list[Any]]]]) -> Verdict:
    """Joins the verdicts on shards into one; that a rule met none of the rows of one shard does not count.

    Args:
        contract: What the data had to satisfy.
        graph: The graph that they speak of.
        shards: Of each shard the ids of its rows and what `as_json` returned.
    """
    ids: list[str] = []
    by_rule: dict[str, list[Any]] = {}
    for own, rules in shards:
        for rule in rules:
            known = by_rule.setdefault(rule[0], [*rule[:5], tuple(rule[5]), rule[6], 0, [], [], rule[10]])
            known[7] += rule[7]
            known[8] += [Failure(example_id, None if row is None else row + len(ids), reason) for example_id, row, reason in rule[8]]
            known[9] += [rule[9]] if rule[9] else []
        ids += own
    results = []
    for rule in by_rule.values():
        error = next((e for e in rule[9] if not (e.startswith(_NO_ROW) and rule[7])), "")
        results.append(RuleResult(**dict(zip(_ABOUT_RULE, rule, strict=False)), failures=tuple(rule[8]), error=error, owner=rule[10]))
    about = {"name": graph.name, "version": graph.version, "sha256": graph.sha256}
    return Verdict(contract, about, tuple(ids), tuple(results))
