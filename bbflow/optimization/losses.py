"""Policy-gradient losses, as sums: the caller divides by the normaliser of the whole optimiser step.

Every loss here has a gradient that is linear in grad log p. For a token t of completion i with advantage A it is

    -A * c_it * grad log p_it,

and `token_weights` is c_it: a number without gradient that depends on A through its sign alone. The gradients of several advantages are
then several weightings of the same grad log p, which the capability Jacobian is built on. With one update per batch of
rollouts the ratio to the policy that sampled is 1, nothing is clipped, and the losses differ in their normaliser only.

| type | ratio | clipped | a completion's tokens | the step is divided by |
|---|---|---|---|---|
| `dapo` (arXiv 2503.14476) | token | A min(r, clip r) | sum | tokens |
| `bnpo` | token | A min(r, clip r) | sum | tokens |
| `grpo` (arXiv 2402.03300) | token | A min(r, clip r) | mean | completions |
| `dr_grpo` (arXiv 2503.20783) | token | A min(r, clip r) | sum | completions x length limit |
| `cispo` (arXiv 2506.13585) | token | the weight min(r, 1 + high), no token is lost | sum | tokens |
| `gspo` (arXiv 2507.18071) | completion | A min(s, clip s) | mean | completions |

Elsewhere `bnpo` divides by the tokens of each micro-batch, so that its result depends on how a step is divided. Here a step is exact over
micro-batches and ranks, and `bnpo` equals `dapo`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bbflow.errors import Problem
from bbflow.optimization.kl import MAX_LOG_RATIO, KLEstimator, kl_estimate, log_ratio

LossType = Literal["grpo", "bnpo", "dapo", "dr_grpo", "cispo", "gspo"]

_CLIPS: dict[str, tuple[float, float]] = {"cispo": (1.0, 4.0), "gspo": (3e-4, 4e-4)}
"""Published ranges of the types whose ratios live on another scale: at most 5 for `cispo` (arXiv 2510.13786); the rest has DAPO's."""


@dataclass(frozen=True)
class LossSettings:
    """Shape of the loss.

    Attributes:
        type: Which loss; see the table of this module. By tokens, `dapo`, no completion counts for more or less because it is long.
        clip_low: A ratio below 1 - clip_low earns no further gradient for a negative advantage; null: what was published for the type
            (0.2; 3e-4 for `gspo`; `cispo` has no lower bound).
        clip_high: A ratio above 1 + clip_high earns none for a positive one; null: what was published (0.28, wider than `clip_low` so that
            rare tokens can grow; 4 for `cispo`, whose weight it bounds; 4e-4 for `gspo`).
        dual_clip: A ratio above this earns no gradient for a negative advantage either (arXiv 1912.09729; 3 there); null: no such bound.
        entropy_coefficient: Weight of a bonus on the entropy of the policy, per token.
        mask_truncated: Leave completions out that met the length limit: their reward says little about their tokens.
    """

    type: LossType = "dapo"
    clip_low: float | None = None
    clip_high: float | None = None
    dual_clip: float | None = None
    entropy_coefficient: float = 0.0
    mask_truncated: bool = False

    @property
    def clip(self) -> tuple[float, float]:
        """Lower and upper clip range.

        >>> LossSettings().clip, LossSettings(type="gspo", clip_high=0.01).clip
        ((0.2, 0.28), (0.0003, 0.01))
        """
        low, high = _CLIPS.get(self.type, (0.2, 0.28))
        return (low if self.clip_low is None else self.clip_low, high if self.clip_high is None else self.clip_high)

    @property
    def averages_completions(self) -> bool:
        """Whether a completion counts by the mean over its tokens and not by their sum."""
        return self.type in ("grpo", "gspo")

    def problems(self, where: str) -> list[Problem]:
        """List the problems of the settings; `where` is their key in the recipe."""
        found = []
        if self.type == "cispo":
            given = [name for name in ("clip_low", "dual_clip") if getattr(self, name) is not None]
            found += [Problem(f"cispo has no {name}: it bounds the weight from above, by clip_high", f"{where}.{name}") for name in given]
        elif not 0 < self.clip[0] < 1:
            found.append(Problem(f"clip_low must lie in (0, 1), not {self.clip_low}", f"{where}.clip_low"))
        if not 0 < self.clip[1] < math.inf:
            found.append(Problem(f"clip_high must be positive, not {self.clip_high}", f"{where}.clip_high"))
        elif self.type != "cispo" and self.dual_clip is not None and not 1 + self.clip[1] < self.dual_clip < math.inf:
            found.append(Problem(f"dual_clip must exceed 1 + clip_high = {1 + self.clip[1]:g}, not {self.dual_clip}", f"{where}.dual_clip"))
        if not 0 <= self.entropy_coefficient < math.inf:
            found.append(Problem(f"entropy_coefficient must be 0 or more, not {self.entropy_coefficient}", f"{where}.entropy_coefficient"))
        return found


