"""Joint success: the share of items on which all required capabilities succeed, against the value under independence.

A mean over capabilities can be high although no single answer is right, safe, reasoned and well-formed at once.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import TYPE_CHECKING, Any

from bbflow.evaluation.statistics.clustered import paired_difference, score_interval

if TYPE_CHECKING:
    import pandas as pd

SUCCESS_THRESHOLD = 1.0 - 1e-9
"""Smallest score that counts as a success."""


def joint_success(before: pd.DataFrame | None, after: pd.DataFrame) -> dict[str, Any] | None:
    """Compute joint success over the items judged by the largest set of capabilities.

    Args:
        before: Score table of the baseline, or None.
        after: Score table of the policy on the same items.

    Returns:
        capabilities (the largest set that any item requires; on ties, the one with most items), n, clusters; after (and before): score
            (share of items on which each of them scores 1), ci, product (of each capability's share on these items: the value under
            independence); difference. None if no item is judged by two capabilities.
    """
    needed = after.groupby("example_id", sort=True)["capability"].agg(lambda names: tuple(sorted(names)))
    counts = Counter({names: count for names, count in needed.value_counts().items() if len(names) > 1})
    if not counts:
        return None
    chosen = max(counts, key=lambda names: (len(names), counts[names], names))
    ids = needed.index[needed == chosen]
    wide = {time: _wide(table, ids) for time, table in (("before", before), ("after", after)) if table is not None}
    clusters = after.drop_duplicates("example_id").set_index("example_id")["cluster"].astype(str)[ids]
    clusters = clusters.where(clusters != "", ids).to_numpy()
    found: dict[str, Any] = {"capabilities": list(chosen), "n": len(ids), "clusters": len(set(clusters))}
    for time, right in wide.items():
        together = right.all(axis=1).to_numpy(dtype=float)
        found[time] = {
            "score": float(together.mean()),
            "ci": list(score_interval(together, clusters)),
            "product": float(prod(right.mean())),
        }
    if before is not None:
        old, new = (wide[time].all(axis=1).to_numpy(dtype=float) for time in ("before", "after"))
        change = paired_difference(old, new, clusters)
        found["difference"] = {"estimate": change.estimate, "lower": change.lower, "upper": change.upper}
    return found


def _wide(table: pd.DataFrame, ids: Any) -> pd.DataFrame:
    """Return the success of each item (rows) in each capability (columns)."""
    chosen = table[table["example_id"].isin(ids)]
    return (chosen.pivot(index="example_id", columns="capability", values="score") >= SUCCESS_THRESHOLD).loc[ids]
