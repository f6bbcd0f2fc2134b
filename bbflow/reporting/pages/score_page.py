"""The report of `bbflow score`: records kept and dropped by a reward model, as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bbflow.reporting.charts.line_chart import Line, line_chart
from bbflow.reporting.charts.svg import BLUE, Figure
from bbflow.reporting.template_rendering import render


def render_score_page(summary: Mapping[str, Any]) -> str:
    """Return the page of a summary of `bbflow.cli.commands.score`."""
    centers = [i / 10 + 0.05 for i in range(10)]
    lines = [Line("records", centers, [float(n) for n in summary["histogram"]], BLUE, marked=True)]
    chart = Figure("Records by probability of being correct", line_chart("scores", lines, x_label="probability"))
    reasons = {f"below the threshold, weakest head {name}": count for name, count in summary["dropped_by_weakest_head"].items()}
    reasons |= {"another candidate is better": summary["outranked"], "too long to be read whole": summary["truncated"]}
    return render("scores.html.jinja", summary=summary, reasons=reasons, chart=chart)
