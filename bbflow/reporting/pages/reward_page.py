"""The report of a reward model: `report.json` and a self-contained `index.html` with its reliability plot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bbflow.reporting.charts.line_chart import Line, line_chart
from bbflow.reporting.charts.svg import BLUE, MUTED, Figure
from bbflow.reporting.run_report import round_floats
from bbflow.reporting.template_rendering import render


def write_reward_report(folder: str | Path, result: Mapping[str, Any]) -> Path:
    """Write both files and return the path of the page.

    Args:
        folder: Created if missing.
        result: Result of `bbflow.evaluation.pair_scores.evaluate_pairs`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps({"reward_model": round_floats(result)}, indent=1) + "\n", encoding="utf-8")
    page = folder / "index.html"
    page.write_text(render_reward_page(result), encoding="utf-8")
    return page


def render_reward_page(result: Mapping[str, Any]) -> str:
    """Return the page of a reward model."""
    return render("reward_model.html.jinja", result=result, headline=headline(result), reliability=_reliability(result["calibration"]))


def headline(result: Mapping[str, Any]) -> str:
    """Return one sentence: accuracy, its interval, and the held-out corruption.

    >>> headline({"accuracy": 0.9, "ci": [0.88, 0.92], "held_out_accuracy": 0.8, "held_out_corruptions": ["unsafe_drug"]})
    'Prefers the correct response in 90.0% of held-out pairs [88.0%, 92.0%]; 80.0% for unsafe_drug, never trained on.'
    """
    low, high = result["ci"]
    unseen = result["held_out_accuracy"]
    more = "" if unseen is None else f"; {unseen:.1%} for {', '.join(result['held_out_corruptions'])}, never trained on"
    return f"Prefers the correct response in {result['accuracy']:.1%} of held-out pairs [{low:.1%}, {high:.1%}]{more}."


def _reliability(calibration: Mapping[str, Any]) -> Figure:
    stated, observed = ([b[key] for b in calibration["bins"]] for key in ("stated", "observed"))
    lines = [
        Line("perfect", [0.0, 1.0], [0.0, 1.0], MUTED, faint=True),
        Line("observed share correct", stated, observed, BLUE, marked=True),
    ]
    chart = line_chart("reliability", lines, limits=(0.0, 1.0), x_label="stated probability")
    return Figure("Stated probability of being correct against the observed share", chart)
