"""Writes a verdict down: `report.json` for programs, `report.html` for people, readable without a network.

The page shows, for each rule that found something, examples with the offending words marked and the graph edge that proves it.
Whatever may identify a person is masked, in both files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from bbflow.contracts.engine.row import plain
from bbflow.contracts.verdict import Failure, RuleResult, Verdict
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Triple
from bbflow.text.phi import mask

_SHOWN = 100
"""Failures that the page names for each rule; the JSON holds all of them."""

_QUOTED = 12
"""Of these it shows the text and the cells."""

_AROUND = 140
"""Characters that are shown before and after the offending words."""

_WORDS = {"pass": "passed", "refuse": "refuses the data", "quarantine": "set aside", "report": "reported"}
STYLE = (Path(__file__).parent / "templates" / "contract.css").read_text(encoding="utf-8")


def write_contract_report(
    folder: str | Path, verdict: Verdict, rows: Sequence[Mapping[str, Any]] | None = None, graph: KnowledgeGraph | None = None
) -> None:
    """Writes `report.json` (every failing example with its reason) and `report.html` into a folder, which is made if needed.

    Args:
        folder: Where to.
        verdict: What the contract said.
        rows: The rows it was said of, to quote from; without them the page has no quotations.
        graph: The graph, for the names and sources of edges.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(verdict.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(render_contract_page(verdict, rows, graph), encoding="utf-8")


def render_contract_page(verdict: Verdict, rows: Sequence[Mapping[str, Any]] | None = None, graph: KnowledgeGraph | None = None) -> str:
    """Returns the page."""
    contract = verdict.contract
    said = "refused" if verdict.refused else "accepted"
    facts = [
        ("rows", f"{len(verdict.ids)}"),
        ("accepted", f"{len(verdict.accepted)}"),
        ("set aside", f"{len(verdict.quarantined_rows)}"),
        ("rules", f"{len(verdict.results)}"),
        ("graph", f"{verdict.graph['name']} {verdict.graph['version']}"),
        ("owner", contract.owner or "not named"),
    ]
    cards = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    refusals = "".join(f"<li>{escape(mask(reason))}</li>" for reason in verdict.refusals)
    disabled = "".join(f"<li><code>{escape(rule)}</code> is switched off: {escape(reason)}</li>" for rule, reason in contract.disabled)
    found = [r for r in verdict.results if r.failures or r.error]
    sections = "".join(_section(r, rows, graph, number) for number, r in enumerate(found))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(contract.id)}: {said}</title><style>{STYLE}</style></head><body>
