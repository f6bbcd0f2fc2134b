"""Advantages: from the rewards of groups of completions to one learning signal per completion, and its parts per capability.

All statistics are computed in float64 within a group. Position decides the group (neighbours come from one prompt), never the prompt's
text: equal prompts in a batch stay apart. A reward of NaN abstains: it is left out of its capability's statistics and its part is 0.
Spread below `NO_SPREAD` is rounding and gives exactly 0; so does a group of one.

Parts and weights are kept apart so that the combined advantage is the weighted sum of the parts, exactly: `combined = weights @ parts`.
The gradient of capability k's own objective is then that of parts[k], with the same normaliser as the plain step.

Dimensions: K capabilities, N completions in N / G groups of G.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

NO_SPREAD = 1e-6
"""Standard deviations of rewards in [0, 1] below this are rounding."""


@dataclass(frozen=True)
class Advantages:
    """Advantages of a batch of completions, by capability and combined.

    Attributes:
        parts_KN: Advantage for each capability alone, before its weight.
        weights_K: Weight of each capability, in the order of the parts.
        alive_KG: Whether the rewards of a capability vary within a group; K x number of groups.
    """

    parts_KN: Tensor
    weights_K: Tensor
    alive_KG: Tensor

    @property
    def combined_N(self) -> Tensor:
        """Weighted sum over capabilities."""
        return self.weights_K @ self.parts_KN

    @property
    def alive_G(self) -> Tensor:
        """Mask of the groups with a training signal; see `any_alive`."""
        return any_alive(self.alive_KG, self.weights_K)

    def share(self, number: int, count: int) -> Advantages:
        """Return the advantages of one of `count` ranks, whose completions follow one another, equally many of each."""
        parts_KN, alive_KG = (values.chunk(count, dim=1)[number] for values in (self.parts_KN, self.alive_KG))
        return Advantages(parts_KN, self.weights_K, alive_KG)


class Advantage(ABC):
    """A function from rewards to advantages. Subclass it and define `parts` to add your own; a recipe names it by `class_path`."""

    def __call__(self, rewards: Mapping[str, Tensor], group_size: int, weights: Mapping[str, float]) -> Advantages:
        """Return the advantages of rewards that are given by name; see `of`.

        Args:
            rewards: Capability to [N] rewards, NaN where it abstains.
            group_size: G; the completions of a group are neighbours.
            weights: Capability to weight, matched by name.

        Returns:
            Parts in the order of `rewards`, float64.

        Raises:
            ValueError: The names differ, an infinite reward, or N is no multiple of G.
        """
        if set(rewards) != set(weights):
            raise ValueError(f"rewards for {sorted(rewards)}, but weights for {sorted(weights)}")
        rewards_KN = torch.stack([row.double() for row in rewards.values()])
        return self.of(rewards_KN, torch.tensor([weights[name] for name in rewards], dtype=torch.float64), group_size)

    def of(self, rewards_KN: Tensor, weights_K: Tensor, group_size: int) -> Advantages:
        """Return the advantages of a batch.

        Args:
            rewards_KN: Rewards, float64, NaN where a capability abstains.
            weights_K: Weights of the capabilities, float64.
            group_size: G; the completions of a group are neighbours.

        Raises:
            ValueError: An infinite reward, or N is no multiple of G.
        """
        if torch.isinf(rewards_KN).any():
            raise ValueError("an infinite reward")
        if rewards_KN.shape[1] % group_size:
            raise ValueError(f"{rewards_KN.shape[1]} rewards do not make groups of {group_size}")
        weights_K = weights_K.to(rewards_KN.device)
        centred_KN, std_KN = group_statistics(rewards_KN, group_size)
        parts_KN = self.parts(centred_KN, std_KN, weights_K, group_size)
        return Advantages(parts_KN, weights_K, groups_with_spread(std_KN, group_size))

    @abstractmethod
    def parts(self, centred_KN: Tensor, std_KN: Tensor, weights_K: Tensor, group_size: int) -> Tensor:
        """Return the advantage of each capability alone.

        Args:
            centred_KN: Rewards less their group's mean, 0 where a capability abstains or its group has no spread.
            std_KN: Standard deviation within each completion's group, 0 where there is no spread.
            weights_K: Weights of the capabilities.
            group_size: G.

        Returns:
            [K, N]; multiplied by the weights and summed, it is the advantage.
        """


@dataclass
class GDPO(Advantage):
    """GDPO (arXiv 2601.05242): every capability is normalised within its group first, then the weighted sum over the batch.

    A = s / sqrt(mean over the batch of s^2), s = sum_k w_k (r_k - mean_k) / std_k, std with n - 1. The batch mean of s is 0 by construction
    (each part sums to 0 within its group), so only the scale is left to normalise. A noisy or wide reward cannot drown the others.

    >>> rewards = {"domain": torch.tensor([0.0, 1.0]), "safety": torch.tensor([0.01, 0.0])}
    >>> GDPO()(rewards, 2, {"domain": 1.0, "safety": 0.5}).combined_N.tolist()
    [-1.0, 1.0]
    """

    def parts(self, centred_KN: Tensor, std_KN: Tensor, weights_K: Tensor, group_size: int) -> Tensor:
        """Normalise within groups, then by the scale of the weighted sum."""
        return _scaled(_divide(centred_KN, std_KN), weights_K)


@dataclass
class SumThenNormalize(Advantage):
    """Plain GRPO (arXiv 2402.03300): the weighted sum of rewards, normalised within its group.

    A capability that abstains on a completion counts there as its group's mean, not as 0. This is the baseline to compare with: the widest
    reward decides.

    >>> rewards = {"domain": torch.tensor([0.0, 1.0, 0.0, 1.0])}
    >>> [round(a, 3) for a in SumThenNormalize()(rewards, 4, {"domain": 1.0}).combined_N.tolist()]
    [-0.866, 0.866, -0.866, 0.866]
    """

    def parts(self, centred_KN: Tensor, std_KN: Tensor, weights_K: Tensor, group_size: int) -> Tensor:
        """Divide every part by the group's standard deviation of the weighted sum."""
        _, std_1N = group_statistics((weights_K @ centred_KN)[None], group_size)
        return _divide(centred_KN, std_1N)