@dataclass(frozen=True)
class PolicyLoss:
    """A loss and its metrics.

    Attributes:
        total: Sum over the tokens that count, a completion's mean or sum as the type says; differentiable.
        clipped: Number of tokens whose gradient the clipping removed, or reduced (`cispo`).
        kl: Sum over tokens of the estimate of KL(policy || reference); 0 without a reference.
    """

    total: Tensor
    clipped: Tensor
    kl: Tensor


def policy_loss(
    logprobs_NT: Tensor,
    mask_NT: Tensor,
    advantages_N: Tensor,
    settings: LossSettings = LossSettings(),
    *,
    old_logprobs_NT: Tensor | None = None,
    reference_logprobs_NT: Tensor | None = None,
    kl_coefficient: float = 0.0,
    kl_estimator: KLEstimator = "k3",
) -> PolicyLoss:
    """Compute value and gradient of the loss: policy term + kl_coefficient * KL - entropy_coefficient * entropy, summed.

    The value is that of the written-out objective (clipped ratios times advantages, the KL estimate, minus the log-probability for the
    entropy); the gradient is -A * `token_weights` + `regularizer_weights`, times grad log p.

    Args:
        logprobs_NT: Log-probabilities under the policy, with gradient, at the sampling temperature.
        mask_NT: True on tokens that count; see `loss_mask`.
        advantages_N: One per completion.
        settings: Shape of the loss.
        old_logprobs_NT: Under the policy that sampled; None if that is the current policy: the ratio is 1, with the gradient of log p.
        reference_logprobs_NT: Under the reference, at the same temperature; needed for the KL term.
        kl_coefficient: Weight of the KL term.
        kl_estimator: Estimator of the value of the KL; its gradient is the same for all (see `bbflow.optimization.kl`).
    """
    now = logprobs_NT.detach()
    advantages = advantages_N.to(now.dtype)[:, None]
    share = _share(mask_NT, settings, now.dtype)
    ratio, token_ratio = _ratio(now, old_logprobs_NT, mask_NT, settings), _token_ratio(now, old_logprobs_NT)
    value = _objective(now, ratio, advantages, settings)
    gradient = -advantages * torch.where(
        advantages > 0,
        token_weights(now, old_logprobs_NT, mask_NT, settings, 1),
        token_weights(now, old_logprobs_NT, mask_NT, settings, -1),
    )
    kl = torch.zeros_like(now)
    if reference_logprobs_NT is not None:
        kl = token_ratio * kl_estimate(now, reference_logprobs_NT, kl_estimator)
    value = value + kl_coefficient * kl + settings.entropy_coefficient * token_ratio * now
    gradient = gradient + regularizer_weights(now, old_logprobs_NT, reference_logprobs_NT, mask_NT, settings, kl_coefficient)
    total = (value * share).sum() + (gradient * (logprobs_NT - now)).sum()
    clipped = mask_NT & _clipped(ratio, advantages, settings)
    return PolicyLoss(total, clipped.sum(), kl.masked_fill(~mask_NT, 0.0).sum())


def token_weights(
    logprobs_NT: Tensor, old_logprobs_NT: Tensor | None, mask_NT: Tensor, settings: LossSettings, sign: Literal[1, -1]
) -> Tensor:
    """Return c_it: for an advantage A of this sign, the policy term's gradient is -A * c_it * grad log p_it, summed over tokens.

    It holds ratio, clipping and the mean over a completion's tokens, not the normaliser of the step (`batch_normalizer`).

    >>> on, old = torch.tensor([[True, True]]), torch.zeros(1, 2)
    >>> now = torch.tensor([[0.5, 1.5]]).log()
    >>> token_weights(now, old, on, LossSettings(), 1).tolist(), token_weights(now, old, on, LossSettings(), -1).tolist()
    ([[0.5, 0.0]], [[0.0, 1.5]])

    Args:
        logprobs_NT: Log-probabilities under the policy.
        old_logprobs_NT: Under the policy that sampled; None if that is the current policy.
        mask_NT: True on tokens that count.
        settings: Shape of the loss.
        sign: Sign of the advantage.

    Returns:
        [N, T], no gradient, 0 where the mask is False.
    """
    share = _share(mask_NT, settings, logprobs_NT.dtype)
    if old_logprobs_NT is None:
        return share
    ratio = _ratio(logprobs_NT.detach(), old_logprobs_NT, mask_NT, settings)
    if settings.type == "cispo":
        return ratio.clamp(max=1 + settings.clip[1]) * share
    flows = ~_clipped(ratio, torch.full_like(ratio[:, :1], sign), settings)
    return torch.where(flows, ratio, 0.0) * share


