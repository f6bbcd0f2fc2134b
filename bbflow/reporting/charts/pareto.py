"""Policies by the mean and the minimum of their capability scores, with the Pareto front filled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from bbflow.evaluation.statistics.pareto import Scores, pareto_mask
from bbflow.reporting.charts.scatter import Point, scatter
from bbflow.reporting.charts.svg import Figure

if TYPE_CHECKING:
    import pandas as pd


def pareto_chart(title: str, labels: Sequence[str], scores: Sequence[Scores]) -> Markup:
    """Return a chart of policies at their mean and their weakest capability; those on the front are filled.

    Args:
        title: Read by screen readers.
        labels: One per policy.
        scores: Capability to score of each policy.
    """
    at: dict[tuple[float, float, bool], list[str]] = {}
    for name, of, front in zip(labels, scores, pareto_mask(scores), strict=True):
        at.setdefault((round(sum(of.values()) / len(of), 4), round(min(of.values()), 4), front), []).append(name)
    points = [Point(", ".join(names), *place) for place, names in at.items()]  # policies in one place share a label
    return scatter(title, points, "mean over capabilities", "weakest capability")


def checkpoint_figure(history: pd.DataFrame | None, capabilities: Sequence[str]) -> Figure | None:
    """Return the chart of a run's checkpoints by validation scores; None with fewer than two checkpoints or capabilities.

    Args:
        history: Rows of metrics.csv.
        capabilities: Names.
    """
    if history is None or "step" not in history:
        return None
    columns = {name: f"validation/{name}" for name in capabilities if f"validation/{name}" in history}
    rows = history.dropna(subset=list(columns.values())) if columns else history.iloc[:0]
    if len(rows) < 2 or len(columns) < 2:
        return None
    steps = rows["step"].astype(int).tolist()
    scores = [{name: float(row[column]) for name, column in columns.items()} for _, row in rows.iterrows()]
    chart = pareto_chart("Pareto plot across checkpoints", [f"step {step}" for step in steps], scores)
    note = "Validation scores. Filled: no other state of the run is at least as good in every capability and better in one."
    return Figure(None, chart, note)