@dataclass
class MOGRPO(Advantage):
    """MO-GRPO (arXiv 2509.22047): every capability is divided by its standard deviation in the group, and the sum is not scaled.

    A = sum_k w_k (r_k - mean_k) / std_k. Each capability has the same variance in the signal and so the same correlation with it, however
    wide its rewards. It is `GDPO` without the scale of the batch: capabilities that agree make a long step, capabilities that cancel out
    make a short one.

    >>> rewards = {"domain": torch.tensor([0.0, 1.0]), "safety": torch.tensor([0.01, 0.0])}
    >>> [round(a, 3) for a in MOGRPO()(rewards, 2, {"domain": 1.0, "safety": 0.5}).combined_N.tolist()]
    [-0.354, 0.354]
    """

    def parts(self, centred_KN: Tensor, std_KN: Tensor, weights_K: Tensor, group_size: int) -> Tensor:
        """Normalise within groups."""
        return _divide(centred_KN, std_KN)


@dataclass
class CovarianceTargeted(Advantage):
    """The signal nearest to that of `GDPO` that is anti-correlated with no capability.

    With z_k = (r_k - mean_k) / std_k within groups, the plain signal s0 = sum_k w_k z_k can be anti-correlated with a capability that
    others outvote. This advantage solves, over the batch,

        minimise |s - s0|^2  subject to  <s, z_k> >= 0 for every capability with a weight,

    whose solution is s = s0 + sum_k u_k z_k with u = argmin {|s0 + sum_k u_k z_k|^2 : u >= 0}: no weight falls, those of outvoted
    capabilities rise until they are no longer opposed. Without conflict it is `GDPO`; so is the scale. Capabilities that
    oppose each other everywhere leave nothing, and the step is 0. Rewards' covariances are the Gramian of the capability gradients in the
    Fisher geometry of a softmax over completions, so this costs no backward pass; the gradients of a network need not follow it.

    >>> rewards = {"domain": torch.tensor([0.0, 0.0, 1.0, 1.0]), "safety": torch.tensor([1.0, 1.0, 0.0, 0.8])}
    >>> for advantage in (GDPO(), CovarianceTargeted()):
    ...     signal = advantage(rewards, 4, {"domain": 3.0, "safety": 1.0}).combined_N
    ...     print([round(float(reward.double() @ signal), 3) for reward in rewards.values()])
    [1.915, -0.822]
    [1.372, 0.0]
    """

    def parts(self, centred_KN: Tensor, std_KN: Tensor, weights_K: Tensor, group_size: int) -> Tensor:
        """Raise the weights of outvoted capabilities, then normalise by the scale of the signal."""
        from scipy.optimize import nnls

        parts_KN = _divide(centred_KN, std_KN)
        heard = ((weights_K > 0) & (parts_KN != 0).any(1)).nonzero()[:, 0]
        if len(heard):
            directions, weights = parts_KN[heard].T.cpu().numpy(), weights_K[heard].cpu().numpy()
            extra, _ = nnls(directions, -directions @ weights)
            parts_KN[heard] *= torch.from_numpy(1 + extra / weights).to(parts_KN)[:, None]
        return _scaled(parts_KN, weights_K)


