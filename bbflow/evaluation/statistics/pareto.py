"""The Pareto front: policies that no other dominates, being at least as good in every capability and better in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Scores = Mapping[str, float]


def pareto_mask(scores: Sequence[Scores]) -> list[bool]:
    """Return for each policy whether no other dominates it.

    Args:
        scores: Capability to score, the same capabilities for all.

    >>> pareto_mask([{"a": 0.5, "b": 0.5}, {"a": 0.6, "b": 0.4}, {"a": 0.5, "b": 0.4}])
    [True, True, False]
    """

    def dominates(one: Scores, other: Scores) -> bool:
        return all(one[name] >= other[name] for name in other) and any(one[name] > other[name] for name in other)

    return [not any(dominates(other, one) for other in scores) for one in scores]
