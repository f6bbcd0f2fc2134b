"""Validate data against a contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bbflow.contracts.contract import Contract, QualityRule
from bbflow.contracts.engine.row import Row, plain
from bbflow.contracts.engine.rule import Outcome
from bbflow.contracts.engine.runner import Table
from bbflow.contracts.language.declared_columns import COLUMNS_RULE
from bbflow.contracts.verdict import Failure, RuleResult, Verdict
from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import KEYS, Example, unknown_keys

if TYPE_CHECKING:
    import pandas as pd

COLUMNS_ID = "declared columns"
"""Id of the check of declared columns in a verdict; no id of a contract can hold a space, so they cannot clash."""


WHOLE = "the data set"
"""The id where no single row is to blame."""


def validate(
    contract: Contract,
    data: Sequence[Example] | Sequence[Mapping[str, Any]] | pd.DataFrame,
    graph: KnowledgeGraph,
    workers: int | None = None,
) -> Verdict:
    """Run every rule of a contract over data.

    Args:
        contract: What the data must satisfy.
        data: Examples, table rows as mappings, or a DataFrame; all splits together, so that leakage shows.
        graph: The graph that the data speak of.
        workers: Processes to share the rows among; None for as many as pay.

    Returns:
        The verdict. Nothing is raised because data are bad: see `Verdict.raise_if_refused`.

    Raises:
        InputError: The data lack a column that the contract declares or one of its rules reads.
    """
    table = Table(data)
    if table.row_count:
        _check_columns(contract, table.names)
    ids = tuple(Row(i, {"example_id": value}).id for i, value in enumerate(table.column("example_id")))
    from bbflow.contracts.integrations.great_expectations import run

    rules = _rules(contract, table)
    outcomes = run(rules, table, ids, graph, workers)
    results = tuple(_result(rule, outcomes.get(rule.id, "there is no result"), ids) for rule in rules)
    about = {"name": graph.name, "version": graph.version, "sha256": graph.sha256}
    return Verdict(contract, about, ids, results)


def _check_columns(contract: Contract, present: list[Any]) -> None:
    missing = [
        Problem(f"the data lack column '{name}'", where, did_you_mean(name, present))
        for name, where in contract.where.items()
        if name not in present
    ]
    for rule in contract.rules:
        missing += [
            Problem(f"the data lack column '{name}', which rule '{rule.id}' reads", rule.where, did_you_mean(name, present))
            for name in rule.rule.columns
            if name not in present and name not in contract.where
        ]
    doubled = {name for name in present if present.count(name) > 1}
    missing += [Problem(f"the data have column '{name}' twice") for name in sorted(doubled)]
    if missing:
        raise InputError(*missing)


def _rules(contract: Contract, table: Table | None = None) -> list[QualityRule]:
    if not contract.columns and not (table and _has_unknown_keys(table)):
        return list(contract.rules)
    kwargs = {"columns": list(contract.columns)}
    columns = QualityRule(COLUMNS_ID, COLUMNS_ID, COLUMNS_RULE, kwargs, "critical", "refuse", dimension="conformity")
    return [columns, *contract.rules]


def _has_unknown_keys(table: Table) -> bool:
    """Return whether a patient or a recommendation has a key that nothing reads; asked where no declared columns are checked."""
    return any(next(unknown_keys(name, plain(cell)), None) for name in KEYS if name in table.names for cell in table.column(name))


def _result(rule: QualityRule, outcome: Outcome | str, ids: tuple[str, ...]) -> RuleResult:
    error = outcome if isinstance(outcome, str) else ""
    evaluated, findings = (0, []) if isinstance(outcome, str) else (outcome.evaluated, outcome.findings)
    if not error and not evaluated and rule.on_empty == "refuse":
        error = "applied to no row; if that is as it should be, set customProperties onEmpty: pass"
    failures, unread = (
        tuple(
            Failure(WHOLE if f.row is None else ids[f.row], f.row, f.reason, f.column, f.span, tuple(f.edges))
            for f in sorted(findings, key=lambda f: -1 if f.row is None else f.row)
            if f.understood == understood
        )
        for understood in (True, False)
    )
    return RuleResult(
        rule.id, rule.name, rule.rule.name, rule.severity, rule.dimension, rule.tags, rule.on_failure, evaluated, failures, error,
        rule.owner, unread,
    )  # fmt: skip
