"""The tests that a contract carries: rows that a rule must accept, and rows that it must reject.

A case gives what differs from the contract's `testRow`; objects are merged, everything else is replaced. `rows` holds several such
changes for rules that look at many rows; `repeat: 40` makes so many copies of one, with `{n}` in its texts counted up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bbflow.contracts.contract import Contract, QualityRule
from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import Outcome, run_rule
from bbflow.contracts.engine.runner import Table
from bbflow.graph.knowledge_graph import KnowledgeGraph


@dataclass(frozen=True)
class CaseResult:
    """Result of one case.

    Attributes:
        rule: Id of the rule in the contract.
        kind: Whether the rows must be accepted or rejected.
        number: Place among the cases of its kind, from 1.
        passed: Whether they were.
        said: The first reason that the rule gave, or why the case failed.
        why: The owner's words for the case.
    """

    rule: str
    kind: Literal["accept", "reject"]
    number: int
    passed: bool
    said: str
    why: str = ""


def run_cases(contract: Contract, graph: KnowledgeGraph) -> list[CaseResult]:
    """Run every case of a contract against its rule."""
    return [_run(contract, rule, kind, i + 1, case, graph) for rule in contract.rules for kind, i, case in _cases(rule)]


def _cases(rule: QualityRule) -> list[tuple[Literal["accept", "reject"], int, Mapping[str, Any]]]:
    return [*(("accept", i, c) for i, c in enumerate(rule.accept)), *(("reject", i, c) for i, c in enumerate(rule.reject))]  # type: ignore[list-item]


def _run(
    contract: Contract, rule: QualityRule, kind: Literal["accept", "reject"], number: int, case: Mapping[str, Any], graph: KnowledgeGraph
) -> CaseResult:
    outcome = _outcome(rule, case_rows(contract, case), graph)
    if isinstance(outcome, str):
        return CaseResult(rule.id, kind, number, False, outcome, str(case.get("why", "")))
    first = outcome.findings[0].reason if outcome.findings else ""
    if kind == "accept":
        # Otherwise a row that the rule never looks at would show nothing, and pass.
        passed, said = bool(outcome.evaluated) and not first, first or ("" if outcome.evaluated else "the rule does not apply to the row")
    else:
        passed, said = bool(first), first or "the rule finds nothing"
    return CaseResult(rule.id, kind, number, passed, said, str(case.get("why", "")))


def _outcome(rule: QualityRule, rows: list[dict[str, Any]], graph: KnowledgeGraph) -> Outcome | str:
    if rule.rule.of_great_expectations:
        from bbflow.contracts.integrations.great_expectations import run

        return run([rule], Table(rows), tuple(f"row {i + 1}" for i in range(len(rows))), graph, workers=1)[rule.id]
    return run_rule((rule.rule, rule.kwargs), [Row(i, row) for i, row in enumerate(rows)], graph)


def case_rows(contract: Contract, case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the whole rows of a case."""
    made: list[dict[str, Any]] = []
    for change in case.get("rows", [case]):
        change = {key: value for key, value in change.items() if key != "why"}
        for n in range(change.pop("repeat", 1)):
            made.append(_merged(contract.test_row or {}, _counted(change, len(made) + 1) if n or "rows" in case else change))
    return made


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        before = merged.get(key)
        merged[key] = _merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return merged


def _counted(value: Any, n: int) -> Any:
    if isinstance(value, str):
        return value.replace("{n}", str(n))
    if isinstance(value, list):
        return [_counted(v, n) for v in value]
    return {k: _counted(v, n) for k, v in value.items()} if isinstance(value, dict) else value
