"""The report of a run or an evaluation as one self-contained HTML page, without scripts or external resources."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bbflow.reporting.charts.curves import curve_figures
from bbflow.reporting.charts.pareto import checkpoint_figure
from bbflow.reporting.charts.score_bars import Bar, score_bars
from bbflow.reporting.charts.svg import BLUE, SKY, Figure
from bbflow.reporting.pages.interference_section import interference_section
from bbflow.reporting.pages.rollout_samples import rollout_section
from bbflow.reporting.template_rendering import render

if TYPE_CHECKING:
    import pandas as pd

DISCLAIMER = (
    "Scores on synthetic questions made from a knowledge graph. They are not clinical scores: they say nothing about the care of "
    "patients. bbflow trains language models; it gives no medical advice."
)


def render_run_page(
    report: Mapping[str, Any], history: pd.DataFrame | None = None, rollouts: pd.DataFrame | None = None, recipe: str | None = None
) -> str:
    """Return the page.

    Args:
        report: Result of `bbflow.reporting.run_report.build_report`.
        history: Rows of metrics.csv.
        rollouts: Rows of the rollout log.
        recipe: Text of the recipe.
    """
    names = list(report["capabilities"])
    provenance = report.get("provenance", {})
    return render(
        "run/page.html.jinja",
        report=report,
        summary=summary(report),
        disclaimer=DISCLAIMER,
        splits_by_book=list(_splits_by_book(report["capabilities"])),
        scores=_score_figures(report),
        curves=curve_figures(history, names),
        interference=interference_section(report.get("interference"), history),
        unmeasured=len(names) > 1 and bool(report.get("cost", {}).get("training_seconds")),
        checkpoints=checkpoint_figure(history, names),
        rollouts=rollout_section(rollouts, names),
        cost=_cost_facts(report.get("cost", {})),
        provenance={k.replace("_", " "): v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in provenance.items()},
        recipe=recipe,
    )


def summary(report: Mapping[str, Any]) -> str:
    """Return the outcome of the run in one or two sentences.

    >>> domain = {"difference": {"estimate": 0.13}, "verdict": "improved"}
    >>> safety = {"difference": {"estimate": -0.004}, "verdict": "preserved"}
    >>> summary({"capabilities": {"domain": domain, "safety": safety}, "verdict": "certified"})
    'domain improved (+0.13), safety preserved (-0.00). The run is certified.'
    """
    entries = report["capabilities"]
    if not entries:
        return "No capability was judged."
    if "verdict" not in report:
        return "Scores: " + ", ".join(f"{name} {entry['after']['score']:.2f}" for name, entry in entries.items()) + "."
    parts = [f"{name} {entry['verdict']} ({entry['difference']['estimate']:+.2f})" for name, entry in entries.items()]
    whole = ""
    if change := report.get("integration", {}).get("difference"):
        low, high = report["integration"]["before"]["score"], report["integration"]["after"]["score"]
        whole = f" The integration score went from {low:.2f} to {high:.2f} (95% lower bound of the change {change['lower']:+.2f})."
    verdict = {"certified": "is certified", "refused": "is refused", "inconclusive": "is inconclusive"}[report["verdict"]]
    return f"{', '.join(parts)}.{whole} The run {verdict}."


def _splits_by_book(entries: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield name, kind and scores of the closed-book and open-book items of every capability that has both."""
    for name, entry in entries.items():
        for book in ("closed_book", "open_book"):
            if part := entry.get(book):
                yield name, book, part


def _score_figures(report: Mapping[str, Any]) -> list[Figure]:
    figures = []
    for name, entry in report["capabilities"].items():
        times = [(time, color) for time, color in (("before", SKY), ("after", BLUE)) if time in entry]
        bars = [Bar(time, entry[time]["score"], tuple(entry[time]["ci"]), color) for time, color in times]
        listed = "; ".join(f"{null.replace('_', ' ')} {score:.2f}" for null, score in entry["nulls"].items())
        figures.append(Figure(name, score_bars(name, bars, entry["nulls"]), f"Null models: {listed}" if listed else None))
    return figures


def _cost_facts(cost: Mapping[str, Any]) -> dict[str, str]:
    """Return label and value of each cost; costs of full fine-tuning are shown as the share saved, all parameters as the share trained."""
    return {
        _cost_label(key): _cost_value(key, value, cost)
        for key, value in cost.items()
        if not key.startswith("full_") and key != "total_parameters"
    }


def _cost_label(key: str) -> str:
    return "arithmetic, estimated" if key == "flops_estimated" else key.removesuffix("_bytes").replace("_", " ")


def _cost_value(key: str, value: Any, cost: Mapping[str, Any]) -> str:
    """Return a cost with its unit.

    >>> _cost_value("seconds", 180.0, {}), _cost_value("memory_bytes", 2**21, {"full_memory_bytes": 2**22})
    ('3.0 min', '2 MiB (50% less than full fine-tuning)')
    >>> _cost_value("trained_parameters", 10, {"total_parameters": 1000}), _cost_value("tokens_generated", 1000, {})
    ('10 of 1,000 (1.0%)', '1,000')
    """
    if key.endswith("seconds"):
        return f"{value / 60:.1f} min" if value >= 120 else f"{value:.1f} s"
    if key.endswith("bytes"):
        return f"{value / 2**20:,.0f} MiB" + _saving(value, cost.get(f"full_{key}"))
    if key == "flops_estimated":
        return f"{value:.2e} FLOP" + _saving(value, cost.get(f"full_{key}"))
    if key == "trained_parameters" and "total_parameters" in cost:
        return f"{value:,} of {cost['total_parameters']:,} ({value / max(cost['total_parameters'], 1):.1%})"
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


def _saving(used: float, full: float | None) -> str:
    """Return the saving against full fine-tuning, empty without one."""
    return f" ({1 - used / full:.0%} less than full fine-tuning)" if full and full > used else ""
