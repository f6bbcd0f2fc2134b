"""Capability-aware Group Relative Policy Optimization: several capabilities, each with its own rewards, one update."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from bbflow.capabilities import Capability
from bbflow.data.sampler import seed_of
from bbflow.errors import Problem, Refused
from bbflow.modules.base import WHERE, PolicyModule
from bbflow.modules.batch import Batch
from bbflow.modules.training.capability_jacobian import Regularizer, TokenWeights, add_rows
from bbflow.modules.training.capability_update import CapabilityUpdate
from bbflow.modules.training.distributed import all_gather_stack
from bbflow.modules.training.experience import Experience, RolloutRecord, gather_experience, reward_metrics, update_reward_mixes
from bbflow.modules.training.metric_sums import MetricSums
from bbflow.modules.training.preflight import trainer_problems
from bbflow.modules.training.reference_loss import reference_loss, reference_problems
from bbflow.modules.training.sharding import wrapping_problems
from bbflow.optimization.advantages import Advantage, Advantages
from bbflow.optimization.kl import KLSettings
from bbflow.optimization.losses import LossSettings, loss_mask
from bbflow.optimization.objective import Objective
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.optimization.weightings import WeightedSum, Weighting
from bbflow.policies import PolicySettings, completion_logprobs
from bbflow.policies.policy import eval_mode
from bbflow.policies.reference import Reference
from bbflow.policies.rollouts import RolloutEngine, Rollouts
from bbflow.records import Example


class GRPO(PolicyModule):
    """Samples G completions per prompt, rewards them per capability, and raises the likelihood of those better than their group.

    With one update per batch of rollouts the policy that samples is the policy that learns: the ratio is 1 and its old log-probabilities
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
        measure_every: Without a weighting, take the gradients of the capabilities apart once in so many batches, for the report alone: the
            update stays as it is. Such a batch costs about one more backward pass, and memory for 2 K gradients; 0: never.
        kl_coefficient: Weight of the KL penalty towards the policy at the start of the run; 0 needs no reference.
        kl: How the KL penalty is measured, and whether it acts in the loss or in the reward.
        updates: Updates per batch of rollouts; `trainer.max_steps` counts batches. More than one need clipping, and old log-probabilities.
        old_logprobs: What later updates compare themselves with: log-probabilities `recomputed` in the first update, for which they cost
            nothing and the ratio is 1, or those `sampled` by the engine, which also corrects for an engine that computes differently.
        resample: How often a group that tells no capability anything is sampled again before it is left as it is.
        reference_advantage: Learn from the reference response of every example as from one more completion with this advantage, for each
            capability that judges the example: one number, or one by name for the capabilities that learn so; 0: from what was sampled
            alone. See `bbflow.modules.training.reference_loss`.
        optimizer: Optimiser and schedule.
        validation_examples: How many validation examples are judged each time; null: all.
        evaluation_batch_size: Prompts decoded together at evaluation.
        micro_batch_tokens: Most tokens whose activations a training step holds at once, padding included: groups are then run in several
            passes, each differentiated before the next, and the gradient is the same; null: in one pass.
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
        measure_every: int = 0,
        kl_coefficient: float = 0.0,
        kl: KLSettings = KLSettings(),  # noqa: B008 (frozen)
        updates: int = 1,
        old_logprobs: Literal["recomputed", "sampled"] = "recomputed",
        resample: int = 0,
        reference_advantage: float | dict[str, float] = 0.0,
        optimizer: OptimizerSettings = OptimizerSettings(),  # noqa: B008 (frozen)
        validation_examples: int | None = 256,
        evaluation_batch_size: int = 128,
        micro_batch_tokens: int | None = None,
    ) -> None:
        super().__init__(
            policy, capabilities, optimizer, rollout.max_new_tokens, validation_examples, evaluation_batch_size, micro_batch_tokens
        )
        self.rollout = rollout
        self.advantage = advantage
        self.loss = loss
        self.weighting = weighting
        self.measure_interference, self.measure_every = measure_interference, measure_every
        self.kl_coefficient, self.kl = kl_coefficient, kl
        self.updates, self.old_logprobs, self.resample = updates, old_logprobs, resample
        named = reference_advantage if isinstance(reference_advantage, dict) else dict.fromkeys(capabilities, reference_advantage)
        self.reference_advantages = {name: float(value) for name, value in named.items()}
        self.reference: Reference | None = None
        self.last_rollouts: RolloutRecord | None = None
        self.tokens_generated = 0
        self._seed = 0
        self._folder: str | None = None
        self._experience: Experience | None = None
        self._probe: CapabilityUpdate | None = None
        self._sums = MetricSums()

    def problems(self, data: Any) -> list[Problem]:
        """Lists what is wrong with the recipe."""
        found = super().problems(data) + self.rollout.problems(f"{WHERE}.rollout.init_args") + self.loss.problems(f"{WHERE}.loss")
        if self.rollout.group_size == 1:
            found.append(Problem("a group of one has nothing to compare", f"{WHERE}.rollout.init_args.group_size", "8 is a common size"))
        if not 0 <= self.kl_coefficient < math.inf:
            found.append(Problem(f"kl_coefficient must be 0 or more, not {self.kl_coefficient}", f"{WHERE}.kl_coefficient"))
        found += reference_problems(self.reference_advantages, self.capabilities, f"{WHERE}.reference_advantage")
        for name, least in (("updates", 1), ("resample", 0), ("measure_every", 0)):
            if getattr(self, name) < least:
                found.append(Problem(f"{name} must be at least {least}, not {getattr(self, name)}", f"{WHERE}.{name}"))
        if not any(capability.weight > 0 for capability in self.capabilities.values()):
            found.append(Problem("no capability has a positive weight, so there is nothing to learn", f"{WHERE}.capabilities"))
        return found

    def fit_problems(self) -> list[Problem]:
        """As every module; rollouts under FSDP need the policy whole, and several updates exclude accumulation."""
        found = super().fit_problems() + (wrapping_problems(self.trainer) if self.weighting is None else [])
        found += trainer_problems(self.trainer) if self.weighting is None and self.measure_every else []
        if self.updates > 1 and self.trainer.accumulate_grad_batches > 1:
            what = "several updates are made from one batch of rollouts, which cannot be accumulated over several"
            found.append(Problem(what, "trainer.accumulate_grad_batches", "set it to 1 and raise data.init_args.batch_size"))
        return found

    @property
    def has_shared_terms(self) -> bool:
        """Tells whether a KL penalty or an entropy bonus belongs to no capability."""
        return self.kl_coefficient > 0 or self.loss.entropy_coefficient > 0

    def configure_model(self) -> None:
        """Loads the policy and, for a KL penalty, its reference, before any checkpoint is restored."""
        fresh = self.policy is None
        super().configure_model()
        if fresh:
            self.rollout.prepare(self.ready_policy)
        if self.kl_coefficient > 0 and self.reference is None:
            self.reference = Reference(self.ready_policy)

    def on_fit_start(self) -> None:
        """Notes the run's seed; every batch samples from its own seed, so that a resumed run goes on as if it had not stopped.

        Notes the run folder too, for which all ranks have to ask together: a policy may turn out broken on one alone.
        """
        self._seed = torch.initial_seed()
        self._folder = self.trainer.log_dir

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One step of the algorithm; returns the loss summed over tokens."""
        experience = self._experience or self.gather(batch.examples, batch_idx)
        rewards = self.gather_rewards(experience.rewards)
        of_all = self.advantage(rewards, experience.rollouts.group_size, {name: c.weight for name, c in self.capabilities.items()})
        advantages = of_all.share(self.global_rank, self.trainer.world_size)
        if self._is_measured(batch_idx):
            self.measure(experience, advantages, batch.examples)

        def run() -> tuple[Tensor, tuple[Tensor, Tensor]]:
            return self._losses(experience, advantages, batch.examples, self.update)

        total, (logprobs_NT, normalizer) = self.micro_batches.step(self, run, self.update)
        self.last_rollouts = experience.record(advantages)
        self._sums.add("train/loss", total, normalizer)
        experience.add_to(self._sums)
        sums = self._sums.totals(self.trainer)
        if self._experience is None:
            self.tokens_generated += int(sums["tokens"][0])
        self.log_dict(self.metrics(sums, rewards, of_all), batch_size=len(batch))
        if self.updates > 1:
            experience.old_NT = logprobs_NT if experience.old_NT is None else experience.old_NT
            self._experience = experience  # kept for the updates to come
        return self.sum_over_tokens(total, normalizer)

    def _losses(
        self, experience: Experience, advantages: Advantages, examples: list[Example], update: CapabilityUpdate | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The summed loss of completions and references, log-probabilities of the former, and the divisor; an update gets the gradients."""
        objective = self.objective(experience)
        self._sums = MetricSums(self._per_token(objective))
        total, logprobs_NT = self.loss_and_logprobs(experience.rollouts, objective, advantages, update)
        normalizer = objective.normalizer(self.rollout.max_new_tokens)
        if any(self.reference_advantages.values()):
            loss, count = self.learn_from_references(examples, update)
            total, normalizer = total + loss, normalizer + count
        return total, (logprobs_NT, normalizer)

    def _is_measured(self, batch_idx: int) -> bool:
        """Whether the capabilities' gradients are taken apart before this step, for the report alone."""
        if not self.measure_every or self.update is not None or self._experience is not None:
            return False
        batches = self.trainer.global_step // self.updates
        return batches % self.measure_every == 0 and batch_idx % self.trainer.accumulate_grad_batches == 0

    def measure(self, experience: Experience, advantages: Advantages, examples: list[Example]) -> None:
        """Takes the gradients of the capabilities apart and notes how they stand to one another; the step that follows is not touched."""
        preferences = {name: capability.weight for name, capability in self.capabilities.items()}
        probe = self._probe = self._probe or CapabilityUpdate(preferences, WeightedSum(), measured=True, shared=self.has_shared_terms)
        self.micro_batches.step(self, lambda: self._losses(experience, advantages, examples, probe), probe)
        optimizer: Any = self.optimizers(use_pl_optimizer=False)
        self.last_geometry = probe.inspect(optimizer, lambda tensor: self.trainer.strategy.reduce(tensor, reduce_op="sum"))

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None) -> None:
        """Makes all updates of a batch of rollouts; each runs `training_step` and the backward pass anew."""
        for _ in range(self.updates):
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self._experience = None

    def gather(self, examples: list[Example], batch_idx: int) -> Experience:
        """Completions of a batch and their rewards; mixes of rewards learn from what these told apart, for the next batch."""
        gathered = gather_experience(
            self.ready_policy, lambda some, attempt: self.sample(some, batch_idx, attempt), self.capabilities, examples, self.resample
        )
        if any(capability.dynamic_mix for capability in self.capabilities.values()):
            counts = gathered.groups_with_variance().float().to(self.device)
            update_reward_mixes(self.capabilities, self.trainer.strategy.reduce(counts, reduce_op="sum"))
        return gathered

    def sample(self, examples: list[Example], batch_idx: int, attempt: int = 0) -> Rollouts:
        """G completions per example, from a seed of the run, the rank, the batch and the attempt.

        Raises:
            Refused: The policy computes numbers that are not finite; the batch is kept.
        """
        seed = seed_of(self._seed, self.global_rank, self.current_epoch, batch_idx, *([attempt] if attempt else []))
        generator = torch.Generator(self.device).manual_seed(seed)
        policy = self.ready_policy
        try:
            return self.rollout.generate(policy, [policy.prompt_ids(example.messages) for example in examples], generator=generator)
        except Refused as error:
            kept = self._gradient_check.keep(self, self._folder)
            found = f"step {self.global_step}: {error}{f' (the batch: {kept})' if kept else ''}"
            raise Refused(f"{found}; a lower optimizer.learning_rate may help") from error

    def gather_rewards(self, rewards: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rewards of the completions of all ranks, one rank after the other: advantages take their statistics over them."""
        gathered_WKN = all_gather_stack(self.trainer, torch.stack(list(rewards.values())))
        return dict(zip(rewards, gathered_WKN.transpose(0, 1).flatten(1), strict=True))

    def objective(self, experience: Experience) -> Objective:
        """The loss of the batch, all but its advantages."""
        rollouts = experience.rollouts
        if self.reference is not None and experience.reference_NT is None:
            reference_NT = torch.zeros_like(rollouts.logprobs_NT)
            with eval_mode(self.model), self.reference.model(self.device) as reference:
                for part in self.micro_batches.parts(rollouts.widths()):
                    groups = torch.tensor(part, device=self.device)
                    reference_NT[rollouts.rows_of(groups)] = self.logprobs(reference, rollouts.groups(groups)).to(reference_NT)
            experience.reference_NT = reference_NT
        if self.old_logprobs == "sampled":
            experience.old_NT = rollouts.logprobs_NT
        mask_NT = loss_mask(rollouts.completion_mask_NT, rollouts.truncated_N, self.loss)
        whole = Objective(self.loss, self.kl, self.kl_coefficient, mask_NT, experience.old_NT, experience.reference_NT)
        return whole.rewarded_kl(rollouts.logprobs_NT, rollouts.completion_mask_NT, rollouts.group_size)

    def loss_and_logprobs(
        self,
        rollouts: Rollouts,
        objective: Objective,
        advantages: Advantages,
        update: CapabilityUpdate | None = None,
        temperature: float | None = None,
        numbers_B: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The summed loss of completions, and their log-probabilities without gradient; an update is given the gradients."""
        if update is None:
            return self.summed_loss(rollouts, objective, advantages.combined_N.to(self.device), temperature)
        return self.collect_rows(update, rollouts, objective, advantages, temperature, numbers_B)

    def learn_from_references(self, examples: list[Example], update: CapabilityUpdate | None = None) -> tuple[Tensor, Tensor]:
        """The loss of the references of a batch, as `loss_and_logprobs` makes it of completions, and what they add to the divisor."""
        self._sums.add("train/reference_loss", 0.0, 0)  # named on every rank
        term = reference_loss(self.ready_policy, self.capabilities, examples, self.reference_advantages, self.loss)
        none = torch.zeros((), device=self.device)
        if not term.teaches and update is not None:
            return none, none
        total, logprobs_NT = self.loss_and_logprobs(term.rollouts, term.objective, term.advantages, update, 1.0, term.numbers_B)
        if not term.teaches:  # run all the same, as other ranks do: a sharded model would wait for ever
            return total, none
        tokens_N = term.rollouts.lengths_N
        self._sums.add("train/reference_loss", -logprobs_NT.sum(), tokens_N.sum())
        return total, term.objective.normalizer(self.rollout.max_new_tokens)

    def summed_loss(
        self, rollouts: Rollouts, objective: Objective, advantages_N: Tensor, temperature: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Loss over the groups that can teach something, summed over tokens, and the log-probabilities of those, without gradient."""
        teaches_B = self._teaches(advantages_N != 0, rollouts, objective)
        if not teaches_B.any():
            teaches_B[0] = True  # so that there is a gradient, of zeros
        seen_NT, teaching = torch.zeros_like(rollouts.logprobs_NT), teaches_B.nonzero()[:, 0]

        def loss_of(some: Tensor) -> Tensor:
            groups = teaching[some]
            rows_n = rollouts.rows_of(groups)
            with eval_mode(self.model):
                logprobs_NT = self.logprobs(self.model, rollouts.groups(groups), temperature)
            seen_NT[rows_n] = logprobs_NT.detach().to(seen_NT)
            return self._value(objective.rows(rows_n), logprobs_NT, advantages_N[rows_n])

        return self.micro_batches(self, rollouts.groups(teaching).widths(), loss_of), seen_NT

    def collect_rows(
        self,
        update: CapabilityUpdate,
        rollouts: Rollouts,
        objective: Objective,
        advantages: Advantages,
        temperature: float | None = None,
        numbers_B: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Adds every capability's gradient to the update; returns the value of the loss, without gradient, and log-probabilities.

        `numbers_B`: which example of the batch each group is of (default: in order). By it, groups alternate between the halves that
        interference is measured on, so that all of one example is in one half.
        """
        temperature = temperature or self.rollout.temperature
        update.collect(self.model.parameters())
        update.fresh = self._experience is None
        mode = update.decide(self.model, rollouts, temperature)
        advantages_N, parts_KN = advantages.combined_N.to(self.device), advantages.parts_KN.to(self.device)
        teaches_B = self._teaches((parts_KN != 0).any(0), rollouts, objective)
        total, seen_NT = torch.zeros((), device=self.device), torch.zeros_like(rollouts.logprobs_NT)
        numbers_B = torch.arange(len(teaches_B)) if numbers_B is None else numbers_B
        for half in range(update.halves):
            own_B = (numbers_B % update.halves == half).to(self.device)
            own_N = own_B.repeat_interleave(rollouts.group_size)
            for rows in (update.rows(half), update.shared_rows):
                update.count(rows, objective.rows(own_N).normalizer(self.rollout.max_new_tokens))
            teaching = (own_B & teaches_B).nonzero()[:, 0]
            for part in self.micro_batches.parts(rollouts.groups(teaching).widths()) if len(teaching) else []:
                groups = teaching[part]
                rows_n = rollouts.rows_of(groups)
                own = objective.rows(rows_n)
                with eval_mode(self.model):
                    logprobs_NT = add_rows(
                        update.collect(self.model.parameters()), update.rows(half), self.model, rollouts.groups(groups),
                        parts_KN[:, rows_n], TokenWeights(own.factors, own.signed), temperature=temperature,
                        mode=mode, regularizer=Regularizer(update.shared_rows.start, own.regularizer) if own.regularized else None,
                    )  # fmt: skip
                seen_NT[rows_n] = logprobs_NT.to(seen_NT)
                total += self._value(own, logprobs_NT, advantages_N[rows_n])
        return total, seen_NT

    def logprobs(self, model: Any, rollouts: Rollouts, temperature: float | None = None) -> Tensor:
        """Log-probabilities of the completions, at the temperature that the engine samples with where none is given."""
        prompts, completions = (rollouts.prompt_ids_BP, rollouts.prompt_mask_BP), (rollouts.completion_ids_NT, rollouts.completion_mask_NT)
        return completion_logprobs(
            model, *prompts, *completions, group_size=rollouts.group_size, temperature=temperature or self.rollout.temperature
        )

    def _teaches(self, signal_N: Tensor, rollouts: Rollouts, objective: Objective) -> Tensor:
        """Which groups change the gradient: those with a signal; all, where a penalty pulls on every token."""
        return signal_N.unflatten(0, (-1, rollouts.group_size)).any(1) | objective.regularized

    def _value(self, objective: Objective, logprobs_NT: Tensor, advantages_N: Tensor) -> Tensor:
        loss = objective.value(logprobs_NT, advantages_N)
        for name in self._per_token(objective):
            self._sums.add(name, loss.kl if name == "train/kl" else loss.clipped, objective.mask_NT.sum())
        return loss.total

    @staticmethod
    def _per_token(objective: Objective) -> list[str]:
        """What is logged of every token, by the objective that makes it."""
        seen = {"train/kl": objective.reference_NT, "train/clipped": objective.old_NT}
        return [name for name, needed in seen.items() if needed is not None]

    def metrics(self, sums: dict[str, tuple[float, float]], rewards: dict[str, Tensor], advantages: Advantages) -> dict[str, float]:
        """What is logged of a batch: sums with their counts, rewards and advantages, all of them of all ranks."""
        values = {"train/loss": 0.0}  # of a step in which every token is masked
        values |= {name: total / count for name, (total, count) in sums.items() if count}
        values["train/tokens_generated"] = float(self.tokens_generated)
        if self.resample:
            values["train/resampled"] = sums["resampled"][0]
        values |= reward_metrics(rewards, advantages)
        for name, capability in self.capabilities.items():
            if capability.dynamic_mix is not None:
                values |= {f"train/mix/{name}/{part}": weight for part, weight in capability.mixture.weights().items()}
        return values

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the count of generated tokens and what mixes of rewards have seen, besides what every module keeps."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["tokens_generated"] = self.tokens_generated
        checkpoint["mixes"] = {name: dict(capability.mixture.shares) for name, capability in self.capabilities.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores what `on_save_checkpoint` kept."""
        super().on_load_checkpoint(checkpoint)
        self.tokens_generated = checkpoint.get("tokens_generated", 0)
        for name, shares in checkpoint.get("mixes", {}).items():
            if name in self.capabilities:
                self.capabilities[name].mixture.shares = dict(shares)
