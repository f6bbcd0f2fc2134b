"""A contract in plain English, and what changes from one contract to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bbflow.contracts.contract import Contract, QualityRule
from bbflow.contracts.verdict import RowOutcome, Verdict

_FOLLOWS = {
    "refuse": "One failing row refuses the whole data set.",
    "quarantine": "Failing rows are set aside.",
    "report": "Failing rows are reported and stay.",
}


def explain(contract: Contract) -> Iterator[tuple[str, list[str]]]:
    """Yield headings with sentences: what the contract is about, then each rule under what it looks at."""
    about = [f"It judges {_ABOUT[contract.table]}."]
    about += [f"{key.capitalize()}: {text}" for key, text in (contract.description or {}).items() if isinstance(text, str)]
    about.append(f"Owner: {contract.owner or 'nobody is named'}.")
    refusing = sum(r.on_failure == "refuse" for r in contract.rules)
    about.append(
        f"{len(contract.rules)} rules, {refusing} of which refuse the data. At most {contract.max_quarantine_fraction:.1%} of all rows may "
        "be set aside; above that the data are refused. Data without rows, and rules that crash, refuse."
    )
    about.append(
        "A row whose text is not understood is set aside, with the words that were not read: it is neither accepted nor called unsafe. At "
        f"most {contract.max_not_understood_fraction:.1%} of all rows may be so."
    )
    about += [f"Switched off: {rule}, because {reason.rstrip('.')}." for rule, reason in contract.disabled]
    yield f"{contract.name} ({contract.id} {contract.version})", about
    required = [c["name"] for c in contract.columns if c.get("required") or c.get("primaryKey")]
    if contract.columns:
        said = f"{len(contract.columns)} columns are declared" + (f"; none of {', '.join(required)} may be null." if required else ".")
        renamed = [f"'{name}' is called '{physical}' in the data." for name, physical in contract.physical.items()]
        yield "columns", [said, *renamed]
    for group in dict.fromkeys(rule.rule.group for rule in contract.rules):
        yield group, [describe_rule(rule) for rule in contract.rules if rule.rule.group == group]


_ABOUT = {
    "examples": "examples: one row for each question with its reference response",
    "preferences": "preference pairs: one row for each prompt with a chosen and a rejected response",
    "graph": "a knowledge graph: one row for each node and each edge",
}


def describe_rule(rule: QualityRule) -> str:
    """Describe a rule: its check, its arguments, and the action on failure.

    The words are those of the rule and of its owner, never code.
    """
    settings = "; ".join(f"{key} is {_said(value)}" for key, value in {**_defaults(rule), **rule.kwargs}.items() if value not in ([], {}))
    parts = [f"{rule.id}: {rule.rule.summary}"]
    if rule.description:
        parts.append(rule.description)
    if settings:
        parts.append(f"({settings}.)")
    parts.append(f"{rule.severity.capitalize()}: {_FOLLOWS[rule.on_failure]}")
    if rule.on_empty == "pass":
        parts.append("It may apply to no row.")
    if rule.owner:
        parts.append(f"Owner: {rule.owner}.")
    parts.append(f"Tested by {len(rule.accept)} accepted and {len(rule.reject)} rejected cases.")
    return " ".join(parts)


def _defaults(rule: QualityRule) -> dict[str, Any]:
    return {name: schema["default"] for name, schema in rule.rule.parameters.items() if "default" in schema}


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_said(v)}" for k, v in value.items())
    return str(value)


@dataclass(frozen=True)
class VerdictChange:
    """A row that two contracts judge differently.

    Attributes:
        example_id: The row's id.
        row: Its position, from 0.
        before: What became of it under the old contract.
        after: What becomes of it under the new one.
        rules: Ids of the rules whose findings on it came or went, with + or -.
    """

    example_id: str
    row: int
    before: RowOutcome
    after: RowOutcome
    rules: tuple[str, ...]


def verdict_changes(before: Verdict, after: Verdict) -> list[VerdictChange]:
    """List the rows whose verdict or whose failing rules differ between two contracts on the same data."""
    found = []
    failing: list[dict[int, set[str]]] = [{}, {}]
    for side, verdict in enumerate((before, after)):
        for result in verdict.results:
            for row in result.rows | result.rows_not_understood:
                failing[side].setdefault(row, set()).add(result.id)
    for row, (old, new) in enumerate(zip(before.row_outcomes, after.row_outcomes, strict=True)):
        gone, come = failing[0].get(row, set()) - failing[1].get(row, set()), failing[1].get(row, set()) - failing[0].get(row, set())
        if old != new or gone or come:
            rules = (*(f"-{rule}" for rule in sorted(gone)), *(f"+{rule}" for rule in sorted(come)))
            found.append(VerdictChange(after.ids[row], row, old, new, rules))
    return found
