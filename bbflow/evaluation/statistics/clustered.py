"""Statistics of scores that come in clusters: intervals and paired differences.

Items about one drug are correlated, so the number of items overstates the information of a test split. All functions take the
cluster of each item and are pure numpy.

References:
    Tango (1998), Statistics in Medicine 17, 891-908: score test and interval for paired proportions.
    Rao and Scott (1992), Biometrics 48, 577-585: clustered counts by dividing the sample size by a design effect.
    Korn and Graubard (1998), Survey Methodology 24, 193-201: Wilson-type intervals with an effective sample size.
    Cochran (1977), Sampling Techniques, ch. 9: linearised variance of a mean over clusters of unequal size.
    MacKinnon, Nielsen and Webb (2023), Journal of Econometrics 232, 272-299: the cluster jackknife.
    Carter, Schnepel and Steigerwald (2017), Review of Economics and Statistics 99, 698-709: the effective number of clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float]
Floats = NDArray[np.float64]

PRIOR_CORRELATION = 0.3
"""Prior correlation within clusters, used until enough items have changed to estimate it."""
PRIOR_ITEMS = 8.0
"""Weight of that prior as a number of changed items; chosen by the simulation in `tests/evaluation/statistics/test_simulation.py`."""
_LEAST_FREEDOM = 0.01


@dataclass(frozen=True)
class PairedDifference:
    """Mean of after - before over paired items.

    Attributes:
        estimate: The mean difference, in [-1, 1].
        lower: One-sided lower bound L at level 1 - alpha.
        upper: One-sided upper bound U at level 1 - alpha.
        p_value: p-value of the null hypothesis that the difference is 0 or less.
        detectable: The true difference that a test at alpha detects with the given power; for information only.
        n: Number of items.
        clusters: Number of clusters.
    """

    estimate: float
    lower: float
    upper: float
    p_value: float
    detectable: float
    n: int
    clusters: int


def cluster_labels(clusters: ArrayLike, items: ArrayLike) -> NDArray[Any]:
    """Return the resampling unit of each item: its cluster, or the item itself if it has none.

    >>> cluster_labels(["drug:a", ""], ["e1", "e2"]).tolist()
    ['drug:a', 'e2']
    """
    labels = np.asarray(clusters).astype(object)
    return np.where(labels == "", np.asarray(items).astype(object), labels)


def cluster_totals(values: ArrayLike, clusters: Sequence[Any] | NDArray[Any]) -> tuple[Floats, Floats]:
    """Sum values by cluster.

    Returns:
        Totals (G,) and sizes (G,), in the order of the sorted cluster labels.

    >>> cluster_totals([1.0, 0.0, 1.0], ["a", "b", "a"])
    (array([2., 0.]), array([2., 1.]))
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) != len(clusters):
        raise ValueError(f"{values.shape} values do not match {len(clusters)} clusters")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite numbers")
    labels, where = np.unique(np.asarray(clusters), return_inverse=True)
    totals: Floats = np.bincount(where, values, len(labels)).astype(np.float64)
    sizes: Floats = np.bincount(where, minlength=len(labels)).astype(np.float64)
    return totals, sizes


def cluster_variance(totals: Floats, sizes: Floats) -> Any:
    """Return the variance of the mean over all items by the jackknife over clusters (MacKinnon, Nielsen and Webb 2023, CV3).

    For clusters of equal size it is the linearised variance (Cochran 1977, eq. 9A.7); a large cluster pulls the mean towards itself,
    which the residuals alone would underestimate.

    Args:
        totals: Sums by cluster [..., G].
        sizes: Items of each cluster [G].

    Returns:
        A float, or an array [...] for totals of several runs.

    >>> float(cluster_variance(np.array([2.0, 0.0]), np.array([2.0, 2.0])))  # two clusters, all right and all wrong: (1 - 0)^2 / 4
    0.25
    """
    count = len(sizes)
    if count < 2:
        return float("inf")
    n = sizes.sum()
    shifts = (totals - sizes * totals.sum(-1, keepdims=True) / n) / (n - sizes)
    return (count - 1) / count * (shifts**2).sum(-1)


