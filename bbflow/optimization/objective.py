"""The loss of a batch of completions without its advantages: what every way to its gradient shares.

One backward pass through `loss` is one way; weights on the grad log p of tokens, one set per sign of the advantage and one for what
belongs to no capability, are the other. Off-policy the two differ in what is clipped: a sum of advantages has one sign, its parts may
have others.
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
    """Shape and surroundings of the loss for N completions of up to T tokens.

    Attributes:
        loss: Shape of the policy term.
        kl: How the KL penalty is measured and where it acts.
        kl_coefficient: Its weight.
        mask_NT: True on tokens that count.
        old_NT: Log-probabilities under the policy that sampled; None where that is this very policy.
        reference_NT: Log-probabilities under the reference; None without a KL penalty.
        penalty_N: What a KL penalty in the reward adds to the advantages; None without.
    """

    loss: LossSettings
    kl: KLSettings
    kl_coefficient: float
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
        """Whether anything pulls on tokens whose advantage is 0."""
        return self.reference_NT is not None or self.loss.entropy_coefficient > 0

    def rewarded_kl(self, sampled_NT: Tensor, completion_mask_NT: Tensor, group_size: int) -> Objective:
        """The same with the penalty of a KL in the reward, from the log-probabilities at which the completions were sampled."""
        if self.reference_NT is None or self.kl.place != "reward":
            return self
        penalty_N = self.kl_coefficient * kl_advantages(sampled_NT, self.reference_NT, completion_mask_NT, group_size)
        return replace(self, penalty_N=penalty_N)

    def rows(self, rows_N: Tensor) -> Objective:
        """The objective of some completions: a mask or their numbers."""
        old, reference, penalty = (None if t is None else t[rows_N] for t in (self.old_NT, self.reference_NT, self.penalty_N))
        return replace(self, mask_NT=self.mask_NT[rows_N], old_NT=old, reference_NT=reference, penalty_N=penalty)

    def value(self, logprobs_NT: Tensor, advantages_N: Tensor) -> PolicyLoss:
        """The loss, summed; see `policy_loss`."""
        in_loss = self.kl.place == "loss"
        return policy_loss(
            logprobs_NT,
            self.mask_NT,
            advantages_N if self.penalty_N is None else advantages_N + self.penalty_N.to(advantages_N),
            self.loss,
            old_logprobs_NT=self.old_NT,
            reference_logprobs_NT=self.reference_NT,
            kl_coefficient=self.kl_coefficient if in_loss else 0.0,
            kl_estimator=self.kl.estimator,
        )

    def factors(self, logprobs_nT: Tensor, rows_n: Tensor, sign: int) -> Tensor:
        """What multiplies A grad log p of some completions' tokens, [n, T]; sign 0 stands for both where they are alike."""
        return self.rows(rows_n)._factors(logprobs_nT, -1 if sign < 0 else 1)

    def regularizer(self, logprobs_nT: Tensor, rows_n: Tensor) -> Tensor:
        """What multiplies grad log p of some completions' tokens in the terms that belong to no capability, [n, T]."""
        own, width = self.rows(rows_n), logprobs_nT.shape[1]
        old, reference = (None if t is None else t[:, :width] for t in (own.old_NT, own.reference_NT))
        in_loss = self.kl.place == "loss"
        weights = regularizer_weights(
            logprobs_nT, old, reference, own.mask_NT[:, :width], self.loss, self.kl_coefficient if in_loss else 0.0
        )
        if own.penalty_N is None:
            return weights
        penalty = own.penalty_N.to(weights)[:, None]
        return weights - penalty * torch.where(penalty > 0, own._factors(logprobs_nT, 1), own._factors(logprobs_nT, -1))

    def normalizer(self, max_new_tokens: int) -> Tensor:
        """What the summed gradient is divided by; see `batch_normalizer`."""
        return batch_normalizer(self.mask_NT, self.loss, max_new_tokens)

    def _factors(self, logprobs_NT: Tensor, sign: Literal[1, -1]) -> Tensor:
        width = logprobs_NT.shape[1]
        old = None if self.old_NT is None else self.old_NT[:, :width]
        return token_weights(logprobs_NT, old, self.mask_NT[:, :width], self.loss, sign)
