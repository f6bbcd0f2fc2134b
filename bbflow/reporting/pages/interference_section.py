"""The section of a run's page about interference between capabilities."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from bbflow.optimization.unbiased_interference import ALPHA
from bbflow.reporting.charts.heat_map import heat_map, matrix
from bbflow.reporting.charts.line_chart import Line, line_chart, smoothed
from bbflow.reporting.charts.svg import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, Figure
from bbflow.reporting.template_rendering import render_part

if TYPE_CHECKING:
    import pandas as pd

COLORS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY)


def interference_section(block: Mapping[str, Any] | None, history: pd.DataFrame | None) -> Markup | None:
    """Return the section: findings, pairs, cosines over time, weights and real effects; None without a block.

    Args:
        block: Result of `bbflow.evaluation.interference_summary.summarize_interference`.
        history: Rows of metrics.csv.
    """
    if not block:
        return None
    figures = [*_agreement(block), *_cosines(block, history), *_lines(history)]
    return render_part("run/interference.html.jinja", block=block, sentence=_sentence(block), figures=figures)


def _agreement(block: Mapping[str, Any]) -> Iterator[Figure]:
    if pairs := block.get("pairs"):
        agreed = {tuple(e["pair"]): math.nan if e["conflict_rate"] is None else 1 - 2 * e["conflict_rate"] for e in pairs}
        title = "Do gradients point the same way? 1: in every measured batch, -1: in none"
        yield Figure(title, matrix("agreement", block["names"], agreed))


def _cosines(block: Mapping[str, Any], history: pd.DataFrame | None) -> Iterator[Figure]:
    columns = {c.removeprefix("interference/cosine/"): c for c in _columns(history, "cosine")}
    if history is None or not columns:
        return
    order = {"~".join(entry["pair"]): i for i, entry in enumerate(block.get("pairs", []))}
    columns = dict(sorted(columns.items(), key=lambda row: order.get(row[0], len(order))))
    logged = history.dropna(subset=list(columns.values()), how="all")
    values = {pair: logged[column].astype(float).tolist() for pair, column in columns.items()}
    yield Figure("Cosines of the gradients over time", heat_map("cosines", values, logged["step"].astype(float).tolist()))


def _lines(history: pd.DataFrame | None) -> Iterator[Figure]:
    """Yield charts of weights and of real effects; values that never change, as the weights of a plain sum, get none."""
    for kind, title in (("weight", "Weights of the updates"), ("applied", "Real first-order change per update (smoothed)")):
        lines, moving = [], False
        for i, column in enumerate(_columns(history, kind)):
            assert history is not None
            points = history[["step", column]].dropna()
            values_T = points[column].astype(float).tolist()
            moving |= len(set(values_T)) > 1
            lines.append(Line(column.rsplit("/", 1)[1], points["step"].tolist(), smoothed(values_T), COLORS[i % len(COLORS)]))
        if moving:
            yield Figure(title, line_chart(title, lines))


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


def _columns(history: pd.DataFrame | None, kind: str) -> list[str]:
    if history is None or "step" not in history:
        return []
    return [c for c in map(str, history.columns) if c.startswith(f"interference/{kind}/")]
