"""Proportions of independent items: Wilson, Clopper-Pearson, Tango, the exact split. `clustered` is for items in clusters.

References:
    Wilson (1927), Journal of the American Statistical Association 22, 209-212.
    Clopper and Pearson (1934), Biometrika 26, 404-413.
    Tango (1998), Statistics in Medicine 17, 891-908.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

__all__ = ["Interval", "TangoTest", "exact_lower", "exact_split", "exact_upper", "tango", "wilson"]

Interval = tuple[float, float]


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of a proportion.

    >>> low, high = wilson(7, 10)
    >>> round(low, 4), round(high, 4)
    (0.3968, 0.8922)
    """
    from scipy.stats import norm

    _check_counts(n, successes)
    z = float(norm.ppf(0.5 + level / 2))
    share, ratio = successes / n, z * z / n
    centre, half = (share + ratio / 2) / (1 + ratio), sqrt(share * (1 - share) * ratio + ratio * ratio / 4) / (1 + ratio)
    return max(0.0, centre - half), min(1.0, centre + half)


def exact_upper(events: int, n: int, alpha: float = 0.05) -> float:
    """Return the one-sided upper limit of a rate (Clopper-Pearson): without an event in n items it is 1 - alpha^(1/n).

    >>> round(exact_upper(0, 100), 4)
    0.0295
    """
    from scipy.stats import beta

    _check_counts(n, events)
    return 1.0 if events == n else float(beta.ppf(1 - alpha, events + 1, n - events))


def exact_lower(events: int, n: int, alpha: float = 0.05) -> float:
    """Return the one-sided lower limit of a rate (Clopper-Pearson).

    >>> round(exact_lower(100, 100), 4)
    0.9705
    """
    return 1 - exact_upper(n - events, n, alpha)


@dataclass(frozen=True)
class TangoTest:
    """Result of Tango's paired score test that a loss is less than the margin: the statistic Z and its one-sided p-value."""

    z: float
    p_value: float


def tango(losses: int, gains: int, n: int, margin: float) -> TangoTest:
    """Test H0: p(right to wrong) - p(wrong to right) >= margin, the discordance by restricted maximum likelihood.

    Args:
        losses: Items that went from right to wrong.
        gains: Items that went from wrong to right.
        n: Items.
        margin: In [0, 1).

    >>> round(tango(5, 8, 100, 0.1).z, 3)
    3.073
    """
    from scipy.stats import norm

    from bbflow.evaluation.statistics.clustered import restricted_discordance

    _check_counts(n, losses, gains)
    variance = n * (float(restricted_discordance(-margin, gains, losses, n)) - margin * margin)
    distance = gains - losses + n * margin
    z = distance / sqrt(variance) if variance > 1e-12 else 0.0
    return TangoTest(z, float(norm.sf(z)))


def exact_split(losses: int, gains: int, n: int, alpha: float = 0.05) -> float:
    """Return a lower bound of gains minus losses with guaranteed error: lower limit of one minus upper limit of the other, alpha / 2 each.

    >>> round(exact_split(0, 0, 100), 4)
    -0.0362
    """
    _check_counts(n, losses, gains)
    return exact_lower(gains, n, alpha / 2) - exact_upper(losses, n, alpha / 2)


def _check_counts(n: int, *counts: int) -> None:
    if n < 1 or any(count < 0 for count in counts) or sum(counts) > n:
        raise ValueError(f"{counts} are no counts out of {n} items")
