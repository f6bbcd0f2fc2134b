"""The loss of a batch of completions without its advantages, shared by both ways to its gradient.

One way is a backward pass through `value`. The other one is weights on the grad log p of tokens, one set per sign of the advantage and
one for the terms that belong to no capability. Off-policy the two differ in the tokens that are clipped: a sum of advantages has one
sign, its parts may have others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from bbflow.optimization.kl import KLSettings, kl_advantages
from bbflow.optimization.losses import LossSettings, PolicyLoss, batch_normalizer, policy_loss, regularizer_weights, token_weights


@dataclass(frozen=True)
class Objective:
    """Loss of N completions of up to T tokens, without their advantages.

    Attributes:
        loss: Shape of the policy term.
        kl: KL penalty; acts where there is a reference.
        mask_NT: True on tokens that count.
        old_NT: Log-probabilities under the policy that sampled; None where that is the current policy.
        reference_NT: Log-probabilities under the reference; None without a KL penalty.
        penalty_N: Advantages of a KL penalty in the reward; None without one.
    """

    loss: LossSettings
    kl: KLSettings
    mask_NT: Tensor
    old_NT: Tensor | None = None
    reference_NT: Tensor | None = None
    penalty_N: Tensor | None = None

    @property
    def signed(self) -> bool:
        """Whether the weights of tokens depend on the sign of the advantage."""
        return self.old_NT is not None and self.loss.type != "cispo"

    @property
    def regularized(self) -> bool:
        """Whether tokens with an advantage of 0 have a gradient, from a KL penalty or an entropy bonus."""
        return self.reference_NT is not None or self.loss.entropy_coefficient > 0

    def rewarded_kl(self, sampled_NT: Tensor, completion_mask_NT: Tensor, group_size: int) -> Objective:
        """Return the objective with the penalty of a KL in the reward, from the log-probabilities of sampling."""
        if self.reference_NT is None or self.kl.place != "reward":
            return self
        penalty_N = self.kl.coefficient * kl_advantages(sampled_NT, self.reference_NT, completion_mask_NT, group_size)
        return replace(self, penalty_N=penalty_N)

    def rows(self, rows_N: Tensor) -> Objective:
        """Return the objective of some completions, chosen by a mask or by their indices."""
        old, reference, penalty = (None if t is None else t[rows_N] for t in (self.old_NT, self.reference_NT, self.penalty_N))
        return replace(self, mask_NT=self.mask_NT[rows_N], old_NT=old, reference_NT=reference, penalty_N=penalty)

    def value(self, logprobs_NT: Tensor, advantages_N: Tensor) -> PolicyLoss:
        """Return the loss, summed over tokens; see `policy_loss`."""
        in_loss = self.kl.place == "loss"
        return policy_loss(
            logprobs_NT,
            self.mask_NT,
            advantages_N if self.penalty_N is None else advantages_N + self.penalty_N.to(advantages_N),
            self.loss,
            old_logprobs_NT=self.old_NT,
            reference_logprobs_NT=self.reference_NT,
            kl_coefficient=self.kl.coefficient if in_loss else 0.0,
            kl_estimator=self.kl.estimator,
        )

    def factors(self, logprobs_nT: Tensor, rows_n: Tensor, sign: int) -> Tensor:
        """Return the factors [n, T] of A grad log p for the tokens of some completions; sign 0: for both signs, where they agree."""
        return self.rows(rows_n)._factors(logprobs_nT, -1 if sign < 0 else 1)

    def regularizer(self, logprobs_nT: Tensor, rows_n: Tensor) -> Tensor:
        """Return the factors [n, T] of grad log p in the terms that belong to no capability, for the tokens of some completions."""
        own, width = self.rows(rows_n), logprobs_nT.shape[1]
        old, reference = (None if t is None else t[:, :width] for t in (own.old_NT, own.reference_NT))
        in_loss = self.kl.place == "loss"
        weights = regularizer_weights(
            logprobs_nT, old, reference, own.mask_NT[:, :width], self.loss, self.kl.coefficient if in_loss else 0.0
        )
        if own.penalty_N is None:
            return weights
        penalty = own.penalty_N.to(weights)[:, None]
        return weights - penalty * torch.where(penalty > 0, own._factors(logprobs_nT, 1), own._factors(logprobs_nT, -1))

    def normalizer(self, max_new_tokens: int) -> Tensor:
        """Return the divisor of the summed gradient; see `batch_normalizer`."""
        return batch_normalizer(self.mask_NT, self.loss, max_new_tokens)

    def _factors(self, logprobs_NT: Tensor, sign: Literal[1, -1]) -> Tensor:
        width = logprobs_NT.shape[1]
        old = None if self.old_NT is None else self.old_NT[:, :width]
        return token_weights(logprobs_NT, old, self.mask_NT[:, :width], self.loss, sign)
