"""Writes a verdict down: `report.json` for programs, `report.html` for people, readable without a network."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from pathlib import Path

from bbflow.contracts.verdict import RuleResult, Verdict

_SHOWN = 100
"""Failures that the page shows for each rule; the JSON holds all of them."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1f24; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #d5d9de; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.pass { color: #17703a; } .refuse { color: #b3261e; font-weight: 600; } .quarantine { color: #8a5a00; } .report { color: #40536b; }
footer { margin-top: 2rem; color: #5a6572; font-size: 13px; }
"""


def write_report(folder: str | Path, verdict: Verdict) -> None:
    """Writes `report.json` (every failing example with its reason) and `report.html` into a folder, which is made if needed."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(verdict.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(html_of(verdict), encoding="utf-8")


def html_of(verdict: Verdict) -> str:
    """Returns the page."""
    contract = verdict.contract
    said = "refused" if verdict.refused else "accepted"
    counts = f"{len(verdict.ids)} rows, {len(verdict.accepted)} accepted, {len(verdict.quarantined_rows)} quarantined"
    rules = [
        [
            escape(r.name),
            f"<code>{escape(r.rule)}</code>",
            r.severity,
            _number(r.evaluated),
            _number(len(r.rows)),
            f'<span class="{r.verdict}">{r.verdict}</span>',
        ]
        for r in verdict.results
    ]
    sections = "".join(_section(r) for r in verdict.results if r.failures or r.error)
    refusals = "".join(f"<li>{escape(reason)}</li>" for reason in verdict.refusals)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(contract.id)}: {said}</title><style>{_STYLE}</style></head><body>
<h1>{escape(contract.id)} {escape(contract.version)}: <span class="{"refuse" if verdict.refused else "pass"}">{said}</span></h1>
<p>{counts}. Graph {escape(verdict.graph["name"])} {escape(verdict.graph["version"])}.</p>
<ul>{refusals}</ul>
{_table(["name", "rule", "severity", "rows checked", "failing", "verdict"], rules)}
{sections}
<footer>Contract {contract.sha256}<br>Graph {escape(verdict.graph["sha256"])}<br>
bbflow checks data for training language models. It gives no medical advice.</footer>
</body></html>
"""


def _section(result: RuleResult) -> str:
    rows = [[_number(f.row), f"<code>{escape(f.example_id)}</code>", escape(f.reason)] for f in result.failures[:_SHOWN]]
    more = f"<p>and {len(result.failures) - _SHOWN} more in report.json</p>" if len(result.failures) > _SHOWN else ""
    error = f'<p class="refuse">{escape(result.error)}</p>' if result.error else ""
    table = _table(["row", "example_id", "reason"], rows) if rows else ""
    return f"<h2>{escape(result.name)}</h2>{error}{table}{more}"


def _table(head: Iterable[str], rows: Iterable[list[str]]) -> str:
    titles = "".join(f"<th>{title}</th>" for title in head)
    body = "".join("<tr>" + "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _number(value: int) -> str:
    return f'<td class="n">{value}</td>'
