"""Comparison of runs on the same items: scores, paired differences from the first run, and the Pareto front."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbflow.errors import InputError, Problem
from bbflow.evaluation.baselines.null_models import best_null
from bbflow.evaluation.scoring import COLUMNS, table_problems
from bbflow.evaluation.statistics.clustered import cluster_labels, paired_difference
from bbflow.evaluation.statistics.integration_score import integration_score, null_corrected
from bbflow.evaluation.statistics.pareto import pareto_mask

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """A finished run: display name, report, and score table after training (columns of `bbflow.evaluation.scoring`)."""

    name: str
    report: Mapping[str, Any]
    scores: pd.DataFrame


def read_run(folder: str | Path) -> Run:
    """Read a run folder, or a folder written by `bbflow evaluate`.

    Raises:
        InputError: The report or the score table is missing or unreadable.
    """
    folder = Path(folder)
    place = next((p for p in (folder, folder / "report") if (p / "report.json").is_file()), None)
    if place is None:
        raise InputError(Problem("holds no report", str(folder), "a run folder, or one that `bbflow evaluate` wrote, is needed"))
    return Run(_name(folder), read_report(place), read_scores(place))


def read_report(folder: Path) -> dict[str, Any]:
    """Read the report of a folder.

    Raises:
        InputError: The report is unreadable, or does not hold scores by capability.
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
    """Read the score table of a folder: columns of `bbflow.evaluation.scoring`, after training where both are stored.

    Raises:
        InputError: The file is unreadable, or not a score table.
    """
    import pandas as pd

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
    """Compare runs on the same items.

    Returns:
        `runs`: name to scores per capability, integration, verdict, cost, pareto; `differences`: name of each further run to its paired
        differences from the first, per capability (estimate and one-sided 95% bounds) and for the integration score.

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


def incomparable_reasons(report: Mapping[str, Any], other: Mapping[str, Any], where: str = "here") -> list[str]:
    """Return why scores of two reports cannot be compared, one sentence per reason; facts missing from a report are skipped.

    Args:
        report: First report.
        other: Second report.
        where: Name of the second report in the sentences.

    >>> incomparable_reasons({"provenance": {"max_new_tokens": 96}}, {"provenance": {"max_new_tokens": 5}})
    ['completions of at most 96 tokens were scored, here of at most 5']
    """
    said, here = report.get("provenance", {}), other.get("provenance", {})
    apart = {key for key in said.keys() & here.keys() if said[key] != here[key]}
    found = []
    if "test_items_sha256" in apart:
        found.append(f"other items were scored than {where}: ids, questions, options or answers differ")
    if "max_new_tokens" in apart:
        found.append(f"completions of at most {said['max_new_tokens']} tokens were scored, {where} of at most {here['max_new_tokens']}")
    for name in sorted(report.get("capabilities", {}).keys() & other.get("capabilities", {}).keys()):
        metrics = [of["capabilities"][name].get("metric") for of in (report, other)]
        if metrics[0] != metrics[1]:
            found.append(f"'{name}' was measured by {metrics[0]}, {where} by {metrics[1]}")
    return found


def _entry(run: Run, names: Sequence[str], corrected: Mapping[str, float], front: bool) -> dict[str, Any]:
    report = run.report
    kept = {key: report[key] for key in ("verdict", "cost") if key in report}
    scores = {name: report["capabilities"][name]["after"] for name in names}
    return {"capabilities": scores, "corrected": dict(corrected), "integration": report["integration"]["after"], "pareto": front, **kept}


def _columns(table: pd.DataFrame, capability: str) -> tuple[Any, Any]:
    chosen = table[table["capability"] == capability].sort_values("example_id")
    return chosen["score"].to_numpy(dtype=float), cluster_labels(chosen["cluster"], chosen["example_id"])


def _name(folder: Path) -> str:
    """Return recipe and version of a run folder, the folder name otherwise."""
    path = folder.resolve()
    return f"{path.parent.name}/{path.name}" if path.name.startswith("version_") else path.name
