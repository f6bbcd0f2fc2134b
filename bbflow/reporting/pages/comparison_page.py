"""Several runs in one self-contained HTML page: scores, paired differences from the first run, and the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bbflow.reporting.charts.pareto import pareto_chart
from bbflow.reporting.charts.svg import Figure
from bbflow.reporting.template_rendering import render

FRONT = "Null-corrected scores. Filled: no other run is at least as good in every capability and better in one."


def render_comparison_page(comparison: Mapping[str, Any]) -> str:
    """Return the page of a comparison, the result of `bbflow.evaluation.comparison.compare_runs`."""
    runs = comparison["runs"]
    chart = pareto_chart("Pareto plot", list(runs), [entry["corrected"] for entry in runs.values()])
    names = list(next(iter(runs.values()))["capabilities"])
    return render("comparison.html.jinja", comparison=comparison, names=names, front=Figure(None, chart, FRONT))
