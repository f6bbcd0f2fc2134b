"""Training curves from the rows of metrics.csv."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bbflow.reporting.charts.line_chart import Line, line_chart, smoothed
from bbflow.reporting.charts.svg import BLUE, GREEN, ORANGE, Figure

if TYPE_CHECKING:
    import pandas as pd

METRICS = {
    "train/loss": "Loss",
    "train/kl": "KL to the reference",
    "train/entropy": "Entropy of the policy",
    "train/completion_length": "Completion length (tokens)",
    "train/truncated": "Share of truncated completions",
    "train/grad_norm": "Gradient norm",
}
"""Metrics with a chart of their own where a run logged them, and their titles."""


def curve_figures(history: pd.DataFrame | None, capabilities: Sequence[str]) -> list[Figure]:
    """Return one chart per capability (training reward and held-out score over steps) and one per further metric.

    Args:
        history: Rows of metrics.csv: column `step` and one per metric, with missing cells where a metric was not logged.
        capabilities: Names, in the order of the charts.
    """
    if history is None or "step" not in history:
        return []
    figures = []
    for name in capabilities:
        lines = _capability_lines(history, name)
        if any(len(line.x) for line in lines):
            figures.append(Figure(name, line_chart(name, lines, limits=(0.0, 1.0))))
    for column, title in METRICS.items():
        if column in history:
            steps, values = _points(history, column)
            if len(values) > 1:
                lines = [Line("raw", steps, values, GREEN, faint=True), Line("smoothed", steps, smoothed(values), GREEN)]
                figures.append(Figure(title, line_chart(title, lines, height=150.0)))
    return figures + overoptimization_figures(history)


def overoptimization_figures(history: pd.DataFrame) -> list[Figure]:
    """Return a chart of gold and trained reward against the KL from the start of the run (Gao et al., arXiv 2210.10760).

    A rising trained reward with a falling gold reward means that the policy exploits its reward model.
    """
    if "gold/kl" not in history or "gold/score" not in history:
        return []
    rows = history[[c for c in ("gold/kl", "gold/score", "gold/proxy") if c in history]].dropna().drop_duplicates().sort_values("gold/kl")
    kl = rows["gold/kl"].astype(float).tolist()
    lines = [Line("gold reward model", kl, rows["gold/score"].astype(float).tolist(), ORANGE, marked=True)]
    if "gold/proxy" in rows:
        lines.append(Line("trained reward", kl, rows["gold/proxy"].astype(float).tolist(), BLUE, marked=True))
    chart = line_chart("over-optimisation", lines, limits=(0.0, 1.0), x_label="KL from the start, nats per completion")
    return [Figure("Over-optimisation watch", chart)]


def _capability_lines(history: pd.DataFrame, name: str) -> list[Line]:
    lines = []
    if (reward := _column(history, name, "reward")) is not None:
        steps, values = _points(history, reward)
        many = len(values) > 3
        lines += [Line("reward", steps, values, BLUE, faint=True)] * many
        lines.append(Line("training reward", steps, smoothed(values) if many else values, BLUE))
    if (held_out := f"validation/{name}") in history:
        lines.append(Line("held-out score", *_points(history, held_out), ORANGE, marked=True))
    return lines


def _column(history: pd.DataFrame, capability: str, kind: str) -> str | None:
    """Return the column whose path ends in the capability and contains the kind, e.g. `train/reward/domain`."""
    return next((c for c in map(str, history.columns) if c.endswith(f"/{capability}") and kind in c.split("/")[:-1]), None)


def _points(history: pd.DataFrame, column: str) -> tuple[list[float], list[float]]:
    rows = history[["step", column]].dropna()
    return rows["step"].astype(float).tolist(), rows[column].astype(float).tolist()
