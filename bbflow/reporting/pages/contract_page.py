"""The verdict of a data contract: `report.json` for programs and a self-contained `report.html` for people.

The page shows, for each rule with findings, examples with the offending words marked and the graph edge that proves the finding.
Anything that may identify a person is masked, in both files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bbflow.contracts.engine.row import plain
from bbflow.contracts.verdict import Failure, RuleResult, Verdict
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Triple
from bbflow.reporting.template_rendering import render
from bbflow.text.phi import mask

_SHOWN = 100
"""Largest number of failures of a rule on the page; the JSON holds all of them."""

_QUOTED = 12
"""Number of these failures that are shown with their text and cells."""

_AROUND = 140
"""Number of characters shown before and after the offending words."""

_OUTCOMES = {"pass": "passed", "refuse": "refuses the data", "quarantine": "set aside", "report": "reported"}

Rows = Sequence[Mapping[str, Any]]


class Quotation(NamedTuple):
    """Text around the offending words `marked`, masked."""

    column: str
    before: str
    marked: str
    after: str


class ProofEdge(NamedTuple):
    """An edge of the graph by names, with its source; None when the graph does not hold the edge."""

    subject: str
    predicate: str
    object: str
    source: str | None
    verified: bool


@dataclass(frozen=True)
class Finding:
    """A failure as shown, masked: its place, reason and proof, with a quotation and cells of the row for the first ones."""

    row: int | None
    example_id: str
    reason: str
    edges: list[ProofEdge]
    quotation: Quotation | None
    cells: dict[str, str]
    understood: bool


@dataclass(frozen=True)
class RuleFindings:
    """A rule that failed or broke, with the findings shown; `number` makes its anchor on the page."""

    number: int
    result: RuleResult
    error: str
    findings: list[Finding]

    @property
    def hidden(self) -> int:
        """Number of findings that are only in report.json."""
        return len(self.result.failures) + len(self.result.not_understood) - len(self.findings)


class Share(NamedTuple):
    """A part of the bar of rows."""

    kind: str
    rows: int
    text: str
    percent: float


def write_contract_report(folder: str | Path, verdict: Verdict, rows: Rows | None = None, graph: KnowledgeGraph | None = None) -> None:
    """Write `report.json` (every failing example with its reason) and `report.html`.

    Args:
        folder: Created if missing.
        verdict: Verdict of the contract.
        rows: The validated rows, to quote from; without them the page has no quotations.
        graph: The graph, for the names and sources of edges.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(verdict.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(render_contract_page(verdict, rows, graph), encoding="utf-8")


def render_contract_page(verdict: Verdict, rows: Rows | None = None, graph: KnowledgeGraph | None = None) -> str:
    """Return the page; for the arguments see `write_contract_report`."""
    found = [result for result in verdict.results if result.failures or result.not_understood or result.error]
    numbers = {id(result): number for number, result in enumerate(found)}
    return render(
        "contract.html.jinja",
        verdict=verdict,
        outcome="refused" if verdict.refused else "accepted",
        outcomes=_OUTCOMES,
        refusals=[mask(reason) for reason in verdict.refusals],
        shares=_shares(verdict) if verdict.ids else [],
        rules=[(result, numbers.get(id(result))) for result in verdict.results],
        found=[_rule_findings(number, result, rows, graph) for number, result in enumerate(found)],
    )


def _shares(verdict: Verdict) -> list[Share]:
    total = len(verdict.ids)
    counts = [
        ("accepted", "accepted", "with nothing against them"),
        ("report", "not understood", "not understood, set aside"),
        ("quarantine", "quarantined", "to set aside"),
        ("refuse", "refused", "that refuse"),
    ]
    found = [(kind, sum(of_row == outcome for of_row in verdict.row_outcomes), text) for kind, outcome, text in counts]
    return [Share(kind, count, text, 100 * count / total) for kind, count, text in found]


def _rule_findings(number: int, result: RuleResult, rows: Rows | None, graph: KnowledgeGraph | None) -> RuleFindings:
    findings = []
    for i, failure in enumerate((*result.failures, *result.not_understood)[:_SHOWN]):
        row = rows[failure.row] if rows is not None and failure.row is not None and i < _QUOTED else None
        findings.append(
            Finding(
                row=None if failure.row is None else failure.row + 1,
                example_id=mask(failure.example_id),
                reason=mask(failure.reason),
                edges=[_proof_edge(edge, graph) for edge in failure.edges],
                quotation=None if row is None else _quotation(failure, row),
                cells={} if row is None else _cells(row, graph),
                understood=i < len(result.failures),
            )
        )
    return RuleFindings(number, result, mask(result.error), findings)


def _quotation(failure: Failure, row: Mapping[str, Any]) -> Quotation | None:
    """Return the text around the offending words, the start of the response if none are known, or None without text."""
    column = failure.column or "response"
    text = _text(row, column)
    if not text:
        return None
    hidden = mask(text)
    start, end = failure.span or (0, 0)
    first, last = max(0, start - _AROUND), min(len(text), max(end, start) + _AROUND)
    before, after = ("…" if first else "") + hidden[first:start], hidden[end:last] + ("…" if last < len(text) else "")
    return Quotation(column, before, hidden[start:end] if failure.span else "", after)


def _cells(row: Mapping[str, Any], graph: KnowledgeGraph | None) -> dict[str, str]:
    cells = {name: plain(row.get(name)) for name in ("recommended", "patient")}
    return {name: mask(_compact(value, graph)) for name, value in cells.items() if value}


def _text(row: Mapping[str, Any], column: str) -> str:
    if column.startswith("messages["):
        messages, i = plain(row.get("messages")), int(column[9:-1])
        message = messages[i] if isinstance(messages, list) and i < len(messages) else None
        content = message.get("content") if isinstance(message, Mapping) else None
        return content if isinstance(content, str) else ""
    value = row.get(column)
    return value if isinstance(value, str) else ""


def _compact(value: Any, graph: KnowledgeGraph | None) -> str:
    """Return a cell in one line, empty parts left out."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_compact(v, graph)}" for k, v in value.items() if v not in (None, [], ""))
    if isinstance(value, list):
        return "; ".join(_compact(v, graph) for v in value)
    return graph.name_of(value) if graph is not None and isinstance(value, str) and value in graph else str(value)


def _proof_edge(edge: Triple, graph: KnowledgeGraph | None) -> ProofEdge:
    subject, predicate, obj = edge
    known = graph.edge(*edge) if graph is not None else None
    ends = [graph.name_of(n) if graph is not None and n in graph else n for n in (subject, obj)]
    source, verified = (known.source, known.verified) if known else (None, True)
    return ProofEdge(ends[0], predicate.replace("_", " "), ends[1], source, verified)
