"""KL divergence between policy and reference from sampled tokens: its value and its gradient, which need different estimators.

With r = p / q at a token sampled from p, three estimates have the mean KL(p || q), or nearly: k1 = log r (unbiased, may be negative),
k2 = (log r)^2 / 2 (biased, never negative), k3 = 1/r - 1 + log r (unbiased, never negative). Their own derivatives have other means: that
of k1 is 0 and that of k3 is the gradient of KL(q || p); only k2 has that of KL(p || q). The full gradient of E_p[k] also includes the
derivative of the distribution p that the mean is taken over; with it, k1 and k3 both become

    grad KL(p || q) = E_p[log r * grad log p],

which is the gradient of k2 too. So the estimator decides which value is *reported*; the gradient is always this one.

In the *loss* the penalty acts token by token: the effect of a token on the KL of later tokens is left out. In the *reward*, a completion's
sum of log r counts against its advantage, later tokens included: the gradient of the KL between whole completions, with more variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bbflow.errors import Problem

KLEstimator = Literal["k1", "k2", "k3"]

MAX_LOG_RATIO = 20.0
"""Log-ratios are clamped to +- this before they are squared, exponentiated or used as weights."""


@dataclass(frozen=True)
class KLSettings:
    """KL penalty towards the policy at the start of the run.

    Attributes:
        coefficient: Weight of the penalty; 0 needs no reference.
        estimator: Estimate that is reported and enters the value of the loss: `k1`, `k2` or `k3`. The gradient does not depend on it.
        place: `loss`: per token, added to the policy term. `reward`: subtracted from the advantage of the whole completion.
    """

    coefficient: float = 0.0
    estimator: KLEstimator = "k3"
    place: Literal["loss", "reward"] = "loss"

    def problems(self, where: str) -> list[Problem]:
        """List the problems of the settings; `where` is their key in the recipe."""
        if 0 <= self.coefficient < math.inf:
            return []
        return [Problem(f"coefficient must be 0 or more, not {self.coefficient}", f"{where}.coefficient")]


def log_ratio(logprobs: Tensor, others: Tensor) -> Tensor:
    """Return log(p / q), clamped."""
    return (logprobs - others).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)


def kl_estimate(logprobs_NT: Tensor, reference_NT: Tensor, estimator: KLEstimator) -> Tensor:
    """Return the estimate of KL(policy || reference) per sampled token, in nats.

    >>> p, q = torch.tensor([0.5]).log(), torch.tensor([0.25]).log()
    >>> [round(float(kl_estimate(p, q, k)), 4) for k in ("k1", "k2", "k3")]
    [0.6931, 0.2402, 0.1931]
    """
    ratio = log_ratio(logprobs_NT, reference_NT)
    if estimator == "k1":
        return ratio
    return ratio.square() / 2 if estimator == "k2" else (-ratio).expm1() + ratio


def kl_advantages(logprobs_NT: Tensor, reference_NT: Tensor, mask_NT: Tensor, group_size: int) -> Tensor:
    """Return the advantages of a KL penalty in the reward, before its coefficient: how much less a completion strays than its group.

    They are not divided by the group's spread, or the coefficient would have no effect. Added to advantages A, the token-level loss then
    has the gradient of coefficient * KL of whole completions (times 1 - 1/G, as every reward that is centred on its own group).

    >>> p, q = torch.tensor([[-1.0, -1.0], [-1.0, 0.0]]), torch.tensor([[-2.0, -2.0], [-1.0, 0.0]])
    >>> kl_advantages(p, q, torch.tensor([[True, True], [True, False]]), 2).tolist()
    [-1.0, 1.0]

    Args:
        logprobs_NT: Log-probabilities under the policy that sampled.
        reference_NT: Log-probabilities under the reference.
        mask_NT: True on real tokens.
        group_size: G; the completions of a group are neighbours.

    Returns:
        [N] float64, no gradient; 0 for a group of one.
    """
    strayed_N = log_ratio(logprobs_NT.detach().double(), reference_NT.detach().double()).masked_fill(~mask_NT, 0.0).sum(1)
    grouped = strayed_N.unflatten(0, (-1, group_size))
    return (torch.mean(grouped, 1, keepdim=True) - grouped).flatten()
