"""Training curves for the report, from the rows of metrics.csv."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bbflow.reporting.charts import plots
from bbflow.reporting.markup import Markup, el

if TYPE_CHECKING:
    import pandas as pd

OTHERS = {
    "train/loss": "Loss",
    "train/kl": "KL to the reference",
    "train/entropy": "Entropy of the policy",
    "train/completion_length": "Completion length (tokens)",
    "train/truncated": "Share of truncated completions",
    "train/grad_norm": "Gradient norm",
}
"""Columns that get a panel of their own where a run has logged them, and their titles."""


def curve_panels(history: pd.DataFrame | None, capabilities: Sequence[str]) -> Markup | None:
    """Draws one panel per capability (training reward and held-out score over steps) and one per further metric.

    Args:
        history: Rows of metrics.csv, column `step` and one per metric, cells missing where a metric was not logged.
        capabilities: Names, in the order of the panels.

    Returns:
        The panels, or None when nothing was logged.
    """
    if history is None or "step" not in history:
        return None
    panels = []
    for name in capabilities:
        lines = []
        reward = _column(history, name, "reward")
        if reward is not None:
            steps, values = _points(history, reward)
            lines += [plots.Line("reward", steps, values, plots.BLUE, faint=True)] * (len(values) > 3)
            lines.append(plots.Line("training reward", steps, plots.smoothed(values) if len(values) > 3 else values, plots.BLUE))
        held_out = f"validation/{name}"
        if held_out in history:
            lines.append(plots.Line("held-out score", *_points(history, held_out), plots.ORANGE, marked=True))
        if any(len(line.x) for line in lines):
            panels.append(_panel(name, plots.line_chart(name, lines, limits=(0.0, 1.0))))
    for column, title in OTHERS.items():
        if column in history:
            steps, values = _points(history, column)
            if len(values) > 1:
                lines = [
                    plots.Line("raw", steps, values, plots.GREEN, faint=True),
                    plots.Line("smoothed", steps, plots.smoothed(values), plots.GREEN),
                ]
                panels.append(_panel(title, plots.line_chart(title, lines, height=150.0)))
    panels += gold_panels(history)
    note = "Training reward: mean over the rollouts of a step, thin as logged, thick smoothed. Held-out: the metric on validation examples."
    return el("div", el("p", note, class_="note"), el("div", *panels, class_="grid")) if panels else None


def gold_panels(history: pd.DataFrame) -> list[Markup]:
    """Draws the watched reward models against the KL from the start of the run (Gao et al., arXiv 2210.10760).

    Where the trained reward goes on rising and the gold one falls, the policy is exploiting its judge.
    """
    if "gold/kl" not in history or "gold/score" not in history:
        return []
    rows = history[[c for c in ("gold/kl", "gold/score", "gold/proxy") if c in history]].dropna().drop_duplicates().sort_values("gold/kl")
    kl = rows["gold/kl"].astype(float).tolist()
    lines = [plots.Line("gold reward model", kl, rows["gold/score"].astype(float).tolist(), plots.ORANGE, marked=True)]
    if "gold/proxy" in rows:
        lines.append(plots.Line("trained reward", kl, rows["gold/proxy"].astype(float).tolist(), plots.BLUE, marked=True))
    chart = plots.line_chart("over-optimisation", lines, limits=(0.0, 1.0), x_label="KL from the start, nats per completion")
    return [_panel("Over-optimisation watch", chart)]


def _column(history: pd.DataFrame, capability: str, kind: str) -> str | None:
    """Finds the column whose path ends in the capability and names the kind before it, e.g. `train/reward/domain`."""
    return next((c for c in map(str, history.columns) if c.endswith(f"/{capability}") and kind in c.split("/")[:-1]), None)


def _points(history: pd.DataFrame, column: str) -> tuple[list[float], list[float]]:
    rows = history[["step", column]].dropna()
    return rows["step"].astype(float).tolist(), rows[column].astype(float).tolist()


def _panel(title: str, chart: Markup) -> Markup:
    return el("figure", el("figcaption", title), chart)
