"""KL divergence between policy and reference from sampled tokens: its value, and its gradient, which are two different matters.

With r = p / q at a token sampled from p, three estimates have the mean KL(p || q), or nearly: k1 = log r (unbiased, may be negative),
k2 = (log r)^2 / 2 (biased, never negative), k3 = 1/r - 1 + log r (unbiased, never negative). Differentiated as they stand they are
something else: k1 has the mean gradient 0 and k3 that of KL(q || p); only k2 has that of KL(p || q). The full gradient of E_p[k] also has
the part where p is what is averaged over; with it, k1 and k3 both come to

    grad KL(p || q) = E_p[log r * grad log p],

which is the gradient of k2 too. So the estimator chosen here decides what is *reported*; the gradient is always this one.

In the *loss* it is taken token by token: what a token does to the KL of later tokens is left out. In the *reward*, a completion's sum of
log r counts against its advantage, which has the later tokens in it: the gradient of the KL between whole completions, with more variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

KLEstimator = Literal["k1", "k2", "k3"]

MAX_LOG_RATIO = 20.0
"""Log-ratios are clamped to +- this before they are squared, exponentiated or used as weights."""


@dataclass(frozen=True)
class KLSettings:
    """How the KL penalty is measured and where it acts; `kl_coefficient` is its weight.

    Attributes:
        estimator: What is reported, and stands in the value of the loss: `k1`, `k2` or `k3`. The gradient does not depend on it.
        place: `loss`: per token, beside the policy term. `reward`: against the advantage of the whole completion.
    """

    estimator: KLEstimator = "k3"
    place: Literal["loss", "reward"] = "loss"


def log_ratio(logprobs: Tensor, others: Tensor) -> Tensor:
    """log(p / q), clamped."""
    return (logprobs - others).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)


def kl_estimate(logprobs_NT: Tensor, reference_NT: Tensor, estimator: KLEstimator) -> Tensor:
    """Estimate of KL(policy || reference) per sampled token, in nats.

    >>> p, q = torch.tensor([0.5]).log(), torch.tensor([0.25]).log()
    >>> [round(float(kl_estimate(p, q, k)), 4) for k in ("k1", "k2", "k3")]
    [0.6931, 0.2402, 0.1931]
    """
    ratio = log_ratio(logprobs_NT, reference_NT)
    if estimator == "k1":
        return ratio
    return ratio.square() / 2 if estimator == "k2" else (-ratio).expm1() + ratio


def kl_advantages(logprobs_NT: Tensor, reference_NT: Tensor, mask_NT: Tensor, group_size: int) -> Tensor:
    """What a KL penalty in the reward adds to the advantages, times its coefficient: how much less a completion strays than its group.

    It is not divided by the group's spread, or the coefficient would mean nothing. Added to advantages A, the token-level loss then has
    the gradient of coefficient * KL of whole completions (times 1 - 1/G, as every reward that is centred on its own group).

    >>> p, q = torch.tensor([[-1.0, -1.0], [-1.0, 0.0]]), torch.tensor([[-2.0, -2.0], [-1.0, 0.0]])
    >>> kl_advantages(p, q, torch.tensor([[True, True], [True, False]]), 2).tolist()
    [-1.0, 1.0]

    Args:
        logprobs_NT: Of the policy that sampled.
        reference_NT: Of the reference.
        mask_NT: True on real tokens.
        group_size: G; the completions of a group are neighbours.

    Returns:
        [N] float64, no gradient; 0 for a group of one.
    """
    strayed_N = log_ratio(logprobs_NT.detach().double(), reference_NT.detach().double()).masked_fill(~mask_NT, 0.0).sum(1)
    grouped = strayed_N.unflatten(0, (-1, group_size))
    return (torch.mean(grouped, 1, keepdim=True) - grouped).flatten()