<h1>{escape(contract.name or contract.id)} <small>{escape(contract.version)}</small> <span class="badge {said}">{said}</span></h1>
<dl class="cards">{cards}</dl>
{_bar(verdict)}
{f"<h2>Why the data are refused</h2><ul>{refusals}</ul>" if refusals else ""}
{f"<ul>{disabled}</ul>" if disabled else ""}
<h2>Rules</h2>
{_rules(verdict, found)}
{sections}
<footer>Contract <code>{contract.sha256}</code><br>Graph <code>{escape(verdict.graph["sha256"])}</code><br>
What may identify a person is masked. report.json beside this page names every failing example.<br>
bbflow checks data for training language models. It gives no medical advice.</footer>
</body></html>
"""


def _bar(verdict: Verdict) -> str:
    total = len(verdict.ids) or 1
    refusing = frozenset(row for r in verdict.results if r.verdict == "refuse" for row in r.rows)
    aside = len(verdict.quarantined_rows - refusing)
    parts = [
        ("accepted", total - len(refusing) - aside, "with nothing against them"),
        ("quarantine", aside, "to set aside"),
        ("refuse", len(refusing), "that refuse"),
    ]
    bars = "".join(f'<i class="{name}" style="width:{100 * count / total:.2f}%"></i>' for name, count, _ in parts if count)
    legend = ", ".join(f"{count} rows {words}" for _, count, words in parts)
    return f'<div class="bar">{bars}</div><p class="note">{legend}</p>' if verdict.ids else ""


def _rules(verdict: Verdict, found: list[RuleResult]) -> str:
    numbers = {id(result): number for number, result in enumerate(found)}
    body = []
    for r in verdict.results:
        name = escape(r.name)
        name = f'<a href="#rule{numbers[id(r)]}">{name}</a>' if id(r) in numbers else name
        body.append(
            [
                f"{name}<br><code>{escape(r.id)}</code>",
                f'<span class="severity {r.severity}">{r.severity}</span>',
                escape(r.owner or "-"),
                escape(r.dimension or "-"),
                _number(r.evaluated),
                _number(len(r.rows)),
                f'<span class="{r.verdict}">{_WORDS[r.verdict]}</span>',
            ]
        )
    return _table(["rule", "severity", "owner", "dimension", "rows checked", "failing", "outcome"], body)


def _section(result: RuleResult, rows: Sequence[Mapping[str, Any]] | None, graph: KnowledgeGraph | None, number: int) -> str:
    shown = result.failures[:_SHOWN]
    body = []
    for i, failure in enumerate(shown):
        quote = _quotation(failure, rows[failure.row], graph) if rows is not None and failure.row is not None and i < _QUOTED else ""
        proof = "".join(_edge(edge, graph) for edge in failure.edges)
        place = _number(failure.row + 1) if failure.row is not None else "<td></td>"
        body.append([place, f"<code>{escape(mask(failure.example_id))}</code>", f"{escape(mask(failure.reason))}{proof}{quote}"])
    more = f"<p>and {len(result.failures) - _SHOWN} more in report.json</p>" if len(result.failures) > _SHOWN else ""
    error = f'<p class="refuse">{escape(mask(result.error))}</p>' if result.error else ""
    head = f'<span class="severity {result.severity}">{result.severity}</span> {escape(result.name)}'
    note = f'<p class="note"><code>{escape(result.id)}</code> {_WORDS[result.verdict]}; {len(result.rows)} of {result.evaluated} rows fail'
    note += f"; owner: {escape(result.owner)}</p>" if result.owner else "</p>"
    table = _table(["row", "example", "what is wrong"], body) if body else ""
    return f'<section id="rule{number}"><h2>{head}</h2>{note}{error}{table}{more}</section>'


def _quotation(failure: Failure, row: Mapping[str, Any], graph: KnowledgeGraph | None) -> str:
    """Quotes the text around the offending words, or else the response, with the patient and the recommendations below."""
    text = _text(row, failure.column or "response")
    quote = ""
    if text:
        hidden = mask(text)
        start, end = failure.span or (0, 0)
        first, last = max(0, start - _AROUND), min(len(text), max(end, start) + _AROUND)
        marked = f"<mark>{escape(hidden[start:end])}</mark>" if failure.span else ""
        before, after = ("…" if first else "") + hidden[first:start], hidden[end:last] + ("…" if last < len(text) else "")
        quote = f"<blockquote><b>{escape(failure.column or 'response')}</b> {escape(before)}{marked}{escape(after)}</blockquote>"
    cells = {name: plain(row.get(name)) for name in ("recommended", "patient")}
    facts = "".join(f"<li><b>{name}</b> {escape(mask(_compact(value, graph)))}</li>" for name, value in cells.items() if value)
    return quote + (f'<ul class="cells">{facts}</ul>' if facts else "")


def _text(row: Mapping[str, Any], column: str) -> str:
    if column.startswith("messages["):
        messages, i = plain(row.get("messages")), int(column[9:-1])
        message = messages[i] if isinstance(messages, list) and i < len(messages) else None
        content = message.get("content") if isinstance(message, Mapping) else None
        return content if isinstance(content, str) else ""
    value = row.get(column)
    return value if isinstance(value, str) else ""


def _compact(value: Any, graph: KnowledgeGraph | None) -> str:
    """Writes a cell in a line, without what is empty."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_compact(v, graph)}" for k, v in value.items() if v not in (None, [], ""))
    if isinstance(value, list):
        return "; ".join(_compact(v, graph) for v in value)
    return graph.name_of(value) if graph is not None and isinstance(value, str) and value in graph else str(value)


def _edge(edge: Triple, graph: KnowledgeGraph | None) -> str:
    subject, predicate, obj = edge
    known = graph.edge(*edge) if graph is not None else None
    ends = [graph.name_of(n) if graph is not None and n in graph else n for n in (subject, obj)]
    source = f" <small>{escape(known.source)}{'' if known.verified else ', not verified'}</small>" if known else ""
    return f'<div class="edge">{escape(ends[0])} <em>{escape(predicate.replace("_", " "))}</em> {escape(ends[1])}{source}</div>'


def _table(head: Iterable[str], rows: Iterable[list[str]]) -> str:
    titles = "".join(f"<th>{title}</th>" for title in head)
    body = "".join("<tr>" + "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _number(value: int) -> str:
    return f'<td class="n">{value}</td>'
