"""Verification that a certificate follows from the score table next to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem
from bbflow.evaluation.certificate import ALPHA
from bbflow.evaluation.statistics.clustered import cluster_labels, paired_difference

_ROUNDED = 2e-6
"""Rounding error of numbers in reports, which have six digits."""


def verify_differences(report: Mapping[str, Any], folder: Path) -> list[Problem]:
    """Recompute every paired difference from `scores.parquet`, and report those that differ.

    Args:
        report: A well-formed report; one without a verdict claims nothing.
        folder: Folder of the report; without a score table in it nothing is compared.
    """
    import pandas as pd

    path = folder / "scores.parquet"
    if "verdict" not in report or not path.is_file():
        return []
    needed = ["example_id", "capability", "cluster", "score_before", "score_after"]
    try:
        table = pd.read_parquet(path)[needed].astype({"cluster": "str", "score_before": "float64", "score_after": "float64"})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(Problem(f"is no score table of two policies: {error}", str(path))) from None
    found = []
    for name, entry in report["capabilities"].items():
        rows = table[table["capability"] == name].sort_values("example_id")
        if len(rows) != entry["n"]:
            found.append(Problem(f"'{name}' is said to be judged on {entry['n']} items, and {len(rows)} were scored", str(path)))
            continue
        truth = paired_difference(
            rows["score_before"].to_numpy(), rows["score_after"].to_numpy(), cluster_labels(rows["cluster"], rows["example_id"]), ALPHA
        )
        for key in ("estimate", "lower", "upper"):
            stated, right = float(entry["difference"][key]), getattr(truth, key)
            if not math.isclose(stated, right, rel_tol=0, abs_tol=_ROUNDED):
                found.append(Problem(f"the report states {stated:g} as the {key} of '{name}', and these scores give {right:g}", str(path)))
    return found