def degrees_of_freedom(sizes: Floats) -> float:
    """Return the effective number of clusters, n^2 / sum of squared sizes, less one (Carter, Schnepel and Steigerwald 2017).

    >>> degrees_of_freedom(np.array([5.0, 5.0, 5.0]))
    2.0
    >>> round(degrees_of_freedom(np.array([100.0, 1.0, 1.0])), 2)
    0.04
    """
    return max(float(sizes.sum() ** 2 / (sizes**2).sum() - 1), _LEAST_FREEDOM)


def score_interval(scores: ArrayLike, clusters: Sequence[Any] | NDArray[Any], level: float = 0.95) -> Interval:
    """Return the two-sided interval of a mean score: Wilson's, with the effective sample size of the clusters and Student's t.

    The effective size is p(1 - p) / V, V the cluster variance, and for scores of 0 and 1 never more than the number of items; if
    all scores are equal, V is 0 and each cluster counts as one item.

    >>> low, high = score_interval([1.0] * 5 + [0.0] * 5, list(range(10)))
    >>> round(low, 3), round(high, 3)
    (0.199, 0.801)
    """
    from scipy import stats

    totals, sizes = cluster_totals(scores, clusters)
    count, n = len(sizes), sizes.sum()
    if count < 2:
        return 0.0, 1.0
    mean, variance = float(totals.sum() / n), float(cluster_variance(totals, sizes))
    spread = mean * (1 - mean)
    effective = float(count) if variance <= 1e-15 or spread <= 0 else spread / variance
    if np.isin(np.asarray(scores, dtype=np.float64), (0.0, 1.0)).all():
        effective = min(effective, n)
    t = stats.t.ppf(0.5 + level / 2, degrees_of_freedom(sizes))
    ratio = t * t / effective
    centre = (mean + ratio / 2) / (1 + ratio)
    half = np.sqrt(spread * ratio + ratio * ratio / 4) / (1 + ratio)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def paired_difference(
    before: ArrayLike, after: ArrayLike, clusters: Sequence[Any] | NDArray[Any], alpha: float = 0.05, power: float = 0.8
) -> PairedDifference:
    """Return one-sided bounds of the mean of after - before, for paired items in clusters.

    Bounds invert Tango's score test, whose variance is taken under the tested hypothesis and so does not collapse if few items change.
    That variance is multiplied by the design effect of the clusters and compared with Student's t on `degrees_of_freedom`.
    The design effect is the ratio of the cluster variance to the independent one, never below 1, averaged with that of a correlation of
    `PRIOR_CORRELATION` at the weight of `PRIOR_ITEMS` changed items. Graded scores enter by the size of their losses and gains, scaled
    so that the second moment is right for the observed changes; the further changes that a hypothesis requires may be whole items.
    Scores of 0 and 1 are exactly Tango's case.

    Args:
        before: N scores in [0, 1].
        after: N scores in [0, 1] of the same items.
        clusters: N labels.
        alpha: One-sided error of each bound.
        power: Power of the detectable difference.

    Returns:
        The difference; with fewer than two clusters the bounds are -1 and 1.
    """
    change = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    if (np.abs(change) > 1).any():
        raise ValueError("scores must lie in [0, 1]")
    _, sizes = cluster_totals(change, clusters)
    n, count = len(change), len(sizes)
    if count < 2:
        return PairedDifference(float(change.mean()), -1.0, 1.0, 1.0, 1.0, n, count)
    found = paired_differences(change[None], clusters, alpha, power)
    estimate, lower, upper, p_value, detectable = (float(values[0]) for values in found)
    return PairedDifference(estimate, lower, upper, p_value, detectable, n, count)


class PairedDifferences(NamedTuple):
    """`PairedDifference` of R runs at once, each field [R]."""

    estimate: Floats
    lower: Floats
    upper: Floats
    p_value: Floats
    detectable: Floats


