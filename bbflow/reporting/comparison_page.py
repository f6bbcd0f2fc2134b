"""Several runs side by side: scores, paired differences to the first run, and who is on the Pareto front."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbflow.errors import InputError, Problem
from bbflow.evaluation.baselines.null_models import best_null
from bbflow.evaluation.statistics.clustered import cluster_labels, integration_score, null_corrected, paired_difference
from bbflow.reporting.charts.pareto import pareto_chart, pareto_mask
from bbflow.reporting.markup import Markup, cards, document, el, join
from bbflow.reporting.provenance import incomparable_reasons

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """What a run left: its name here, its report, and its score table after training (columns of `bbflow.evaluation.scoring`)."""

    name: str
    report: Mapping[str, Any]
    scores: pd.DataFrame


def read_run(folder: str | Path) -> Run:
    """Reads a run folder, or the folder that `bbflow evaluate` wrote.

    Raises:
        InputError: There is no report or no score table in it, or they are unreadable.
    """
    folder = Path(folder)
    place = next((p for p in (folder, folder / "report") if (p / "report.json").is_file()), None)
    if place is None:
        raise InputError(Problem("holds no report", str(folder), "a run folder, or one that `bbflow evaluate` wrote, is needed"))
    return Run(_name(folder), read_report(place), read_scores(place))


def read_report(folder: Path) -> dict[str, Any]:
    """Reads the report of a folder.

    Raises:
        InputError: It is unreadable, or not one of scores by capability.
    """
    path = folder / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(Problem(f"is no report with scores: {error}", str(path))) from None
    if isinstance(report, dict) and "reward_model" in report:
        raise InputError(Problem("is the report of a reward model, which has no scores by capability", str(path)))
    try:
        for part in (*report["capabilities"].values(), report["integration"]):
            low, high = part["after"]["ci"]
            _ = float(part["after"]["score"]) + float(low) + float(high)
        well = bool(report["capabilities"])
    except (TypeError, KeyError, ValueError, AttributeError):
        well = False
    if not well:
        raise InputError(Problem("is no report with scores: `capabilities` or `integration` is missing or malformed", str(path)))
    return dict(report)


def read_scores(folder: Path) -> pd.DataFrame:
    """Reads the score table of a folder: columns of `bbflow.evaluation.scoring`, those after training where there are two.

    Raises:
        InputError: It is unreadable, or no score table.
    """
    import pandas as pd

    from bbflow.evaluation.scoring import COLUMNS
    from bbflow.reporting.run_report import table_problems

    path = folder / "scores.parquet"
    try:
        table = pd.read_parquet(path).rename(columns={"score_after": "score", "completion_after": "completion"})[list(COLUMNS)]
        table = table.astype({"example_id": "str", "cluster": "str", "capability": "str", "score": "float64"})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(Problem(f"is no score table: {error}", str(path))) from None
    if problems := table_problems(str(path), table):
        raise InputError(*problems)
    return table


def compare_runs(runs: Sequence[Run]) -> dict[str, Any]:
    """Compares runs on the same items.

    Returns:
        `runs`: name to scores per capability, integration, verdict, cost, pareto; `differences`: name of each further run to its paired
        differences to the first, per capability (estimate and one-sided 95% bounds) and of the integration score.

    Raises:
        InputError: The runs were judged on different items.
    """
    first = runs[0]
    otherwise = [Problem(why, run.name) for run in runs[1:] for why in incomparable_reasons(run.report, first.report, f"in {first.name}")]
    keys = {run.name: set(zip(run.scores["example_id"], run.scores["capability"], strict=True)) for run in runs}
    problems = [
        Problem(f"was judged on other items than {first.name}: {len(keys[run.name] ^ keys[first.name])} differ", run.name)
        for run in runs[1:]
        if keys[run.name] != keys[first.name]
    ]
    if problems or otherwise:
        raise InputError(*problems, *otherwise)
    names = list(first.report["capabilities"])
    tables = {run.name: {name: _columns(run.scores, name) for name in names} for run in runs}
    nulls = {name: best_null(first.report["capabilities"][name].get("nulls", {})) for name in names}
    corrected = {run: {n: float(null_corrected(of[n][0].mean(), nulls[n])) for n in names} for run, of in tables.items()}
    front = pareto_mask(list(corrected.values()))
    differences = {}
    for run in runs[1:]:
        of = {n: paired_difference(tables[first.name][n][0], tables[run.name][n][0], tables[run.name][n][1]) for n in names}
        whole = integration_score(tables[first.name], tables[run.name], nulls)["difference"]
        differences[run.name] = {
            "capabilities": {n: {"estimate": d.estimate, "lower": d.lower, "upper": d.upper} for n, d in of.items()},
            "integration": whole,
        }
    return {
        "reference": first.name,
        "runs": {run.name: _entry(run, names, corrected[run.name], front[i]) for i, run in enumerate(runs)},
        "differences": differences,
    }


def render_comparison(comparison: Mapping[str, Any]) -> str:
    """Renders a comparison as one self-contained page."""
    runs = comparison["runs"]
    names = list(next(iter(runs.values()))["capabilities"])
    heads = ["run", *names, "integration", "verdict", "training"]
    rows = []
    for run, entry in runs.items():
        scores = {name: _with_interval(entry["capabilities"][name]) for name in names}
        seconds = entry.get("cost", {}).get("training_seconds")
        rows.append({
            "run": el("strong", run), **scores, "integration": _with_interval(entry["integration"]),
            "verdict": entry.get("verdict", "not compared"), "training": "" if seconds is None else f"{seconds:,.0f} s",
        })  # fmt: skip
    changes = [
        {"run": el("strong", run), **{n: _change(d) for n, d in of["capabilities"].items()}, "integration": _change(of["integration"])}
        for run, of in comparison["differences"].items()
    ]
    chart = pareto_chart("Pareto plot", list(runs), [entry["corrected"] for entry in runs.values()])
    note = (
        f"Paired by item, items of one entity taken together; in brackets the one-sided 95% bounds. Nothing is corrected for the number of "
        f"comparisons. Reference: {comparison['reference']}."
    )
    front = "Null-corrected scores. Filled: no other run is at least as good in every capability and better in one."
    return document(
        "bbflow compare",
        el("header", el("p", "bbflow compare", class_="kicker"), el("h1", f"{len(runs)} runs on the same items")),
        el("section", el("h2", "Scores"), cards(heads, rows), el("p", "Brackets: 95% interval.", class_="note")),
        el("section", el("h2", "Differences"), cards(["run", *names, "integration"], changes), el("p", note, class_="note")),
        el("section", el("h2", "Pareto plot"), el("div", el("figure", chart, el("p", front, class_="note")), class_="grid")),
    )


def _entry(run: Run, names: Sequence[str], corrected: Mapping[str, float], front: bool) -> dict[str, Any]:
    report = run.report
    kept = {key: report[key] for key in ("verdict", "cost") if key in report}
    scores = {name: report["capabilities"][name]["after"] for name in names}
    return {"capabilities": scores, "corrected": dict(corrected), "integration": report["integration"]["after"], "pareto": front, **kept}


def _columns(table: pd.DataFrame, capability: str) -> tuple[Any, Any]:
    chosen = table[table["capability"] == capability].sort_values("example_id")
    return chosen["score"].to_numpy(dtype=float), cluster_labels(chosen["cluster"], chosen["example_id"])


def _with_interval(part: Mapping[str, Any]) -> Markup:
    low, high = part["ci"]
    return join(el("strong", f"{part['score']:.3f}"), " ", el("span", f"[{low:.2f}, {high:.2f}]", class_="ci"))


def _change(part: Mapping[str, Any]) -> Markup:
    return join(el("strong", f"{part['estimate']:+.3f}"), " ", el("span", f"[{part['lower']:+.3f}, {part['upper']:+.3f}]", class_="ci"))


def _name(folder: Path) -> str:
    """A run folder by recipe and version, any other by its own name."""
    path = folder.resolve()
    return f"{path.parent.name}/{path.name}" if path.name.startswith("version_") else path.name
