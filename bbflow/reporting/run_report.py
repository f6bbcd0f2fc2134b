"""The report of a run: score tables in, `report.json` and a self-contained `index.html` out.

`build_report` is pure and gives plain JSON data, keys that nothing is known about left out. `write_report` puts it on disk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbflow.capabilities import Capability
from bbflow.errors import InputError, Problem
from bbflow.evaluation.baselines.null_models import best_null
from bbflow.evaluation.certificate import ALPHA, certify
from bbflow.evaluation.preregistration import Preregistration
from bbflow.evaluation.scoring import table_problems
from bbflow.evaluation.statistics.clustered import cluster_labels, integration_score, paired_difference, score_interval
from bbflow.evaluation.statistics.joint_success import joint_success
from bbflow.io.atomic import atomic_write

if TYPE_CHECKING:
    import pandas as pd

Nulls = Mapping[str, Mapping[str, float]]


def build_report(
    before: pd.DataFrame | None,
    after: pd.DataFrame,
    capabilities: Mapping[str, Capability],
    nulls: Nulls,
    cost: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    seed: int = 0,
    interference: Mapping[str, Any] | None = None,
    unsafe: Mapping[str, Any] | None = None,
    promise: Preregistration | None = None,
) -> dict[str, Any]:
    """Computes scores, differences, verdicts and the integration score.

    Args:
        before: Score table (see `bbflow.evaluation.scoring`) of the baseline; None when only one policy was scored, and then there is
            neither a difference nor a verdict.
        after: Score table of the policy.
        capabilities: By name, as the recipe has them; one without a row is left out.
        nulls: Capability to null model to score.
        cost: Seconds, tokens, parameters, bytes.
        data: What is known of the data: counts and the contract's receipt.
        provenance: Versions, hashes, seed, recipe.
        seed: Of the bootstrap.
        interference: Interference between capabilities (see `bbflow.evaluation.interference_summary`).
        unsafe: What `bbflow.evaluation.statistics.unsafe_advice.unsafe_report` found.
        promise: The margins that were fixed before the run; None: they are promised now.

    Returns:
        JSON data by `schemas/report.schema.json`.

    Raises:
        InputError: The two tables do not score the same items, one scores an item twice, or a margin is not the promised one.
    """
    problems = [
        p for title, table in (("before", before), ("after", after)) if table is not None for p in table_problems(f"scores {title}", table)
    ]
    if before is not None and not problems:
        problems = _pairing_problems(before, after)
    if problems:
        raise InputError(*problems)
    names = [name for name in capabilities if (after["capability"] == name).any()]
    judging = {name: capabilities[name] for name in names}
    if promise is not None and (broken := promise.problems(judging, "margins")):
        raise InputError(*broken)
    new = {name: _sorted(after, name) for name in names}
    old = {} if before is None else {name: _sorted(before, name) for name in names}
    differences = {n: paired_difference(old[n]["score"], new[n]["score"], new[n]["cluster"].to_numpy(), ALPHA) for n in old}
    margins = (promise or Preregistration.of(judging)).margins
    certificate = certify(differences, {name: margins[name] for name in names}) if differences else None
    entries = {}
    for name in names:
        entry: dict[str, Any] = {
            "metric": metric_name(capabilities[name]),
            "n": len(new[name]),
            "clusters": int(new[name]["cluster"].nunique()),
        }
        if name in old:
            entry["before"] = _score(old[name])
        entry["after"] = _score(new[name])
        if certificate is not None:
            d = differences[name]
            entry["difference"] = {"estimate": d.estimate, "lower": d.lower, "upper": d.upper, "detectable": d.detectable}
            entry["p_improved"] = certificate.p_adjusted[name]
            entry["margin"] = margins[name]
            entry["verdict"] = certificate.capabilities[name]
        entry["nulls"] = {null: round(score, 6) for null, score in nulls.get(name, {}).items()}
        for book, flag in (("closed_book", False), ("open_book", True)):
            chosen = new[name]["open_book"].to_numpy() == flag
            if chosen.any() and not chosen.all():
                part = {"n": int(chosen.sum()), "after": _score(new[name][chosen])}
                entry[book] = {**part, "before": _score(old[name][chosen])} if name in old else part
        entries[name] = entry
    report: dict[str, Any] = {"capabilities": entries}
    if names:
        report["integration"] = integration_score(
            {n: _columns((old or new)[n]) for n in names},
            {n: _columns(new[n]) for n in names} if old else None,
            {n: best_null(nulls.get(n, {})) for n in names},
            seed=seed,
        )
        if not old:
            report["integration"] = {"after": report["integration"]["before"]}
    if joint := joint_success(before, after):
        report["joint"] = joint
    if unsafe:
        report["unsafe_advice"] = {"alpha": ALPHA, **unsafe}
    report |= {key: dict(value) for key, value in (("cost", cost), ("data", data), ("provenance", provenance)) if value}
    if certificate is not None:
        report["margins"] = (promise or Preregistration.of(judging)).to_json() | {
            "fixed": "before_evaluation" if promise is None else "before_training"
        }
        report["verdict"] = certificate.verdict
    # Products of gradients have scales of their own: they come with significant digits and are not rounded again.
    return round_floats(report) | ({"interference": dict(interference)} if interference else {})


def write_report(
    folder: str | Path,
    report: Mapping[str, Any],
    history: pd.DataFrame | None = None,
    rollouts: pd.DataFrame | None = None,
    recipe: str | None = None,
) -> Path:
    """Writes `report.json` and `index.html`, each in one move, so that a reader never meets half a file.

    Args:
        folder: Made when it does not exist.
        report: What `build_report` returned.
        history: Rows of metrics.csv.
        rollouts: Rows of the rollout log.
        recipe: Text of the recipe.

    Returns:
        Path of the HTML page.
    """
    from bbflow.reporting.pages.run_page import render_run_page

    folder = Path(folder)
    page = folder / "index.html"
    texts = {
        folder / "report.json": json.dumps(report, indent=1, allow_nan=False) + "\n",
        page: render_run_page(report, history, rollouts, recipe),
    }
    for path, text in texts.items():
        with atomic_write(path) as draft:
            draft.write_text(text, encoding="utf-8")
    return page


def scores_table(before: pd.DataFrame | None, after: pd.DataFrame) -> pd.DataFrame:
    """Joins the score tables item by item: columns score and completion become `*_before` and `*_after`."""
    if before is None:
        return after.rename(columns={"score": "score_after", "completion": "completion_after"})
    key = ["example_id", "capability"]
    merged = after.merge(before[[*key, "score", "completion"]], on=key, suffixes=("_after", "_before"), validate="one_to_one")
    fixed = ["example_id", "cluster", "task", "open_book", "capability"]
    return merged[[*fixed, "score_before", "score_after", "completion_before", "completion_after"]]


def metric_name(capability: Capability) -> str:
    """Returns the name of the metric: its `name`, or its class in snake case."""
    given = getattr(capability.metric, "name", None)
    return str(given) if given else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(capability.metric).__name__).lower()


def round_floats(value: Any, digits: int = 6) -> Any:
    """Rounds every float, so that the file shows no noise digits."""
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, Mapping):
        return {str(key): round_floats(v, digits) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [round_floats(v, digits) for v in value]
    return value


def _columns(table: pd.DataFrame) -> tuple[Any, Any]:
    return table["score"].to_numpy(), table["cluster"].astype(str).to_numpy()


def _score(table: pd.DataFrame) -> dict[str, Any]:
    scores, clusters = _columns(table)
    return {"score": float(scores.mean()), "ci": list(score_interval(scores, clusters))}


def _sorted(table: pd.DataFrame, name: str) -> pd.DataFrame:
    chosen = table[table["capability"] == name].sort_values("example_id", ignore_index=True)
    return chosen.assign(cluster=cluster_labels(chosen["cluster"], chosen["example_id"]))


def _keys(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(table["example_id"], table["capability"], strict=True))


def _pairing_problems(before: pd.DataFrame, after: pd.DataFrame) -> list[Problem]:
    apart = set(_keys(before)) ^ set(_keys(after))
    if not apart:
        return []
    example, capability = min(apart)
    return [
        Problem(f"{len(apart)} items are scored on one side only, e.g. {example} ({capability})", "scores", "score the same items twice")
    ]
