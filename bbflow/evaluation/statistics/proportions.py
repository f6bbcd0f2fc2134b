"""Limits of a rate of independent items; `clustered` is for items in clusters.

References:
    Clopper and Pearson (1934), Biometrika 26, 404-413.
"""

from __future__ import annotations


def exact_upper(events: int, n: int, alpha: float = 0.05) -> float:
    """Return the one-sided upper limit of a rate (Clopper-Pearson): without an event in n items it is 1 - alpha^(1/n).

    >>> round(exact_upper(0, 100), 4)
    0.0295
    """
    from scipy.stats import beta

    if not 0 <= events <= n or n < 1:
        raise ValueError(f"{events} is no count out of {n} items")
    return 1.0 if events == n else float(beta.ppf(1 - alpha, events + 1, n - events))
