"""The report of a run: score tables in, `report.json` and a self-contained `index.html` out.

`build_report` is pure and returns plain JSON data without the keys that are unknown; `write_report` writes the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbflow.capabilities import Capability
from bbflow.errors import InputError, Problem
from bbflow.evaluation.baselines.null_models import best_null
from bbflow.evaluation.certificate import ALPHA, Certificate, certify
from bbflow.evaluation.preregistration import Preregistration
from bbflow.evaluation.scoring import table_problems
from bbflow.evaluation.statistics.clustered import PairedDifference, cluster_labels, paired_difference, score_interval
from bbflow.evaluation.statistics.integration_score import integration_score
from bbflow.evaluation.statistics.joint_success import joint_success
from bbflow.io.atomic import atomic_write
from bbflow.reporting.run_facts import RunFacts

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class _Comparison:
    """Score tables by capability, in order of items, and what follows from them.

    Attributes:
        new: Capability to the scores of the policy.
        old: Capability to the scores of the baseline; empty without one.
        preregistration: The margins, fixed before the run or now.
        differences: Capability to the paired difference; empty without a baseline.
        certificate: None without a baseline.
    """

    new: dict[str, pd.DataFrame]
    old: dict[str, pd.DataFrame]
    preregistration: Preregistration
    differences: dict[str, PairedDifference]
    certificate: Certificate | None

    @classmethod
    def of(
        cls, before: pd.DataFrame | None, after: pd.DataFrame, judging: Mapping[str, Capability], preregistration: Preregistration | None
    ) -> _Comparison:
        new = {name: _sorted(after, name) for name in judging}
        old = {} if before is None else {name: _sorted(before, name) for name in judging}
        differences = {n: paired_difference(old[n]["score"], new[n]["score"], new[n]["cluster"].to_numpy(), ALPHA) for n in old}
        fixed = preregistration or Preregistration.of(judging)
        certificate = certify(differences, {name: fixed.margins[name] for name in judging}) if differences else None
        return cls(new, old, fixed, differences, certificate)


def build_report(
    before: pd.DataFrame | None, after: pd.DataFrame, capabilities: Mapping[str, Capability], facts: RunFacts
) -> dict[str, Any]:
    """Compute scores, differences, verdicts and the integration score.

    Args:
        before: Score table (see `bbflow.evaluation.scoring`) of the baseline; None when only one policy was scored, and then there is
            neither a difference nor a verdict.
        after: Score table of the policy.
        capabilities: By name, as in the recipe; one without a row is left out.
        facts: Null models, cost, data, provenance and margins of the run.

    Returns:
        JSON data by `schemas/report.schema.json`.

    Raises:
        InputError: The two tables do not score the same items, one scores an item twice, or a margin is not the preregistered one.
    """
    if problems := _score_problems(before, after):
        raise InputError(*problems)
    judging = {name: capability for name, capability in capabilities.items() if (after["capability"] == name).any()}
    if facts.preregistration is not None and (broken := facts.preregistration.problems(judging, "margins")):
        raise InputError(*broken)
    compared = _Comparison.of(before, after, judging, facts.preregistration)
    report: dict[str, Any] = {"capabilities": {n: _entry(n, c, facts.nulls.get(n, {}), compared) for n, c in judging.items()}}
    if judging:
        report["integration"] = _integration(compared, facts)
    if joint := joint_success(before, after):
        report["joint"] = joint
    if facts.unsafe:
        report["unsafe_advice"] = {"alpha": ALPHA, **facts.unsafe}
    report |= {key: dict(value) for key in ("cost", "data", "provenance") if (value := getattr(facts, key))}
    if compared.certificate is not None:
        fixed = "before_evaluation" if facts.preregistration is None else "before_training"
        report["margins"] = compared.preregistration.to_json() | {"fixed": fixed}
        report["verdict"] = compared.certificate.verdict
    # Products of gradients differ in scale: they come with significant digits and are not rounded again.
    return round_floats(report) | ({"interference": dict(facts.interference)} if facts.interference else {})


def _entry(name: str, capability: Capability, nulls: Mapping[str, float], compared: _Comparison) -> dict[str, Any]:
    """Return the part of a report on one capability."""
    new, old = compared.new[name], compared.old.get(name)
    entry: dict[str, Any] = {"metric": metric_name(capability), "n": len(new), "clusters": int(new["cluster"].nunique())}
    if old is not None:
        entry["before"] = _score(old)
    entry["after"] = _score(new)
    if compared.certificate is not None:
        d = compared.differences[name]
        entry["difference"] = {"estimate": d.estimate, "lower": d.lower, "upper": d.upper, "detectable": d.detectable}
        entry["p_improved"] = compared.certificate.p_adjusted[name]
        entry["margin"] = compared.preregistration.margins[name]
        entry["verdict"] = compared.certificate.capabilities[name]
    entry["nulls"] = {null: round(score, 6) for null, score in nulls.items()}
    for book, flag in (("closed_book", False), ("open_book", True)):
        chosen = new["open_book"].to_numpy() == flag
        if chosen.any() and not chosen.all():
            entry[book] = {"n": int(chosen.sum()), "after": _score(new[chosen])}
            if old is not None:
                entry[book]["before"] = _score(old[chosen])
    return entry


def _integration(compared: _Comparison, facts: RunFacts) -> dict[str, Any]:
    """Return the integration score of the policy, and that of the baseline where there is one."""
    new, old = ({n: _columns(table) for n, table in tables.items()} for tables in (compared.new, compared.old))
    nulls = {n: best_null(facts.nulls.get(n, {})) for n in new}
    if old:
        return integration_score(old, new, nulls, seed=facts.seed)
    return {"after": integration_score(new, None, nulls, seed=facts.seed)["before"]}


def write_report(
    folder: str | Path,
    report: Mapping[str, Any],
    history: pd.DataFrame | None = None,
    rollouts: pd.DataFrame | None = None,
    recipe: str | None = None,
) -> Path:
    """Write `report.json` and `index.html`, each atomically.

    Args:
        folder: Created when it does not exist.
        report: Result of `build_report`.
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
    """Join the score tables item by item: columns score and completion become `*_before` and `*_after`."""
    if before is None:
        return after.rename(columns={"score": "score_after", "completion": "completion_after"})
    key = ["example_id", "capability"]
    merged = after.merge(before[[*key, "score", "completion"]], on=key, suffixes=("_after", "_before"), validate="one_to_one")
    fixed = ["example_id", "cluster", "task", "open_book", "capability"]
    return merged[[*fixed, "score_before", "score_after", "completion_before", "completion_after"]]


def metric_name(capability: Capability) -> str:
    """Return the name of the metric: its `name`, or its class in snake case."""
    given = getattr(capability.metric, "name", None)
    return str(given) if given else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(capability.metric).__name__).lower()


def round_floats(value: Any, digits: int = 6) -> Any:
    """Round every float in JSON data."""
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


def _score_problems(before: pd.DataFrame | None, after: pd.DataFrame) -> list[Problem]:
    """List the reasons why no report can be made of two score tables."""
    tables = {"before": before, "after": after}
    found = [p for title, table in tables.items() if table is not None for p in table_problems(f"scores {title}", table)]
    return _pairing_problems(before, after) if before is not None and not found else found


def _pairing_problems(before: pd.DataFrame, after: pd.DataFrame) -> list[Problem]:
    apart = set(_keys(before)) ^ set(_keys(after))
    if not apart:
        return []
    example, capability = min(apart)
    return [
        Problem(f"{len(apart)} items are scored on one side only, e.g. {example} ({capability})", "scores", "score the same items twice")
    ]
