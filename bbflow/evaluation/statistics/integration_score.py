"""The integration score: the mean over capabilities of the null-corrected score, with bootstrap intervals over clusters of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bbflow.evaluation.statistics.clustered import Floats, Interval

_LEAST_DRAWS = 100


def null_corrected(scores: ArrayLike, nulls: ArrayLike) -> Floats:
    """Return the score rescaled from the best null model (0) to a perfect score (1), at least 0: max(0, (s - c) / (1 - c)).

    >>> null_corrected([0.75, 0.2], [0.5, 0.25]).tolist()
    [0.5, 0.0]
    """
    scores, nulls = np.asarray(scores, dtype=np.float64), np.asarray(nulls, dtype=np.float64)
    room = 1 - nulls
    return np.where(room > 0, np.maximum(0.0, scores - nulls) / np.where(room > 0, room, 1.0), 0.0)


def integration_score(
    before: Mapping[str, Any],
    after: Mapping[str, Any] | None,
    nulls: Mapping[str, float],
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Any]:
    """Return the integration score with a joint bootstrap: the mean over capabilities of `null_corrected`.

    Each draw resamples clusters with all their items, in all capabilities and at both times, so that common variation cancels in the
    difference. The null scores are constants.

    Args:
        before: Capability to (scores, clusters).
        after: The same items scored again, or None if there is only one policy.
        nulls: Capability to the score of its best null model.
        draws: Bootstrap resamples.
        seed: Seed of the resampling.
        level: Level of the two-sided percentile intervals.

    Returns:
        `before` (and `after`): score, ci, minimum and geometric_mean over capabilities; `difference`: estimate, ci, and the one-sided
        95% bounds lower and upper. With fewer than two clusters, or if nearly every draw misses a capability, the intervals are the
            widest possible.
    """
    names = list(before)
    null = np.array([nulls[name] for name in names])
    labels, where = np.unique(np.concatenate([np.asarray(before[name][1]) for name in names]), return_inverse=True)
    splits = np.split(where, np.cumsum([len(before[name][1]) for name in names])[:-1])
    weights = np.random.default_rng(seed).multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=draws).astype(np.float64)
    sizes = np.stack([np.bincount(at, minlength=len(labels)) for at in splits], axis=1)

    def resampled(table: Mapping[str, Any]) -> tuple[Floats, Floats]:
        totals = np.stack(
            [np.bincount(at, np.asarray(table[n][0], float), len(labels)) for n, at in zip(names, splits, strict=True)], axis=1
        )
        with np.errstate(invalid="ignore"):
            drawn = (weights @ totals) / (weights @ sizes)
        skill = null_corrected(totals.sum(0) / sizes.sum(0), null)
        # A draw can miss a capability that has few clusters; such draws are excluded.
        return skill, null_corrected(drawn[~np.isnan(drawn).any(1)], null).mean(1)

    tails = (50 * (1 - level), 50 * (1 + level))
    enough = len(labels) >= 2
    skill_before, drawn_before = resampled(before)
    result = {"before": _summary(skill_before, _percentiles(drawn_before, tails, (0.0, 1.0), enough))}
    if after is not None:
        skill_after, drawn_after = resampled(after)
        change = drawn_after - drawn_before
        result["after"] = _summary(skill_after, _percentiles(drawn_after, tails, (0.0, 1.0), enough))
        result["difference"] = {
            "estimate": float(skill_after.mean() - skill_before.mean()),
            **dict(zip(("lower", "upper"), _percentiles(change, (5, 95), (-1.0, 1.0), enough), strict=True)),
            "ci": _percentiles(change, tails, (-1.0, 1.0), enough),
        }
    return result


def _percentiles(drawn: Floats, shares: Sequence[float], widest: Interval, enough: bool) -> list[float]:
    """Return percentiles of bootstrap draws; the widest interval without enough clusters or draws."""
    if not enough or len(drawn) < _LEAST_DRAWS:
        return list(widest)
    return [float(v) for v in np.percentile(drawn, shares)]


def _summary(skill: Floats, ci: list[float]) -> dict[str, Any]:
    geometric = float(np.exp(np.log(skill).mean())) if (skill > 0).all() else 0.0
    return {"score": float(skill.mean()), "ci": ci, "minimum": float(skill.min()), "geometric_mean": geometric}
