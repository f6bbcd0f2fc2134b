"""Which of several policies no other beats: at least as good in every capability, better in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bbflow.evaluation.statistics.pareto import Scores, pareto_mask
from bbflow.reporting.charts import plots
from bbflow.reporting.markup import Markup, el

if TYPE_CHECKING:
    import pandas as pd


def pareto_chart(title: str, labels: Sequence[str], scores: Sequence[Scores]) -> Markup:
    """Draws each policy at its mean and its weakest capability; those on the front are filled.

    Args:
        title: Said by screen readers.
        labels: One for each policy.
        scores: Capability to score of each policy.
    """
    at: dict[tuple[float, float, bool], list[str]] = {}
    for label, of, front in zip(labels, scores, pareto_mask(scores), strict=True):
        at.setdefault((round(sum(of.values()) / len(of), 4), round(min(of.values()), 4), front), []).append(label)
    points = [plots.Point(", ".join(names), *place) for place, names in at.items()]  # policies in one place share a label
    return plots.scatter(title, points, "mean over capabilities", "weakest capability")


def checkpoint_chart(history: pd.DataFrame | None, capabilities: Sequence[str]) -> Markup | None:
    """Draws the states of a run by their validation scores; None where fewer than two were measured in two capabilities.

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
    return el("div", el("figure", chart, el("p", note, class_="note")), class_="grid")
