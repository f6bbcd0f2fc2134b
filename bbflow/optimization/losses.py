"""The policy-gradient loss, as a sum over tokens.

Whoever calls it divides by the number of tokens of the whole optimiser step (all micro-batches, all ranks), as DAPO does
(arXiv 2503.14476): every token counts the same, however the batch was cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bbflow.errors import Problem

MAX_LOG_RATIO = 20.0
"""Log-ratios are clamped to +- this before they are squared or exponentiated."""


@dataclass(frozen=True)
class LossSettings:
    """Shape of the loss.

    Attributes:
        clip_low: A ratio below 1 - clip_low earns no further gradient for a negative advantage.
        clip_high: A ratio above 1 + clip_high earns none for a positive one; wider than `clip_low`, so that rare tokens can grow (DAPO).
        mask_truncated: Leave completions out that met the length limit: their reward says little about their tokens.
    """

    clip_low: float = 0.2
    clip_high: float = 0.28
    mask_truncated: bool = False

    def problems(self, where: str) -> list[Problem]:
        """Lists what is wrong; `where` is the key in the recipe."""
        found = []
        if not 0 < self.clip_low < 1:
            found.append(Problem(f"clip_low must lie in (0, 1), not {self.clip_low}", f"{where}.clip_low"))
        if not 0 < self.clip_high < math.inf:
            found.append(Problem(f"clip_high must be positive, not {self.clip_high}", f"{where}.clip_high"))
        return found


@dataclass(frozen=True)
class PolicyLoss:
    """A loss with what is worth logging.

    Attributes:
        total: Sum over the tokens that count; differentiable.
        clipped: How many tokens the clipping cut off from the gradient.
        kl: Sum over tokens of the k3 estimate of KL(policy || reference); 0 without a reference.
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
) -> PolicyLoss:
    """Clipped policy-gradient loss (PPO, arXiv 1707.06347), summed over tokens.

    Per token -min(ratio * A, clip(ratio) * A) + kl_coefficient * k2, with k2 = (log ratio to the reference)^2 / 2. As a loss, k2 has the
    gradient of the reverse KL on the policy's own samples; k1 and k3 have its value but not its gradient, so k3 is only reported.

    Args:
        logprobs_NT: Log-probabilities under the policy, with gradient, at the sampling temperature.
        mask_NT: True on tokens that count; see `loss_mask`.
        advantages_N: One per completion.
        settings: Clipping.
        old_logprobs_NT: Of the policy that sampled; None where that is this very policy, and the ratio is 1 with the gradient of log p.
        reference_logprobs_NT: Of the reference, at the same temperature; needed for the KL term.
        kl_coefficient: Weight of the KL term.
    """
    old = logprobs_NT.detach() if old_logprobs_NT is None else old_logprobs_NT
    ratio = (logprobs_NT - old).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
    advantages = advantages_N.to(logprobs_NT.dtype)[:, None]
    clipped = ratio.clamp(1 - settings.clip_low, 1 + settings.clip_high)
    per_token = -torch.minimum(ratio * advantages, clipped * advantages)
    kl = torch.zeros_like(per_token)
    if reference_logprobs_NT is not None:
        log_ratio = (logprobs_NT - reference_logprobs_NT).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
        kl = (-log_ratio).expm1().detach() + log_ratio.detach()
        per_token = per_token + kl_coefficient * log_ratio.square() / 2
    cut = (clipped * advantages < ratio * advantages) & mask_NT
    return PolicyLoss(per_token.masked_fill(~mask_NT, 0.0).sum(), cut.sum(), kl.masked_fill(~mask_NT, 0.0).sum())


def loss_mask(mask_NT: Tensor, truncated_N: Tensor, settings: LossSettings) -> Tensor:
    """Tokens that count: all of a completion, or none where it was truncated and the settings leave those out."""
    return mask_NT & ~truncated_N[:, None] if settings.mask_truncated else mask_NT
