"""Axes of charts: round tick marks, ranges, and the scale from data to drawing coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Interval = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Linear map from the interval `data` to the interval `drawn`; `clip` keeps values inside."""

    data: Interval
    drawn: Interval
    clip: bool = False

    def __call__(self, value: float) -> float:
        """Return the coordinate of a value.

        >>> Scale((0, 1), (100, 0))(0.25), Scale((0, 1), (100, 0), clip=True)(2.0)
        (75.0, 0.0)
        """
        low, high = self.data
        if self.clip:
            value = min(max(value, low), high)
        return self.drawn[0] + (self.drawn[1] - self.drawn[0]) * (value - low) / (high - low)


def wide_range(values: Sequence[float]) -> Interval:
    """Return the range of the values, at least 0.02 wide, so that noise is not blown up."""
    middle, half = (min(values) + max(values)) / 2, max((max(values) - min(values)) / 2, 0.01)
    return middle - half, middle + half


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return round numbers that enclose a range; a range too narrow to label counts as a point.

    >>> nice_ticks(0.0, 1.0)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    >>> nice_ticks(3.1, 3.1)
    [3.0, 3.25, 3.5, 3.75, 4.0]
    """
    if high - low <= 1e-6 * max(1.0, abs(low), abs(high)):
        low, high = math.floor(low), math.floor(low) + 1
    rough = (high - low) / count
    unit = 10 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = 3 - math.floor(math.log10(step))  # no more than the step needs: 0.3, not 0.30000000000000004
    return [round(step * i, digits) for i in range(first, last + 1)]