def regularizer_weights(
    logprobs_NT: Tensor,
    old_logprobs_NT: Tensor | None,
    reference_logprobs_NT: Tensor | None,
    mask_NT: Tensor,
    settings: LossSettings,
    kl_coefficient: float,
) -> Tensor:
    """Return e_it: the gradient of KL penalty and entropy bonus is e_it * grad log p_it, summed over tokens.

    Per state, grad KL(p || q) = E[log(p / q) grad log p] and -grad H(p) = E[log p grad log p] (the 1 from grad log p itself has mean 0), so
    both are exact in the mean over sampled tokens, and cost no pass over the vocabulary. Off-policy they are weighted by the token's ratio.

    Returns:
        [N, T], no gradient, 0 where the mask is False.
    """
    now = logprobs_NT.detach()
    weights = settings.entropy_coefficient * now
    if reference_logprobs_NT is not None and kl_coefficient:
        weights = weights + kl_coefficient * log_ratio(now, reference_logprobs_NT)
    return weights * _token_ratio(now, old_logprobs_NT) * _share(mask_NT, settings, now.dtype)


def batch_normalizer(mask_NT: Tensor, settings: LossSettings, max_new_tokens: int) -> Tensor:
    """Return the divisor of the summed gradient, which adds up over micro-batches and ranks.

    Completions that are masked out altogether count among the completions, as they do in TRL.

    >>> mask = torch.tensor([[True, True, False], [True, False, False]])
    >>> [int(batch_normalizer(mask, LossSettings(type=t), 10)) for t in ("dapo", "grpo", "dr_grpo")]
    [3, 2, 20]

    Args:
        mask_NT: True on tokens that count, over all completions of the batch, including groups without any advantage.
        settings: Shape of the loss.
        max_new_tokens: Length limit of completions.
    """
    if settings.type == "dr_grpo":
        return mask_NT.new_tensor(len(mask_NT) * max_new_tokens, dtype=torch.long)
    return mask_NT.new_tensor(len(mask_NT), dtype=torch.long) if settings.averages_completions else mask_NT.sum()


def loss_mask(mask_NT: Tensor, truncated_N: Tensor, settings: LossSettings) -> Tensor:
    """Return the mask of tokens that count: all of a completion, or none where it was truncated and the settings leave those out."""
    return mask_NT & ~truncated_N[:, None] if settings.mask_truncated else mask_NT


def _share(mask_NT: Tensor, settings: LossSettings, dtype: torch.dtype) -> Tensor:
    """Return 1 per token that counts, or 1 / the number of those in its completion."""
    share = mask_NT.to(dtype)
    return share / share.sum(1, keepdim=True).clamp(min=1) if settings.averages_completions else share


def _token_ratio(now_NT: Tensor, old_NT: Tensor | None) -> Tensor:
    return torch.ones_like(now_NT) if old_NT is None else log_ratio(now_NT, old_NT).exp()


def _ratio(now_NT: Tensor, old_NT: Tensor | None, mask_NT: Tensor, settings: LossSettings) -> Tensor:
    """Return probability now over probability when sampled: of the token, or (`gspo`) the geometric mean over the completion."""
    if old_NT is None:
        return torch.ones_like(now_NT)
    if settings.type != "gspo":
        return _token_ratio(now_NT, old_NT)
    mean_N1 = ((now_NT - old_NT) * _share(mask_NT, settings, now_NT.dtype)).sum(1, keepdim=True)
    return mean_N1.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp().expand_as(now_NT)


def _clipped(ratio_NT: Tensor, advantages_N1: Tensor, settings: LossSettings) -> Tensor:
    """Return the mask of tokens that the clipping acts on, for advantages of this sign."""
    low, high = settings.clip
    if settings.type == "cispo":
        return (ratio_NT > 1 + high) & (advantages_N1 != 0)
    falls = ratio_NT < 1 - low
    if settings.dual_clip is not None:
        falls = falls | (ratio_NT > settings.dual_clip)
    return ((ratio_NT > 1 + high) & (advantages_N1 > 0)) | (falls & (advantages_N1 < 0))


def _objective(now_NT: Tensor, ratio_NT: Tensor, advantages_N1: Tensor, settings: LossSettings) -> Tensor:
    """Return the value of the policy term per token."""
    low, high = settings.clip
    if settings.type == "cispo":
        return -ratio_NT.clamp(max=1 + high) * advantages_N1 * now_NT
    bounded = ratio_NT if settings.dual_clip is None else ratio_NT.clamp(max=settings.dual_clip)
    return -torch.minimum(bounded * advantages_N1, ratio_NT.clamp(1 - low, 1 + high) * advantages_N1)
