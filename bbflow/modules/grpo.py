"""Capability-aware Group Relative Policy Optimization: several capabilities, each with its own rewards, one update."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from bbflow.capabilities import Capability
from bbflow.errors import InputError, Problem
from bbflow.modules.base import WHERE, PolicyModule
from bbflow.modules.batch import Batch
from bbflow.modules.capability_update import CapabilityUpdate
from bbflow.modules.checks import trainer_problems
from bbflow.optimization.advantages import Advantage, Advantages
from bbflow.optimization.losses import LossSettings, batch_normalizer, loss_mask, policy_loss, regularizer_weights, token_weights
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.optimization.weightings import Weighting
from bbflow.policies import PolicySettings, completion_logprobs
from bbflow.policies.capability_rows import Regularizer, TokenFactors, add_rows, exact_mode
from bbflow.policies.policy import evaluating
from bbflow.policies.reference import Reference
from bbflow.policies.rollouts import RolloutEngine, Rollouts
from bbflow.records import Example


@dataclass(frozen=True)
class RolloutRecord:
    """One training step's rollouts as text, for logs and reports; N completions, those of an example are neighbours.

    Attributes:
        examples: Example of each completion.
        completions: Texts, special tokens removed.
        rewards: Capability to N rewards, NaN where it abstained.
        advantages: N combined advantages.
        truncated: Whether the length limit came before an end mark.
    """

    examples: list[Example]
    completions: list[str]
    rewards: dict[str, list[float]]
    advantages: list[float]
    truncated: list[bool]


class GRPO(PolicyModule):
    """Samples G completions per prompt, rewards them per capability, and raises the likelihood of those better than their group.

    One update per batch of rollouts, so the policy that samples is the policy that learns: the ratio is 1 and its old log-probabilities
    need no pass of their own. Dropout is off throughout. Groups without any advantage add nothing to the gradient and are not run.

    Args:
        policy: The model to train.
        capabilities: What it must be good at, by name.
        rollout: Samples the completions.
        advantage: Turns rewards into advantages.
        loss: Shape of the loss.
        weighting: Turns the gradients of the capabilities into one update that harms none; null: the plain weighted sum, from one gradient.
        measure_interference: With a weighting, keep the gradients of two halves of the rollouts apart, and the parameters before each
            update: what interference is estimated from. Memory for 2 K gradients and a copy of what is trained.
        kl_coefficient: Weight of the KL penalty towards the policy at the start of the run; 0 needs no reference.
        optimizer: Optimiser and schedule.
        validation_examples: How many validation examples are judged each time; null: all.
        evaluation_batch_size: Prompts decoded together at evaluation.
    """

    def __init__(
        self,
        policy: PolicySettings,
        capabilities: dict[str, Capability],
        rollout: RolloutEngine,
        advantage: Advantage,
        loss: LossSettings = LossSettings(),  # noqa: B008 (frozen)
        weighting: Weighting | None = None,
        measure_interference: bool = True,
        kl_coefficient: float = 0.0,
        optimizer: OptimizerSettings = OptimizerSettings(),  # noqa: B008 (frozen)
        validation_examples: int | None = 256,
        evaluation_batch_size: int = 128,
    ) -> None:
        super().__init__(policy, capabilities, optimizer, rollout.max_new_tokens, validation_examples, evaluation_batch_size)
        self.rollout = rollout
        self.advantage = advantage
        self.loss = loss
        self.weighting = weighting
        self.measure_interference = measure_interference
        self.kl_coefficient = kl_coefficient
        self.reference: Reference | None = None
        self.last_rollouts: RolloutRecord | None = None
        self.tokens_generated = 0
        self._seed = 0

    def problems(self, data: Any) -> list[Problem]:
        """Lists what is wrong with the recipe."""
        found = super().problems(data) + self.rollout.problems(f"{WHERE}.rollout.init_args") + self.loss.problems(f"{WHERE}.loss")
        if self.rollout.group_size == 1:
            found.append(Problem("a group of one has nothing to compare", f"{WHERE}.rollout.init_args.group_size", "8 is a common size"))
        if not 0 <= self.kl_coefficient < math.inf:
            found.append(Problem(f"kl_coefficient must be 0 or more, not {self.kl_coefficient}", f"{WHERE}.kl_coefficient"))
        if not any(capability.weight > 0 for capability in self.capabilities.values()):
            found.append(Problem("no capability has a positive weight, so there is nothing to learn", f"{WHERE}.capabilities"))
        return found

    def setup(self, stage: str) -> None:
        """Refuses a trainer that cannot carry a gradient per capability, then as every module."""
        if self.weighting is not None and stage == "fit":
            problems = trainer_problems(self.trainer)
            if problems:
                raise InputError(*problems)
            preferences = {name: capability.weight for name, capability in self.capabilities.items()}
            regularized = self.kl_coefficient > 0
            self.update = CapabilityUpdate(preferences, self.weighting, measured=self.measure_interference, regularized=regularized)
        super().setup(stage)

    def configure_model(self) -> None:
        """Loads the policy and, for a KL penalty, its reference, before any checkpoint is restored."""
        super().configure_model()
        if self.kl_coefficient > 0 and self.reference is None:
            self.reference = Reference(self.ready_policy)

    def on_fit_start(self) -> None:
        """Notes the run's seed; every batch samples from its own seed, so that a resumed run goes on as if it had not stopped."""
        self._seed = torch.initial_seed()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One step of the algorithm; returns the loss summed over tokens."""
        started = time.perf_counter()
        rollouts = self.sample(batch.examples, batch_idx)
        sampled = time.perf_counter()
        examples = [example for example in batch.examples for _ in range(rollouts.group_size)]
        completions = self.ready_policy.texts(rollouts.completions())
        rewards = self.rewards(examples, completions)
        rewarded = time.perf_counter()
        advantages = self.advantages(rewards, rollouts.group_size)

        mask_NT = loss_mask(rollouts.completion_mask_NT, rollouts.truncated_N, self.loss)
        advantages_N = advantages.combined_N.to(self.device)
        if self.update is None:
            total = self.summed_loss(rollouts, mask_NT, advantages_N)
        else:
            total = self.collect_rows(self.update, rollouts, mask_NT, advantages)

        self.last_rollouts = RolloutRecord(
            examples, completions, {k: r.tolist() for k, r in rewards.items()}, advantages_N.tolist(), rollouts.truncated_N.tolist()
        )
        self.tokens_generated += int(rollouts.completion_mask_NT.sum())
        seconds: dict[str, Tensor | float] = {"train/rollout_seconds": sampled - started, "train/reward_seconds": rewarded - sampled}
        self.log_dict(self.metrics(rollouts, rewards, advantages) | seconds, batch_size=len(batch))
        self.log("train/loss", total.detach() / mask_NT.sum().clamp(min=1), batch_size=len(batch))
        return self.sum_over_tokens(total, batch_normalizer(mask_NT, self.loss, self.rollout.max_new_tokens))

    def sample(self, examples: list[Example], batch_idx: int) -> Rollouts:
        """G completions per example, from a seed of the run, the rank and the batch."""
        place = f"{self._seed}/{self.global_rank}/{self.current_epoch}/{batch_idx}"
        seed = int.from_bytes(hashlib.sha256(place.encode()).digest()[:7], "big")
        generator = torch.Generator(self.device).manual_seed(seed)
        policy = self.ready_policy
        return self.rollout.generate(policy, [policy.prompt_ids(example.messages) for example in examples], generator=generator)

    def rewards(self, examples: list[Example], completions: list[str]) -> dict[str, Tensor]:
        """Reward of each completion per capability, float64; NaN where the capability abstains."""
        scores = {name: capability.reward(name, examples, completions) for name, capability in self.capabilities.items()}
        return {name: torch.tensor([math.nan if s is None else s for s in row], dtype=torch.float64) for name, row in scores.items()}

    def advantages(self, rewards: dict[str, Tensor], group_size: int) -> Advantages:
        """Advantages of this rank's completions, with statistics over the batches of all ranks."""
        weights = {name: capability.weight for name, capability in self.capabilities.items()}
        if self.trainer.world_size == 1:
            return self.advantage(rewards, group_size, weights)
        gathered_WKN = self.all_gather(torch.stack(list(rewards.values())).to(self.device)).cpu()  # type: ignore[union-attr]
        union = dict(zip(rewards, gathered_WKN.transpose(0, 1).flatten(1), strict=True))
        advantages, size = self.advantage(union, group_size, weights), gathered_WKN.shape[2]
        own, groups = slice(self.global_rank * size, (self.global_rank + 1) * size), size // group_size
        own_groups = slice(self.global_rank * groups, (self.global_rank + 1) * groups)
        return Advantages(advantages.parts_KN[:, own], advantages.weights_K, advantages.alive_KG[:, own_groups])

    def summed_loss(self, rollouts: Rollouts, mask_NT: Tensor, advantages_N: Tensor) -> Tensor:
        """Policy loss over the groups that can teach something, summed over tokens."""
        teaches_B = self._teaches(advantages_N != 0, rollouts)
        if not teaches_B.any():
            teaches_B[0] = True  # so that there is a gradient, of zeros
        alive = rollouts.groups(teaches_B.nonzero()[:, 0])
        reference_NT = self._reference_logprobs(alive)
        with evaluating(self.model):
            logprobs_NT = self.logprobs(self.model, alive)
        return self._loss(logprobs_NT, rollouts.of_groups(teaches_B, mask_NT), rollouts.of_groups(teaches_B, advantages_N), reference_NT)

    def collect_rows(self, update: CapabilityUpdate, rollouts: Rollouts, mask_NT: Tensor, advantages: Advantages) -> Tensor:
        """Adds every capability's gradient to the update; returns the value of the loss, without gradient, summed over tokens."""
        update.collect(self.model.parameters())
        if update.mode is None:
            with evaluating(self.model):
                update.mode, reason = exact_mode(self.model, rollouts, temperature=self.rollout.temperature)
            rank_zero_info(f"capability gradients: {update.mode} ({reason})")
        advantages_N, parts_KN = advantages.combined_N.to(self.device), advantages.parts_KN.to(self.device)
        teaches_B = self._teaches((parts_KN != 0).any(0), rollouts)
        total = torch.zeros((), device=self.device)
        for half in range(update.halves):  # whole groups, alternating
            own_B = torch.arange(len(teaches_B), device=self.device) % update.halves == half
            update.count(half, batch_normalizer(rollouts.of_groups(own_B, mask_NT), self.loss, self.rollout.max_new_tokens))
            own_B &= teaches_B
            if own_B.any():
                some, mask = rollouts.groups(own_B.nonzero()[:, 0]), rollouts.of_groups(own_B, mask_NT)
                parts, combined = rollouts.of_groups(own_B, parts_KN.T).T, rollouts.of_groups(own_B, advantages_N)
                total += self._add_rows(update, half, some, mask, parts, combined)
        return total

    def _add_rows(
        self, update: CapabilityUpdate, half: int, rollouts: Rollouts, mask_NT: Tensor, parts_KN: Tensor, advantages_N: Tensor
    ) -> Tensor:
        reference_NT = self._reference_logprobs(rollouts)

        def factor(logprobs_nT: Tensor, rows_n: Tensor, sign: int) -> Tensor:
            return token_weights(logprobs_nT, None, mask_NT[rows_n, : logprobs_nT.shape[1]], self.loss, -1 if sign < 0 else 1)

        def regularizer(logprobs_nT: Tensor, rows_n: Tensor) -> Tensor:
            width = logprobs_nT.shape[1]
            reference = None if reference_NT is None else reference_NT[rows_n, :width]
            return regularizer_weights(logprobs_nT, None, reference, mask_NT[rows_n, :width], self.loss, self.kl_coefficient)

        with evaluating(self.model):
            logprobs_NT = add_rows(
                update.collect(self.model.parameters()), update.rows(half), self.model, rollouts, parts_KN, TokenFactors(factor),
                temperature=self.rollout.temperature, mode=update.mode or "k_backward",
                regularizer=Regularizer(update.regularizer_row, regularizer) if update.regularized else None,
            )  # fmt: skip
        return self._loss(logprobs_NT, mask_NT, advantages_N, reference_NT)

    def logprobs(self, model: Any, rollouts: Rollouts) -> Tensor:
        """Log-probabilities of the completions at the temperature they were sampled with."""
        prompts, completions = (rollouts.prompt_ids_BP, rollouts.prompt_mask_BP), (rollouts.completion_ids_NT, rollouts.completion_mask_NT)
        return completion_logprobs(model, *prompts, *completions, group_size=rollouts.group_size, temperature=self.rollout.temperature)

    def _teaches(self, signal_N: Tensor, rollouts: Rollouts) -> Tensor:
        """Which groups change the gradient: those with a signal; all, where a penalty pulls on every token."""
        return signal_N.unflatten(0, (-1, rollouts.group_size)).any(1) | (self.reference is not None)

    def _reference_logprobs(self, rollouts: Rollouts) -> Tensor | None:
        if self.reference is None:
            return None
        with evaluating(self.model), self.reference.model(self.device) as reference:
            return self.logprobs(reference, rollouts)

    def _loss(self, logprobs_NT: Tensor, mask_NT: Tensor, advantages_N: Tensor, reference_NT: Tensor | None) -> Tensor:
        loss = policy_loss(
            logprobs_NT, mask_NT, advantages_N, self.loss, reference_logprobs_NT=reference_NT, kl_coefficient=self.kl_coefficient
        )
        if reference_NT is not None:
            self.log("train/kl", loss.kl / mask_NT.sum().clamp(min=1), batch_size=1)
        return loss.total

    def metrics(self, rollouts: Rollouts, rewards: dict[str, Tensor], advantages: Advantages) -> dict[str, Tensor | float]:
        """What is logged of a step; a capability that judged nothing in it stays out."""
        values: dict[str, Tensor | float] = {
            "train/dead_groups": 1 - advantages.alive_KG.any(0).double().mean(),
            "train/completion_length": rollouts.lengths_N.double().mean(),
            "train/truncated": rollouts.truncated_N.double().mean(),
            "train/entropy": -rollouts.logprobs_NT.sum() / rollouts.completion_mask_NT.sum(),
            "train/tokens_generated": float(self.tokens_generated),
        }
        for (name, row), alive_G in zip(rewards.items(), advantages.alive_KG, strict=True):
            judged = row[~row.isnan()]
            if len(judged):
                values[f"train/reward/{name}"] = judged.mean()
                values[f"train/reward_std/{name}"] = judged.std(correction=0)
                values[f"train/signal/{name}"] = alive_G.double().mean()
        return {name: value.float() if isinstance(value, Tensor) else value for name, value in values.items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the count of generated tokens, and what the next update is compared with."""
        checkpoint["tokens_generated"] = self.tokens_generated
        if self.update is not None:
            checkpoint["update"] = self.update.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores what `on_save_checkpoint` kept."""
        self.tokens_generated = checkpoint.get("tokens_generated", 0)
        if self.update is not None and "update" in checkpoint:
            self.update.load_state_dict(checkpoint["update"])