def paired_differences(
    change_RN: NDArray[np.float64], clusters: Sequence[Any] | NDArray[Any], alpha: float = 0.05, power: float = 0.8
) -> PairedDifferences:
    """Compute `paired_difference` for R runs over the same N items, for simulations.

    Args:
        change_RN: after - before, in [-1, 1].
        clusters: N labels, at least two of them different.
        alpha: One-sided error of each bound.
        power: Power of the detectable difference.
    """
    from scipy import stats

    _, where = np.unique(np.asarray(clusters), return_inverse=True)
    order, sizes_G = np.argsort(where, kind="stable"), np.bincount(where).astype(np.float64)
    starts = np.r_[0, np.cumsum(sizes_G)[:-1].astype(int)]
    n, freedom = float(change_RN.shape[1]), degrees_of_freedom(sizes_G)
    totals_RG = np.add.reduceat(change_RN[:, order], starts, axis=1)
    gains, losses = np.maximum(change_RN, 0).sum(1), np.maximum(-change_RN, 0).sum(1)
    changed = gains + losses
    scale = np.where(changed > 0, (change_RN**2).sum(1) / np.where(changed > 0, changed, 1.0), 1.0)
    effect = _design_effects(change_RN, totals_RG, sizes_G, changed / scale)
    t = float(stats.t.ppf(1 - alpha, freedom))

    def statistic(delta: Floats, gain: Floats, loss: Floats) -> Floats:
        """Score statistic of 'the difference is `delta`', from the totals of gains and of losses."""
        share = restricted_discordance(delta, gain, loss, n)
        seen = np.minimum(share, changed / n)
        variance = effect * (scale * seen + (share - seen) - delta * delta) / n
        distance = (gain - loss) / n - delta
        certain = np.where(distance == 0, 0.0, np.copysign(np.inf, distance))
        return np.where(variance > 1e-15, distance / np.sqrt(np.maximum(variance, 1e-15)), certain)

    def bound(gain: Floats, loss: Floats) -> Floats:
        low, high = np.full_like(gain, -1.0), (gain - loss) / n
        for _ in range(40):  # to 2e-12
            middle = (low + high) / 2
            above = statistic(middle, gain, loss) > t
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return low

    estimate = (gains - losses) / n
    at_zero = np.where(gains == losses, 0.0, statistic(np.zeros_like(gains), gains, losses))
    lower = bound(gains, losses)
    return PairedDifferences(
        estimate=estimate,
        lower=lower,
        upper=-bound(losses, gains),
        p_value=stats.t.sf(at_zero, freedom),
        # The bound allows for the uncertainty of few changes; a spread estimated from them would not.
        detectable=np.minimum(1.0, (estimate - lower) * (t + stats.t.ppf(power, freedom)) / t),
    )


def restricted_discordance(delta: ArrayLike, gains: ArrayLike, losses: ArrayLike, n: float) -> Floats:
    """Return the maximum-likelihood share of changed items given that gains exceed losses by `delta` (Tango 1998, eq. 6), elementwise."""
    delta, gains, losses = (np.asarray(v, dtype=np.float64) for v in (delta, gains, losses))
    # In Tango's letters b = losses, c = gains and the tested loss is -delta: 2n q^2 + B q - c(-delta)(1 + delta) = 0.
    linear = -gains - losses + (2 * n - losses + gains) * -delta
    constant = gains * delta * (1 + delta)
    gain_share = (np.sqrt(np.maximum(linear * linear - 8 * n * constant, 0.0)) - linear) / (4 * n)
    return np.maximum(2 * gain_share - delta, np.abs(delta))


def _design_effects(change_RN: Floats, totals_RG: Floats, sizes_G: Floats, changed_R: Floats) -> Floats:
    """Return the variance inflation by clustering; `changed_R`: changed items, for graded scores in units of a typical change."""
    n = sizes_G.sum()
    assumed = 1 + max((sizes_G**2).sum() / n - 1, 0.0) * PRIOR_CORRELATION
    independent = change_RN.var(1) / n
    known = independent > 1e-15
    seen = np.maximum(cluster_variance(totals_RG, sizes_G) / np.where(known, independent, 1.0), 1.0)
    return np.where(known, (changed_R * seen + PRIOR_ITEMS * assumed) / (changed_R + PRIOR_ITEMS), assumed)
