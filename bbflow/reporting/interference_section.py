"""Interference between capabilities in the report: the numbers of report.json and the section of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bbflow.optimization.unbiased_interference import ALPHA
from bbflow.reporting.charts import plots
from bbflow.reporting.markup import Markup, el, join

if TYPE_CHECKING:
    import pandas as pd

COLORS = (plots.BLUE, plots.ORANGE, plots.GREEN, plots.VERMILLION, plots.PURPLE, plots.SKY)

NOTE = (
    "Cosines come from two independent halves of each step's rollouts, numerators and denominators averaged before they are divided, so "
    "that sampling noise does not draw them towards 0; the heat map averages over the last updates before each point. Opposed: the inner "
    "product across halves was negative; 0.5 is chance. p: one-sided, null hypothesis that the inner product, averaged over the run, is 0 "
    "or more, autocorrelation allowed for, Holm over pairs. Real change: gradients of the next batch times the update as it was made, "
    "optimiser, clipping and decay included. Harm on the own batch is flattered by its noise, which every gradient shares with itself; "
    "across halves it is not."
)


def interference_section(block: Mapping[str, Any] | None, history: pd.DataFrame | None) -> Markup | None:
    """Draws the section: what was found, a table of the pairs, a heat map over time, weights and real effects."""
    if not block:
        return None
    panels = []
    rows = {c.removeprefix("interference/cosine/"): c for c in _columns(history, "cosine")}
    order = {"~".join(entry["pair"]): i for i, entry in enumerate(block.get("pairs", []))}
    rows = dict(sorted(rows.items(), key=lambda row: order.get(row[0], len(order))))
    if history is not None and rows:
        logged = history.dropna(subset=list(rows.values()), how="all")
        values = {pair: logged[column].astype(float).tolist() for pair, column in rows.items()}
        panels.append(
            _panel("Cosines of the gradients over time", plots.heat_map("cosines", values, logged["step"].astype(float).tolist()))
        )
    if block.get("pairs"):
        agreed = {tuple(e["pair"]): math.nan if e["conflict_rate"] is None else 1 - 2 * e["conflict_rate"] for e in block["pairs"]}
        panels.insert(
            0,
            _panel(
                "Do gradients point the same way? 1: in every measured batch, -1: in none",
                plots.matrix("agreement", block["names"], agreed),
            ),
        )
    for kind, title in (("weight", "Weights of the updates"), ("applied", "Real first-order change per update (smoothed)")):
        lines, moving = [], False
        for i, column in enumerate(_columns(history, kind)):
            assert history is not None
            points = history[["step", column]].dropna()
            values_T = points[column].astype(float).tolist()
            moving |= len(set(values_T)) > 1  # a plain sum has weights that never change
            lines.append(plots.Line(column.rsplit("/", 1)[1], points["step"].tolist(), plots.smoothed(values_T), COLORS[i % len(COLORS)]))
        if moving:
            panels.append(_panel(title, plots.line_chart(title, lines)))
    return join(
        el("p", _sentence(block)),
        _pairs(block.get("pairs", [])),
        el("div", *panels, class_="grid") if panels else None,
        _details(block),
        el("p", NOTE, class_="note"),
    )


def _sentence(block: Mapping[str, Any]) -> str:
    harm = block["harm_rate"]
    said = (
        f"Batches measured: {block['steps']}. On its own batch the update lowers a capability to first order in {harm['update']:.0%}; "
        f"the plain weighted sum would have in {harm['weighted_sum']:.0%}."
    )
    found = [entry for entry in block.get("pairs", []) if entry["p_conflict"] is not None and entry["p_conflict"] < ALPHA]
    if found:
        said += f" In conflict over the run (p < {ALPHA:g}): " + ", ".join(" and ".join(entry["pair"]) for entry in found) + "."
    elif block.get("pairs"):
        said += " No pair of capabilities is shown to be in conflict over the run."
    lost = [name for name, e in block.get("weighted_sum", {}).items() if e["p_lowered"] is not None and e["p_lowered"] < ALPHA]
    if lost:
        said += f" Across halves, the plain weighted sum lowers {', '.join(lost)} (p < {ALPHA:g})."
    if block.get("stationarity") is not None:
        said += f" Distance from Pareto stationarity at the end: {block['stationarity']:.2g}."
    return said


def _pairs(pairs: Sequence[Mapping[str, Any]]) -> Markup | None:
    heads = ("pair", "cosine", "share of steps opposed", "p (conflict)")
    if not pairs:
        return None
    rows = []
    for entry in pairs:
        cosine = "not told from noise" if entry["cosine"] is None else f"{entry['cosine']:+.2f} ± {1.96 * (entry['cosine_error'] or 0):.2f}"
        cells = (" and ".join(entry["pair"]), cosine, _shown(entry["conflict_rate"], ".2f"), _shown(entry["p_conflict"], ".2g"))
        rows.append(el("tr", *(el("td", el("span", cell), data_label=head) for head, cell in zip(heads, cells, strict=True))))
    return el("table", el("thead", el("tr", *(el("th", head, scope="col") for head in heads))), el("tbody", *rows), class_="cards")


def _details(block: Mapping[str, Any]) -> Markup | None:
    items = []
    for name in block["names"]:
        parts = [f"mean weight {block['weights'][name]:.3g}"]
        if (signal := block.get("signal", {}).get(name)) is not None:
            parts.append(f"{signal:.0%} of its squared gradient is signal")
        if effect := block.get("applied", {}).get(name):
            p = _shown(effect["p_lowered"], ".2g")
            parts.append(
                f"real change {effect['mean']:+.3g} per update, {effect['share_lowered']:.0%} of updates lower it (p of a loss {p})"
            )
        items.append(el("li", f"{name}: {'; '.join(parts)}"))
    return el("ul", *items, class_="note")


def _columns(history: pd.DataFrame | None, kind: str) -> list[str]:
    if history is None or "step" not in history:
        return []
    return [c for c in map(str, history.columns) if c.startswith(f"interference/{kind}/")]


def _panel(title: str, chart: Markup) -> Markup:
    return el("figure", el("figcaption", title), chart)


def _shown(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)
