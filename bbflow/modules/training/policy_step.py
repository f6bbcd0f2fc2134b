"""The loss of one update and its gradient: one backward pass for a single loss, or one row per capability.

`GRPO.training_step` samples, rewards and takes advantages; `PolicyStep` turns those into the loss that Lightning differentiates, or into
the rows of a `CapabilityUpdate`.

Dimensions: K capabilities, B groups of G completions, N = B * G completions of up to T tokens, n of them at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from bbflow.modules.training.capability_jacobian import Regularizer, TokenWeights, add_rows
from bbflow.modules.training.capability_update import CapabilityUpdate
from bbflow.modules.training.experience import Experience
from bbflow.modules.training.metric_sums import MetricSums
from bbflow.optimization.advantages import Advantages
from bbflow.optimization.kl import KLSettings
from bbflow.optimization.losses import LossSettings, loss_mask
from bbflow.optimization.objective import Objective
from bbflow.policies import completion_logprobs
from bbflow.policies.policy import eval_mode
from bbflow.policies.reference import Reference
from bbflow.policies.rollouts import Rollouts


@dataclass(frozen=True)
class LossTerm:
    """Completions and everything that decides their loss: the sampled ones, or the references of a batch.

    Attributes:
        rollouts: N completions in B groups.
        objective: Their loss without its advantages.
        advantages: Their advantages.
        temperature: Temperature of their log-probabilities.
        example_B: Position of each group's example in the batch; None: in order. By it, groups alternate between the halves of a batch
            that interference is measured on, so that everything about one example is in one half.
    """

    rollouts: Rollouts
    objective: Objective
    advantages: Advantages
    temperature: float
    example_B: Tensor | None = None

    @property
    def teaches(self) -> bool:
        """Whether any capability has an advantage for any of the completions."""
        return bool(self.advantages.alive_G.any())

    def teaching_groups(self, signal_N: Tensor) -> Tensor:
        """Mask [B] of the groups that change the gradient: those with a signal; all, where a penalty acts on every token."""
        return signal_N.unflatten(0, (-1, self.rollouts.group_size)).any(1) | self.objective.regularized

    def log(self, logprobs_nT: Tensor, rows_n: Tensor, advantages_N: Tensor, sums: MetricSums) -> Tensor:
        """Return the loss of some completions, given their log-probabilities, and add its metrics per token to the sums."""
        objective = self.objective.rows(rows_n)
        loss = objective.value(logprobs_nT, advantages_N[rows_n])
        for name in token_metrics(objective):
            sums.add(name, loss.kl if name == "train/kl" else loss.clipped, objective.mask_NT.sum())
        return loss.total


@dataclass(frozen=True)
class StepLoss:
    """Result of one update's forward pass.

    Attributes:
        total: Loss summed over tokens. Differentiable; a value without gradient where an update collected the rows of capabilities.
        normalizer: Divisor of the summed gradient, to be added up over micro-batches and ranks.
        logprobs_NT: Log-probabilities of the sampled completions, without gradient.
        sums: Metrics per token, and the loss of the references.
    """

    total: Tensor
    normalizer: Tensor
    logprobs_NT: Tensor
    sums: MetricSums


@dataclass(frozen=True)
class PolicyStep:
    """Computes the loss of a batch of completions, and its gradient, in as many micro-batches as the memory asks for.

    Attributes:
        module: Module in training; its model, device and `micro_batches` are used.
        reference: Reference policy; None without a KL penalty.
        loss: Shape of the loss.
        kl: KL penalty.
        temperature: Temperature of the rollouts.
        max_new_tokens: Length limit of the rollouts.
    """

    module: Any
    reference: Reference | None
    loss: LossSettings
    kl: KLSettings
    temperature: float
    max_new_tokens: int

    def __call__(
        self, experience: Experience, advantages: Advantages, references: LossTerm | None = None, update: CapabilityUpdate | None = None
    ) -> StepLoss:
        """Compute the loss of a step, begun anew in smaller micro-batches where memory runs out.

        Args:
            experience: Completions of this rank; `reference_NT` is filled in where the KL penalty needs it.
            advantages: Advantages of this rank's completions.
            references: Reference responses to learn from as well.
            update: Collects the gradient of every capability; None: the loss is differentiable.
        """

        def run() -> tuple[Tensor, StepLoss]:
            result = self._run(experience, advantages, references, update)
            return result.total, result

        total, result = self.module.micro_batches.step(self.module, run, update)
        return replace(result, total=total)

    def _run(
        self, experience: Experience, advantages: Advantages, references: LossTerm | None, update: CapabilityUpdate | None
    ) -> StepLoss:
        """Add up the losses of sampled completions and references; nothing is left behind that would count twice if run again."""
        sampled = self.sampled(experience, advantages)
        sums = MetricSums(token_metrics(sampled.objective))
        total, logprobs_NT = self._loss(sampled, sums, update)
        normalizer = sampled.objective.normalizer(self.max_new_tokens)
        if references is not None:
            loss, count = self._reference_loss(references, sums, update)
            total, normalizer = total + loss, normalizer + count
        return StepLoss(total, normalizer, logprobs_NT, sums)

    def sampled(self, experience: Experience, advantages: Advantages) -> LossTerm:
        """Return the loss term of an experience, with log-probabilities under the reference where the KL penalty needs them."""
        rollouts = experience.rollouts
        if self.reference is not None and experience.reference_NT is None:
            experience.reference_NT = self._reference_logprobs(self.reference, rollouts)
        mask_NT = loss_mask(rollouts.completion_mask_NT, rollouts.truncated_N, self.loss)
        objective = Objective(self.loss, self.kl, mask_NT, experience.old_NT, experience.reference_NT)
        objective = objective.rewarded_kl(rollouts.logprobs_NT, rollouts.completion_mask_NT, rollouts.group_size)
        return LossTerm(rollouts, objective, advantages, self.temperature)

    def scalar_loss(self, term: LossTerm, sums: MetricSums) -> tuple[Tensor, Tensor]:
        """Return the loss summed over the groups that teach something, and log-probabilities [N, T] of those, without gradient."""
        rollouts, advantages_N = term.rollouts, term.advantages.combined_N.to(self.module.device)
        teaches_B = term.teaching_groups(advantages_N != 0)
        if not teaches_B.any():
            teaches_B[0] = True  # so that there is a gradient, of zeros
        seen_NT, teaching = torch.zeros_like(rollouts.logprobs_NT), teaches_B.nonzero()[:, 0]

        def loss_of(some: Tensor) -> Tensor:
            groups = teaching[some]
            rows_n = rollouts.rows_of(groups)
            with eval_mode(self.module.model):
                logprobs_nT = rollout_logprobs(self.module.model, rollouts.groups(groups), term.temperature)
            seen_NT[rows_n] = logprobs_nT.detach().to(seen_NT)
            return term.log(logprobs_nT, rows_n, advantages_N, sums)

        return self.module.micro_batches(self.module, rollouts.groups(teaching).widths(), loss_of), seen_NT

    def capability_rows(self, term: LossTerm, sums: MetricSums, update: CapabilityUpdate) -> tuple[Tensor, Tensor]:
        """Add the gradient of every capability to the update; return the summed loss and log-probabilities, both without gradient."""
        model, device, rollouts = self.module.model, self.module.device, term.rollouts
        jacobian = update.jacobian_of(model.parameters())
        mode = update.choose_mode(model, rollouts, term.temperature)
        advantages_N, parts_KN = term.advantages.combined_N.to(device), term.advantages.parts_KN.to(device)
        teaches_B = term.teaching_groups((parts_KN != 0).any(0))
        example_B = torch.arange(len(teaches_B)) if term.example_B is None else term.example_B
        total, seen_NT = torch.zeros((), device=device), torch.zeros_like(rollouts.logprobs_NT)
        for half in range(update.halves):
            own_B = (example_B % update.halves == half).to(device)
            own_N = own_B.repeat_interleave(rollouts.group_size)
            for rows in (update.rows(half), update.shared_rows):
                update.add_normalizer(rows, term.objective.rows(own_N).normalizer(self.max_new_tokens))
            teaching = (own_B & teaches_B).nonzero()[:, 0]
            for part in self.module.micro_batches.parts(rollouts.groups(teaching).widths()) if len(teaching) else []:
                groups = teaching[part]
                rows_n = rollouts.rows_of(groups)
                own = term.objective.rows(rows_n)
                regularizer = Regularizer(update.shared_rows.start, own.regularizer) if own.regularized else None
                with eval_mode(model):
                    logprobs_nT = add_rows(
                        jacobian, update.rows(half), model, rollouts.groups(groups), parts_KN[:, rows_n],
                        TokenWeights(own.factors, own.signed), temperature=term.temperature, mode=mode, regularizer=regularizer,
                    )  # fmt: skip
                seen_NT[rows_n] = logprobs_nT.to(seen_NT)
                total += term.log(logprobs_nT, rows_n, advantages_N, sums)
        return total, seen_NT

    def _loss(self, term: LossTerm, sums: MetricSums, update: CapabilityUpdate | None) -> tuple[Tensor, Tensor]:
        return self.scalar_loss(term, sums) if update is None else self.capability_rows(term, sums, update)

    def _reference_loss(self, term: LossTerm, sums: MetricSums, update: CapabilityUpdate | None) -> tuple[Tensor, Tensor]:
        """Return the summed loss of the references and their share of the normalizer."""
        sums.add("train/reference_loss", 0.0, 0)  # named on every rank
        none = torch.zeros((), device=self.module.device)
        if not term.teaches and update is not None:
            return none, none
        total, logprobs_NT = self._loss(term, sums, update)
        if not term.teaches:  # run all the same, as other ranks do: a sharded model would wait for ever
            return total, none
        sums.add("train/reference_loss", -logprobs_NT.sum(), term.rollouts.lengths_N.sum())
        return total, term.objective.normalizer(self.max_new_tokens)

    def _reference_logprobs(self, reference: Reference, rollouts: Rollouts) -> Tensor:
        """Return log-probabilities [N, T] of the completions under the reference."""
        reference_NT = torch.zeros_like(rollouts.logprobs_NT)
        with eval_mode(self.module.model), reference.model(self.module.device) as model:
            for part in self.module.micro_batches.parts(rollouts.widths()):
                groups = torch.tensor(part, device=self.module.device)
                logprobs_nT = rollout_logprobs(model, rollouts.groups(groups), self.temperature)
                reference_NT[rollouts.rows_of(groups)] = logprobs_nT.to(reference_NT)
        return reference_NT


def rollout_logprobs(model: Any, rollouts: Rollouts, temperature: float) -> Tensor:
    """Return log-probabilities [N, T] of completions under a model, at a temperature."""
    prompts, completions = (rollouts.prompt_ids_BP, rollouts.prompt_mask_BP), (rollouts.completion_ids_NT, rollouts.completion_mask_NT)
    return completion_logprobs(model, *prompts, *completions, group_size=rollouts.group_size, temperature=temperature)


def token_metrics(objective: Objective) -> list[str]:
    """Return the names of the metrics that an objective has for every token."""
    needed = {"train/kl": objective.reference_NT, "train/clipped": objective.old_NT}
    return [name for name, logprobs_NT in needed.items() if logprobs_NT is not None]
