"""Capability-aware Group Relative Policy Optimization: several capabilities, each with its own rewards, one update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bbflow.capabilities import Capability
from bbflow.data.sampler import seed_of
from bbflow.errors import Problem, Refused
from bbflow.modules.base import PolicyModule
from bbflow.modules.batch import Batch
from bbflow.modules.recipe_module import WHERE
from bbflow.modules.training.capability_update import CapabilityUpdate
from bbflow.modules.training.distributed import all_gather_stack, wrapping_problems
from bbflow.modules.training.experience import Experience, RolloutRecord, gather_experience, reward_metrics, update_reward_mixes
from bbflow.modules.training.policy_step import LossTerm, PolicyStep
from bbflow.modules.training.preflight import trainer_problems
from bbflow.modules.training.reference_loss import reference_loss, reference_problems
from bbflow.modules.training.settings import EvaluationSettings, ExperienceSettings, InterferenceSettings
from bbflow.optimization.advantages import Advantage, Advantages
from bbflow.optimization.kl import KLSettings
from bbflow.optimization.losses import LossSettings
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.optimization.weightings import WeightedSum, Weighting
from bbflow.policies import PolicySettings
from bbflow.policies.reference import Reference
from bbflow.policies.rollouts import RolloutEngine, Rollouts
from bbflow.records import Example


@dataclass
class BatchInUse:
    """State shared by the several updates that are made from one batch of rollouts.

    `GRPO.optimizer_step` counts `update` up from 0, and makes a new state when the last update is done. Within each update Lightning calls
    `training_step`, which samples in update 0 and leaves the experience here for the later ones, and then `on_before_optimizer_step`, which
    reads `update`. Nothing is left here with a single update per batch.

    Attributes:
        update: Number of the update that is being made, from 0.
        experience: Experience of the updates to come; None where the next `training_step` samples.
    """

    update: int = 0
    experience: Experience | None = None


class GRPO(PolicyModule):
    """Samples G completions per prompt, rewards them per capability, and raises the likelihood of those better than their group.

    With one update per batch of rollouts the policy that samples is the policy that learns: the ratio is 1 and its old log-probabilities
    need no pass of their own. Dropout is off throughout. Groups without any advantage add nothing to the gradient and are not run.

    Args:
        policy: The model to train.
        capabilities: Capabilities that it is trained and judged on, by name.
        rollout: Samples the completions.
        advantage: Turns rewards into advantages.
        loss: Shape of the loss.
        weighting: Combines the gradients of the capabilities into one update; `UPGrad` and `MGDA` guarantee that to first order none gets
            worse. null: the weighted sum, from one gradient.
        interference: Which gradients are kept to measure interference between capabilities.
        kl: KL penalty towards the policy at the start of the run, and whether it acts in the loss or in the reward.
        experience: How a batch of rollouts is sampled and how many updates are made from it.
        reference_advantage: Advantage of the reference response, which is trained on as one extra completion of its example. A number, or a
            number by name of capability; 0 trains on sampled completions alone. See `bbflow.modules.training.reference_loss`.
        optimizer: Optimiser and schedule.
        evaluation: How held-out examples are scored.
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
        interference: InterferenceSettings = InterferenceSettings(),  # noqa: B008 (frozen)
        kl: KLSettings = KLSettings(),  # noqa: B008 (frozen)
        experience: ExperienceSettings = ExperienceSettings(),  # noqa: B008 (frozen)
        reference_advantage: float | dict[str, float] = 0.0,
        optimizer: OptimizerSettings = OptimizerSettings(),  # noqa: B008 (frozen)
        evaluation: EvaluationSettings = EvaluationSettings(),  # noqa: B008 (frozen)
        micro_batch_tokens: int | None = None,
    ) -> None:
        super().__init__(policy, capabilities, optimizer, rollout.max_new_tokens, evaluation, micro_batch_tokens)
        self.rollout = rollout
        self.advantage = advantage
        self.loss = loss
        self.weighting = weighting
        self.interference = interference
        self.kl = kl
        self.experience_settings = experience
        named = reference_advantage if isinstance(reference_advantage, dict) else dict.fromkeys(capabilities, reference_advantage)
        self.reference_advantages = {name: float(value) for name, value in named.items()}
        self.reference_policy: Reference | None = None
        self.last_rollouts: RolloutRecord | None = None
        self.tokens_generated = 0
        self.batch_in_use = BatchInUse()
        self._seed = 0
        self._folder: str | None = None
        self._probe: CapabilityUpdate | None = None

    # ---- the algorithm

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Sample, reward, take advantages, and return the loss summed over tokens, which Lightning differentiates and steps on."""
        experience = self.batch_in_use.experience or self.collect_experience(batch.examples, batch_idx)
        rewards_KN = self.all_gather_rewards(experience.rewards_KN)
        advantages = self.advantage.of(rewards_KN, self.weights_K, experience.rollouts.group_size)
        own_advantages = advantages.share(self.global_rank, self.trainer.world_size)
        reference_term = self.reference_term(batch.examples)
        if self._is_measured(batch_idx):
            self.measure(experience, own_advantages, reference_term)
        loss = self.policy_step(experience, own_advantages, reference_term, self.update)

        loss.sums.add("train/loss", loss.total, loss.normalizer)
        experience.add_to(loss.sums)
        sums = loss.sums.totals(self.trainer)
        if self.is_first_update:
            self.tokens_generated += int(sums["tokens"][0])
        self.log_dict(self.metrics(sums, experience.names, rewards_KN, advantages), batch_size=len(batch))
        self.last_rollouts = experience.record(own_advantages)
        if self.experience_settings.updates > 1:
            experience.old_NT = loss.logprobs_NT if experience.old_NT is None else experience.old_NT
            self.batch_in_use.experience = experience
        return self.sum_over_tokens(loss.total, loss.normalizer)

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None) -> None:
        """Make all updates of a batch of rollouts; each runs `training_step` and the backward pass anew."""
        for update in range(self.experience_settings.updates):
            self.batch_in_use.update = update
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.batch_in_use = BatchInUse()

    @property
    def is_first_update(self) -> bool:
        """Whether no update has been made yet from the experience in use."""
        return self.batch_in_use.update == 0

    def collect_experience(self, examples: list[Example], batch_idx: int) -> Experience:
        """Return completions of a batch with their rewards; reward mixes adapt to the groups in which each reward varied."""
        settings = self.experience_settings
        gathered = gather_experience(
            self.ready_policy, lambda some, attempt: self.sample(some, batch_idx, attempt), self.capabilities, examples, settings.resample
        )
        if settings.old_logprobs == "sampled":
            gathered.old_NT = gathered.rollouts.logprobs_NT
        if any(capability.dynamic_mix for capability in self.capabilities.values()):
            update_reward_mixes(self.capabilities, self.sum_over_ranks(gathered.groups_with_variance().float().to(self.device)))
        return gathered

    def sample(self, examples: list[Example], batch_idx: int, attempt: int = 0) -> Rollouts:
        """Return G completions per example, from a seed of the run, the rank, the batch and the attempt.

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

    def all_gather_rewards(self, rewards_KN: Tensor) -> Tensor:
        """Return the rewards of all ranks' completions, one rank after the other: advantages take their statistics over them."""
        return all_gather_stack(self.trainer, rewards_KN).transpose(0, 1).flatten(1)

    @property
    def weights_K(self) -> Tensor:
        """Weights of the capabilities, in their order."""
        return torch.tensor([capability.weight for capability in self.capabilities.values()], dtype=torch.float64)

    def reference_term(self, examples: list[Example]) -> LossTerm | None:
        """Return the loss of a batch's reference responses at their fixed advantage; None where no capability learns from references."""
        if not any(self.reference_advantages.values()):
            return None
        return reference_loss(self.ready_policy, self.capabilities, examples, self.reference_advantages, self.loss)

    @property
    def policy_step(self) -> PolicyStep:
        """Loss of a batch of rollouts by this module's settings."""
        return PolicyStep(self, self.reference_policy, self.loss, self.kl, self.rollout.temperature, self.rollout.max_new_tokens)

    # ---- before, after and for the report

    def problems(self, data: Any) -> list[Problem]:
        """List the problems of the recipe."""
        found = super().problems(data) + self.rollout.problems(f"{WHERE}.rollout.init_args") + self.loss.problems(f"{WHERE}.loss")
        if self.rollout.group_size == 1:
            found.append(Problem("a group of one has nothing to compare", f"{WHERE}.rollout.init_args.group_size", "8 is a common size"))
        found += self.kl.problems(f"{WHERE}.kl")
        found += reference_problems(self.reference_advantages, self.capabilities, f"{WHERE}.reference_advantage")
        found += self.experience_settings.problems(f"{WHERE}.experience") + self.interference.problems(f"{WHERE}.interference")
        if not any(capability.weight > 0 for capability in self.capabilities.values()):
            found.append(Problem("no capability has a positive weight, so there is nothing to learn", f"{WHERE}.capabilities"))
        return found

    def fit_problems(self) -> list[Problem]:
        """List the problems with the trainer: FSDP that splits the policy, or gradient accumulation with several updates."""
        found = super().fit_problems() + (wrapping_problems(self.trainer) if self.weighting is None else [])
        found += trainer_problems(self.trainer) if self.weighting is None and self.interference.every else []
        if self.experience_settings.updates > 1 and self.trainer.accumulate_grad_batches > 1:
            found.append(
                Problem(
                    "experience.updates above 1 cannot be combined with gradient accumulation",
                    "trainer.accumulate_grad_batches",
                    "set it to 1 and raise data.init_args.batch_size",
                )
            )
        return found

    @property
    def has_shared_terms(self) -> bool:
        """Whether a KL penalty or an entropy bonus belongs to no capability."""
        return self.kl.coefficient > 0 or self.loss.entropy_coefficient > 0

    def configure_model(self) -> None:
        """Load the policy and, for a KL penalty, its reference, before any checkpoint is restored."""
        fresh = self.policy is None
        super().configure_model()
        if fresh:
            self.rollout.prepare(self.ready_policy)
        if self.kl.coefficient > 0 and self.reference_policy is None:
            self.reference_policy = Reference(self.ready_policy)

    def on_fit_start(self) -> None:
        """Keep the run's seed, from which every batch derives its own, so that a resumed run continues exactly; and the run folder.

        `log_dir` is a collective call, so all ranks make it here; later a single rank may need the folder to save a bad batch.
        """
        self._seed = torch.initial_seed()
        self._folder = self.trainer.log_dir

    def _is_measured(self, batch_idx: int) -> bool:
        """Whether the capabilities' gradients are taken apart before this step, for the report alone."""
        every = self.interference.every
        if not every or self.update is not None or not self.is_first_update:
            return False
        batches = self.trainer.global_step // self.experience_settings.updates
        return batches % every == 0 and batch_idx % self.trainer.accumulate_grad_batches == 0

    def measure(self, experience: Experience, advantages: Advantages, references: LossTerm | None) -> None:
        """Take the gradients of the capabilities apart and keep their geometry; the step that follows is not changed."""
        if self._probe is None:
            preferences = {name: capability.weight for name, capability in self.capabilities.items()}
            self._probe = CapabilityUpdate(preferences, WeightedSum(), measured=True, shared=self.has_shared_terms)
        self.policy_step(experience, advantages, references, self._probe)
        optimizer: Any = self.optimizers(use_pl_optimizer=False)
        self.last_geometry = self._probe.inspect(optimizer, self.sum_over_ranks)

    def metrics(
        self, sums: dict[str, tuple[float, float]], names: tuple[str, ...], rewards_KN: Tensor, advantages: Advantages
    ) -> dict[str, float]:
        """Return the metrics of a batch over all ranks, from sums with their counts, rewards and advantages."""
        values = {"train/loss": 0.0}  # of a step in which every token is masked
        values |= {name: total / count for name, (total, count) in sums.items() if count}
        values["train/tokens_generated"] = float(self.tokens_generated)
        if self.experience_settings.resample:
            values["train/resampled"] = sums["resampled"][0]
        values |= reward_metrics(names, rewards_KN, advantages)
        for name, capability in self.capabilities.items():
            if capability.dynamic_mix is not None:
                values |= {f"train/mix/{name}/{part}": weight for part, weight in capability.mixture.weights().items()}
        return values

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the count of generated tokens and the state of reward mixes."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["tokens_generated"] = self.tokens_generated
        checkpoint["mixes"] = {name: dict(capability.mixture.shares) for name, capability in self.capabilities.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the count of generated tokens and the state of reward mixes."""
        super().on_load_checkpoint(checkpoint)
        self.tokens_generated = checkpoint.get("tokens_generated", 0)
        for name, shares in checkpoint.get("mixes", {}).items():
            if name in self.capabilities:
                self.capabilities[name].mixture.shares = dict(shares)
