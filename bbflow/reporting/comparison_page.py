"""Several runs side by side: scores, paired differences to the first run, and who is on the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bbflow.reporting.charts.pareto import pareto_chart
from bbflow.reporting.markup import Markup, cards, document, el, join


def render_comparison(comparison: Mapping[str, Any]) -> str:
    """Renders a comparison as one self-contained page."""
    runs = comparison["runs"]
    names = list(next(iter(runs.values()))["capabilities"])
    heads = ["run", *names, "integration", "verdict", "training"]
    rows = []
    for run, entry in runs.items():
        scores = {name: _with_interval(entry["capabilities"][name]) for name in names}
        seconds = entry.get("cost", {}).get("training_seconds")
        rows.append({
            "run": el("strong", run), **scores, "integration": _with_interval(entry["integration"]),
            "verdict": entry.get("verdict", "not compared"), "training": "" if seconds is None else f"{seconds:,.0f} s",
        })  # fmt: skip
    changes = [
        {"run": el("strong", run), **{n: _change(d) for n, d in of["capabilities"].items()}, "integration": _change(of["integration"])}
        for run, of in comparison["differences"].items()
    ]
    chart = pareto_chart("Pareto plot", list(runs), [entry["corrected"] for entry in runs.values()])
    note = (
        f"Paired by item, items of one entity taken together; in brackets the one-sided 95% bounds. Nothing is corrected for the number of "
        f"comparisons. Reference: {comparison['reference']}."
    )
    front = "Null-corrected scores. Filled: no other run is at least as good in every capability and better in one."
    return document(
        "bbflow compare",
        el("header", el("p", "bbflow compare", class_="kicker"), el("h1", f"{len(runs)} runs on the same items")),
        el("section", el("h2", "Scores"), cards(heads, rows), el("p", "Brackets: 95% interval.", class_="note")),
        el("section", el("h2", "Differences"), cards(["run", *names, "integration"], changes), el("p", note, class_="note")),
        el("section", el("h2", "Pareto plot"), el("div", el("figure", chart, el("p", front, class_="note")), class_="grid")),
    )


def _with_interval(part: Mapping[str, Any]) -> Markup:
    low, high = part["ci"]
    return join(el("strong", f"{part['score']:.3f}"), " ", el("span", f"[{low:.2f}, {high:.2f}]", class_="ci"))


def _change(part: Mapping[str, Any]) -> Markup:
    return join(el("strong", f"{part['estimate']:+.3f}"), " ", el("span", f"[{part['lower']:+.3f}, {part['upper']:+.3f}]", class_="ci"))
