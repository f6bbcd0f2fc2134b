"""Weight of each reward within a capability: fixed, or adapted within bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bbflow.errors import Problem
from bbflow.rewards.base import Score

NO_SPREAD = 1e-6
"""Differences of rewards in [0, 1] below this are rounding errors."""


@dataclass(frozen=True)
class DynamicMix:
    """Bounds within which a mix of rewards adapts to the share of groups in which each reward varies.

    A reward provides a training signal only in groups in which it differs between completions. A constant reward (a rule that
    is always met, a reward model that no longer sees a difference) has no effect on the advantages of such a group, but dilutes the
    mean. Each weight is therefore multiplied by the reward's share of groups with variance, relative to the mean share of the
    capability's rewards, within bounds.

    Attributes:
        at_least: Smallest factor on a fixed weight.
        at_most: Largest factor on a fixed weight.
        memory: Weight of the past in the running share; 0.9 averages over about ten steps.
    """

    at_least: float = 0.5
    at_most: float = 2.0
    memory: float = 0.9

    def problems(self, where: str) -> list[Problem]:
        """List the problems of the settings; `where` is the key in the recipe."""
        found = []
        if not 0 < self.at_least <= 1 <= self.at_most < float("inf"):
            found.append(Problem(f"bounds must enclose 1: 0 < at_least <= 1 <= at_most, not {self.at_least} and {self.at_most}", where))
        if not 0 <= self.memory < 1:
            found.append(Problem(f"memory must lie in [0, 1), not {self.memory}", f"{where}.memory"))
        return found


@dataclass
class Mixture:
    """Current weights of a capability's rewards; deterministic, with `shares` as the only state.

    >>> mixture = Mixture({"rule": 1.0, "model": 0.5}, DynamicMix(memory=0.0))
    >>> mixture.observe({"rule": 0.25, "model": 0.75})
    >>> mixture.weights()
    {'rule': 0.5, 'model': 0.75}

    Attributes:
        fixed: Name of a reward to its weight in the recipe.
        dynamic: Bounds of the adaptation; None: the fixed weights.
        shares: Running share of groups in which each reward varies; empty before the first step.
    """

    fixed: Mapping[str, float]
    dynamic: DynamicMix | None = None
    shares: dict[str, float] = field(default_factory=dict)

    def weights(self) -> dict[str, float]:
        """Return the current weight of each reward."""
        counted = [share for name, share in self.shares.items() if self.fixed[name] > 0]
        mean = sum(counted) / len(counted) if counted else 0.0
        if self.dynamic is None or mean <= 0:
            return dict(self.fixed)
        low, high = self.dynamic.at_least, self.dynamic.at_most
        return {n: w * min(high, max(low, self.shares[n] / mean)) if n in self.shares else w for n, w in self.fixed.items()}

    def observe(self, shares: Mapping[str, float]) -> None:
        """Update with the shares of one step; a reward without a scored group is omitted and keeps its running share."""
        if self.dynamic is not None:
            kept = self.dynamic.memory
            for name, share in shares.items():
                self.shares[name] = kept * self.shares.get(name, share) + (1 - kept) * share


def mixed(parts: Mapping[str, Sequence[Score]], weights: Mapping[str, float]) -> list[Score]:
    """Return the weighted mean of the rewards that do not abstain, per completion; None if all abstain.

    >>> mixed({"rule": [1.0, None, None], "model": [0.0, 0.5, None]}, {"rule": 3.0, "model": 1.0})
    [0.75, 0.5, None]
    """
    length = max((len(row) for row in parts.values()), default=0)
    totals, counted = [0.0] * length, [0.0] * length
    for name, row in parts.items():
        for i, score in enumerate(row):
            if score is not None and weights[name] > 0:
                totals[i] += weights[name] * score
                counted[i] += weights[name]
    return [total / weight if weight else None for total, weight in zip(totals, counted, strict=True)]


def groups_with_variance(scores: Sequence[Score], group_size: int) -> tuple[int, int]:
    """Return the number of groups in which a reward varies, and the number of groups it scores at all.

    >>> groups_with_variance([0.0, 1.0, 0.5, 0.5, None, None, None, 1.0], 2)
    (1, 3)

    Args:
        scores: One per completion; the completions of a group are neighbours.
        group_size: G.
    """
    groups = [[s for s in scores[i : i + group_size] if s is not None] for i in range(0, len(scores), group_size)]
    judged = [group for group in groups if group]
    return sum(max(group) - min(group) > NO_SPREAD for group in judged), len(judged)