def group_statistics(rewards_KN: Tensor, group_size: int) -> tuple[Tensor, Tensor]:
    """Return the deviation from the group's mean and the group's standard deviation (n - 1), both [K, N], over rewards that are not NaN.

    Both are 0 where there is no spread.

    >>> centred, std = group_statistics(torch.tensor([[1.0, 0.0, float("nan")]]), 3)
    >>> centred.tolist(), [round(s, 4) for s in std[0].tolist()]
    ([[0.5, -0.5, 0.0]], [0.7071, 0.7071, 0.7071])
    """
    grouped = rewards_KN.double().unflatten(1, (-1, group_size))
    present = ~grouped.isnan()
    count = present.sum(2, keepdim=True)
    mean = grouped.nan_to_num(0.0).sum(2, keepdim=True) / count.clamp(min=1)
    centred = torch.where(present, grouped - mean, 0.0)
    std = (centred.square().sum(2, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    spread = std > NO_SPREAD
    return torch.where(spread, centred, 0.0).flatten(1), torch.where(spread, std, 0.0).expand_as(centred).flatten(1)


def groups_with_spread(std_KN: Tensor, group_size: int) -> Tensor:
    """Return [K, N / G]: whether the rewards of a capability vary within a group, from `group_statistics`."""
    return (std_KN > 0).unflatten(1, (-1, group_size)).any(2)


def any_alive(alive_KG: Tensor, weights_K: Tensor) -> Tensor:
    """Return the mask of groups in which some capability with a weight varies, even where the sum over capabilities is flat.

    >>> any_alive(torch.tensor([[True, False], [True, True]]), torch.tensor([1.0, 0.0])).tolist()
    [True, False]
    """
    return alive_KG[weights_K > 0].any(0)


def _divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Return the quotient, 0 where the denominator is 0."""
    return torch.where(denominator > 0, numerator / denominator.clamp(min=NO_SPREAD), 0.0)


def _scaled(parts_KN: Tensor, weights_K: Tensor) -> Tensor:
    """Return the parts divided by the root mean square of their weighted sum; 0 where that is 0."""
    scale = (weights_K @ parts_KN).square().mean().sqrt()
    return parts_KN / scale if scale > NO_SPREAD else torch.zeros_like(parts_KN)
