"""The verdict of a contract on data: failures with reasons by rule, and whether the data may be used for training.

A row is accepted only where every rule understood it and none fails. A rule that cannot read words of a row neither passes nor fails it:
the row is *not understood* and is set aside, whatever the rule's severity, unless the rule only reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

from bbflow.contracts.contract import Action, Contract, Severity
from bbflow.errors import Refused
from bbflow.records import Triple
from bbflow.text.phi import mask

T = TypeVar("T")

RowOutcome = Literal["accepted", "not understood", "quarantined", "refused"]
"""What becomes of a row: of several outcomes the last in this order."""


@dataclass(frozen=True)
class Failure:
    """One reason why one row fails a rule, or is not understood by it.

    Attributes:
        example_id: The row's id, or `row N` where it has none; `the data set` where no single row is to blame.
        row: Position in the data, from 0; None where no single row is to blame.
        reason: One sentence.
        column: The text it was found in; may be empty.
        span: The offending characters there.
        edges: Edges of the graph that prove it.
    """

    example_id: str
    row: int | None
    reason: str
    column: str = ""
    span: tuple[int, int] | None = None
    edges: tuple[Triple, ...] = ()


@dataclass(frozen=True)
class RuleResult:
    """Result of one rule of a contract.

    Attributes:
        id: The rule's id in the contract.
        name: Its label.
        rule: Its name in the registry.
        severity: As the contract says.
        dimension: As the contract says.
        tags: As the contract says.
        on_failure: What follows a failing row.
        evaluated: How many rows it applied to.
        failures: Every reason.
        error: Why its findings are not known; always refuses, at any severity. Empty when all went well.
        owner: Who answers for the rule.
        not_understood: Every reason why a row can neither pass nor fail the rule: the words that were not read.
    """

    id: str
    name: str
    rule: str
    severity: Severity
    dimension: str
    tags: tuple[str, ...]
    on_failure: Action
    evaluated: int
    failures: tuple[Failure, ...]
    error: str = ""
    owner: str = ""
    not_understood: tuple[Failure, ...] = ()

    @property
    def rows(self) -> frozenset[int]:
        """Positions of the failing rows."""
        return frozenset(f.row for f in self.failures if f.row is not None)

    @cached_property
    def rows_not_understood(self) -> frozenset[int]:
        """Positions of the rows that do not fail and were not understood."""
        return frozenset(f.row for f in self.not_understood if f.row is not None) - self.rows

    @property
    def sets_aside(self) -> bool:
        """Whether a row that the rule did not understand is set aside; a rule that reports decides nothing."""
        return self.on_failure != "report" and not self.error

    @property
    def verdict(self) -> Literal["pass", "refuse", "quarantine", "report"]:
        """Outcome of this rule alone; a failure of the data set as a whole cannot be set aside, and refuses."""
        if self.error or (self.on_failure == "quarantine" and any(f.row is None for f in self.failures)):
            return "refuse"
        if self.failures:
            return self.on_failure
        return ("quarantine" if self.sets_aside else "report") if self.not_understood else "pass"


@dataclass(frozen=True)
class Quarantined:
    """A row that is kept out of training, with the rule and the reason; one entry for each reason.

    Attributes:
        example_id: The row's id.
        row: Its position, from 0.
        rule: Id of the rule.
        reason: One sentence, which quotes the words where the row was not understood.
        outcome: Whether the row fails the rule, or was not understood by it.
    """

    example_id: str
    row: int
    rule: str
    reason: str
    outcome: Literal["fails", "not understood"] = "fails"


@dataclass(frozen=True)
class Verdict:
    """The verdict of a contract on data.

    The data are refused when they hold no row; when a rule could not be evaluated; when a row fails a rule whose
    `on_failure` is refuse (critical, unless the contract quarantines instead); or when more rows would be quarantined, or not be
    understood, than the contract allows. Otherwise every row is accepted that no quarantining rule failed and that was understood. Rules
    that report never decide.

    Attributes:
        contract: The contract.
        graph: Name, version and sha256 of the graph.
        ids: The rows' ids, in order.
        results: One for each rule, the check of declared columns first.
    """

    contract: Contract
    graph: dict[str, str]
    ids: tuple[str, ...]
    results: tuple[RuleResult, ...]

    @cached_property
    def quarantine(self) -> tuple[Quarantined, ...]:
        """Every reason why a row is quarantined, in order of rows."""
        found = [
            Quarantined(f.example_id, f.row, r.id, f.reason)
            for r in self.results
            if r.verdict == "quarantine"
            for f in r.failures
            if f.row is not None
        ]
        found += [
            Quarantined(f.example_id, f.row, r.id, f.reason, "not understood")
            for r in self.results
            if r.sets_aside
            for f in r.not_understood
            if f.row is not None
        ]
        return tuple(sorted(found, key=lambda q: q.row))

    @cached_property
    def quarantined_rows(self) -> frozenset[int]:
        """Positions of the rows that are set aside, those that were not understood included."""
        return frozenset(q.row for q in self.quarantine)

    @cached_property
    def row_outcomes(self) -> tuple[RowOutcome, ...]:
        """What the findings on each row make of it, in the order of the rows."""
        worst: dict[int, RowOutcome] = {q.row: "not understood" for q in self.quarantine if q.outcome == "not understood"}
        worst |= {q.row: "quarantined" for q in self.quarantine if q.outcome == "fails"}
        worst |= {row: "refused" for result in self.results if result.on_failure == "refuse" for row in result.rows}
        return tuple(worst.get(row, "accepted") for row in range(len(self.ids)))

    @cached_property
    def refusals(self) -> tuple[str, ...]:
        """Why the data are refused; empty when they are not."""
        reasons = [] if self.ids else ["the data hold no row"]
        for result in self.results:
            if result.error:
                reasons.append(f"{result.id}: {result.error}")
            elif result.verdict == "refuse":
                first = result.failures[0]
                count = f"{len(result.rows)} of {len(self.ids)} rows fail, first {mask(first.example_id)}: "
                reasons.append(f"{result.id}: {'' if first.row is None else count}{mask(first.reason)}")
        failing = len({q.row for q in self.quarantine if q.outcome == "fails"})
        unread = sum(outcome == "not understood" for outcome in self.row_outcomes)
        for rows, what, limit, name in (
            (failing, "would be quarantined", self.contract.max_quarantine_fraction, "maxQuarantineFraction"),
            (unread, "were not understood", self.contract.max_not_understood_fraction, "maxNotUnderstoodFraction"),
        ):
            # A quotient, so that 29 rows of 100 are not more than 0.29 of them; 0.29 * 100 is less than 29 in floating point.
            if self.ids and rows / len(self.ids) > limit:
                reasons.append(f"{rows} of {len(self.ids)} rows {what}, more than the contract's {name} of {limit:g}")
        if not self.results:
            reasons.append("no rule was evaluated")
        return tuple(reasons)

    @property
    def refused(self) -> bool:
        """Whether the data must not be used."""
        return bool(self.refusals)

    @cached_property
    def accepted(self) -> tuple[str, ...]:
        """Ids of the rows that may be used; none when the data are refused."""
        return () if self.refused else tuple(i for row, i in enumerate(self.ids) if row not in self.quarantined_rows)

    def raise_if_refused(self) -> None:
        """Raise Refused with every reason when the data must not be used."""
        if self.refused:
            head = f"data contract '{self.contract.id}' ({self.contract.path}) refuses the data:"
            raise Refused("\n  ".join([head, *self.refusals]))

    def keep(self, rows: Sequence[T]) -> list[T]:
        """Return those of the validated rows, given in the same order, that may be used.

        Raises:
            Refused: The data are refused.
        """
        self.raise_if_refused()
        return [item for i, item in zip(range(len(self.ids)), rows, strict=True) if i not in self.quarantined_rows]

    def to_json(self) -> dict[str, Any]:
        """Return plain data by `verdict_schema`, every failing example with its reason included."""
        return {
            "contract": {"id": self.contract.id, "version": self.contract.version, "sha256": self.contract.sha256},
            "graph": dict(self.graph),
            "rows": len(self.ids),
            "accepted": len(self.accepted),
            "quarantined": len(self.quarantined_rows),
            "not_understood": self.row_outcomes.count("not understood"),
            "max_quarantine_fraction": self.contract.max_quarantine_fraction,
            "max_not_understood_fraction": self.contract.max_not_understood_fraction,
            "refused": self.refused,
            "refusals": list(self.refusals),
            "rules": [
                {
                    "id": r.id,
                    "name": r.name,
                    "rule": r.rule,
                    "severity": r.severity,
                    "dimension": r.dimension,
                    "tags": list(r.tags),
                    "on_failure": r.on_failure,
                    "verdict": r.verdict,
                    "evaluated": r.evaluated,
                    "failing": len(r.rows),
                    "not_understood": len(r.rows_not_understood),
                    "error": r.error,
                    "owner": r.owner,
                    "failures": [_failure(f, "fails") for f in r.failures] + [_failure(f, "not understood") for f in r.not_understood],
                }
                for r in self.results
            ],
        }


def _failure(failure: Failure, outcome: str) -> dict[str, Any]:
    where = {"column": failure.column, "span": list(failure.span) if failure.span else None, "edges": [list(e) for e in failure.edges]}
    return {"example_id": mask(failure.example_id), "row": failure.row, "outcome": outcome, "reason": mask(failure.reason), **where}
