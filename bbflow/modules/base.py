"""Parent of the modules that train a policy: load it late, check the recipe early, score held-out examples, normalise by tokens."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from bbflow.capabilities import Capability
from bbflow.capabilities.capability import unreadable_records
from bbflow.errors import InputError, Problem
from bbflow.io.progress import progress_bar
from bbflow.modules.batch import Batch
from bbflow.modules.recipe_module import WHERE, RecipeModule
from bbflow.modules.training.capability_update import CapabilityUpdate
from bbflow.modules.training.distributed import all_gather_dict, is_fsdp, total_norm, whole_parameters
from bbflow.modules.training.preflight import capability_problems, trainer_problems
from bbflow.modules.training.settings import EvaluationSettings, InterferenceSettings
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.optimization.update_geometry import UpdateGeometry
from bbflow.optimization.weightings import Weighting
from bbflow.policies import Policy, PolicySettings, load_policy
from bbflow.records import Example

if TYPE_CHECKING:
    import pandas as pd


class PolicyModule(RecipeModule):
    """A LightningModule around one policy; subclasses write `training_step` and, if they prepare tensors, `collate`.

    Losses are *sums* over tokens: a subclass passes them through `sum_over_tokens`, and the gradient is divided by the number of tokens of
    the whole optimiser step just before clipping. One step over several micro-batches or several ranks then equals one step over their
    union. A subclass that gives every capability a gradient of its own sets `weighting` and adds rows to `update`; the update is solved,
    and written as the gradient, at the same place, and the loss that `training_step` returns is not differentiated.

    Methods in the order in which Lightning calls them:

    | when | method | effect |
    |---|---|---|
    | start | `setup` | raises `problems` and `fit_problems`; makes `update`; hands the graph to capabilities; checks records |
    | start | `configure_model` | loads `policy` |
    | resumed | `on_load_checkpoint`, `load_state_dict` | restores weights, and the state of `update` |
    | start of fit | `configure_optimizers` | AdamW and its schedule |
    | loader | `collate` | examples to a `Batch` |
    | batch | `on_train_batch_start` | keeps the batch for the check of its gradient; resets stale metrics |
    | batch | `training_step` | returns the loss (`sum_over_tokens`), or adds rows to `update` |
    | batch | `backward` | differentiates the loss; nothing with an `update` |
    | optimiser step | `on_before_optimizer_step` | divides by tokens, or solves `update`; checks the gradient |
    | optimiser step | `configure_gradient_clipping` | clips |
    | held out | `validation_step`, `test_step` | collect examples |
    | held out | `on_validation_epoch_end`, `on_test_epoch_end` | `score` the examples of all ranks, log means |
    | predict | `predict_step` | greedy completions |
    | checkpoint | `on_save_checkpoint` | adds the state of `update`; leaves a quantised base out |

    Attributes:
        policy: Model and tokenizer; None until `configure_model`.
        weighting: Turns the gradients of the capabilities into one update; None: one loss is trained on.
        interference: Which gradients are kept to measure interference.
        update: Gradients per capability, while training with a weighting.
        last_geometry: Geometry of the last update; None where one loss is trained on.
        scores: Score table of the last test run (see `bbflow.evaluation.scoring`).
        group_by_length: Whether training batches hold examples of similar length. That saves padding, but examples of similar length
            come from similar tasks: off where capabilities are compared within a batch.
    """

    group_by_length: bool = False
    weighting: Weighting | None = None
    interference: InterferenceSettings = InterferenceSettings()
    policy: Policy | None
    update: CapabilityUpdate | None
    last_geometry: UpdateGeometry | None
    scores: pd.DataFrame | None

    def __init__(
        self,
        policy: PolicySettings,
        capabilities: Mapping[str, Capability],
        optimizer: OptimizerSettings,
        max_new_tokens: int,
        evaluation: EvaluationSettings,
        micro_batch_tokens: int | None = None,
    ) -> None:
        super().__init__(policy, optimizer, evaluation, micro_batch_tokens)
        self.strict_loading = policy.quantize is None
        self.capabilities = dict(capabilities)
        self.max_new_tokens = max_new_tokens
        self.policy = None
        self.update = None
        self.last_geometry = None
        self.scores = None
        self._step_tokens: Tensor | None = None

    # ---- before anything is loaded

    def problems(self, data: Any) -> list[Problem]:
        """List the problems of the recipe, alone and together with the data module; loads nothing."""
        found = super().problems(data)
        tasks = getattr(data, "tasks", None)
        found += [
            p for name, c in self.capabilities.items() for p in c.policy_problems(self.policy_settings, f"{WHERE}.capabilities.{name}")
        ]
        if tasks is not None:
            return found + capability_problems(self.capabilities, tasks, f"{WHERE}.capabilities")
        return found + [p for name, c in self.capabilities.items() for p in c.problems(f"{WHERE}.capabilities.{name}")]

    def fit_problems(self) -> list[Problem]:
        """List the problems between the recipe and the trainer."""
        return ([] if self.weighting is None else trainer_problems(self.trainer)) + super().fit_problems()

    @property
    def has_shared_terms(self) -> bool:
        """Whether a loss with a weighting has terms that belong to no capability."""
        return False

    def setup(self, stage: str) -> None:
        """Refuse a wrong recipe and wrong records (Lightning loads the model after this); hand the graph to rewards and metrics."""
        super().setup(stage)
        data = getattr(self.trainer, "datamodule", None)
        if self.weighting is not None and stage == "fit":
            preferences, measured = {name: c.weight for name, c in self.capabilities.items()}, self.interference.with_weighting
            self.update = CapabilityUpdate(preferences, self.weighting, measured=measured, shared=self.has_shared_terms)
        for capability in self.capabilities.values():
            capability.prepare(getattr(data, "graph", None))
        examples = [example for split in getattr(data, "splits", {}).values() for example in split]
        with progress_bar("checking records", len(examples)) if self.trainer.is_global_zero else nullcontext() as advance:
            problems = unreadable_records(self.capabilities, examples, advance)
        if problems:
            raise InputError(*problems)

    def configure_model(self) -> None:
        """Load the policy, once."""
        if self.policy is None:
            self.policy = load_policy(self.policy_settings)
            self.model = self.policy.model
            self._matrices = {p for p in self.model.parameters() if p.ndim >= 2}  # before a strategy flattens them

    # ---- training

    def collate(self, examples: list[Example]) -> Batch:
        """Return a batch of examples; data loaders call it."""
        return Batch(examples)

    def sum_over_tokens(self, total: Tensor, count: Tensor) -> Tensor:
        """Register a loss that is a sum over `count` tokens, to be divided by all tokens of the optimiser step; return the sum."""
        self._step_tokens = count.detach() if self._step_tokens is None else self._step_tokens + count.detach()
        return total

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Differentiate the loss, unless every capability has its gradient already."""
        if self.update is None:
            super().backward(loss, *args, **kwargs)

    @property
    def is_first_update(self) -> bool:
        """Whether the next update is the first one from its examples; a subclass may make several."""
        return True

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Make the gradient of the step: solved for the capabilities, or the mean over all tokens. Lightning clips after this."""
        if self.update is not None:
            self.last_geometry = self.update.apply(optimizer, self.sum_over_ranks, first=self.is_first_update)
        elif self._step_tokens is None:
            return
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        if self.update is None and self._step_tokens is not None:
            tokens = self.sum_over_ranks(self._step_tokens.float())
            averaged_over = self.trainer.accumulate_grad_batches * self.trainer.world_size
            if gradients:
                torch._foreach_mul_(gradients, averaged_over / tokens.clamp(min=1))
        self._step_tokens = None
        if gradients:
            norm = total_norm(self.trainer, gradients)
            self.log("train/grad_norm", norm)
            self._gradient_check(self, norm)

    def sum_over_ranks(self, own: Tensor) -> Tensor:
        """Return the sum of a tensor over all ranks; every rank must call it."""
        return self.trainer.strategy.reduce(own, reduce_op="sum")  # type: ignore[return-value]

    def configure_gradient_clipping(self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None) -> None:
        """Clip as the trainer says; under FSDP by the norm over all shards, which Lightning does not take."""
        if gradient_clip_val and is_fsdp(self.trainer) and gradient_clip_algorithm in (None, "norm"):
            self.trainer.strategy.model.clip_grad_norm_(gradient_clip_val)  # type: ignore[union-attr, operator]
        else:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the capability update; leave out a quantised base, which is read from `policy.path` again."""
        if self.policy_settings.quantize:
            trained = self._trained()
            checkpoint["state_dict"] = {name: value for name, value in checkpoint["state_dict"].items() if name in trained}
        if self.update is not None:
            checkpoint["update"] = self.update.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of the capability update."""
        lacking = self._trained() - checkpoint["state_dict"].keys() if self.policy_settings.quantize else set()
        if lacking:  # a loader that is not strict would not say so
            raise InputError(Problem(f"the checkpoint lacks {len(lacking)} trained tensors, {min(lacking)} among them", f"{WHERE}.policy"))
        if self.update is not None and "update" in checkpoint:
            self.update.load_state_dict(checkpoint["update"])

    def _trained(self) -> set[str]:
        return {name for name, parameter in self.named_parameters() if parameter.requires_grad}

    # ---- held-out evaluation

    def on_validation_epoch_end(self) -> None:
        """Score a fixed selection of the validation examples and log `validation/<capability>`."""
        chosen = sorted(self._held_out, key=lambda e: e.example_id)[: self.evaluation.examples]  # ids are hashes: a fair, fixed choice
        self._held_out = []
        if not self.trainer.sanity_checking and self.capabilities:
            self._log_scores("validation", self._scores_of_all_ranks(chosen))

    def on_test_epoch_end(self) -> None:
        """Score every test example, log `test/<capability>` and keep the table in `scores`."""
        self.scores, self._held_out = self._scores_of_all_ranks(self._held_out), []
        self._log_scores("test", self.scores)

    def predict_step(self, batch: Batch, batch_idx: int) -> list[dict[str, str]]:
        """Return greedy completions of a batch: rows of example_id, task, prompt, answer and completion."""
        from bbflow.evaluation.scoring import complete

        texts = complete(self.ready_policy, batch.examples, self.max_new_tokens, self.evaluation.batch_size)
        return [
            {"example_id": e.example_id, "task": e.task, "prompt": e.prompt, "answer": e.answer, "completion": text}
            for e, text in zip(batch.examples, texts, strict=True)
        ]

    def score(self, examples: list[Example]) -> pd.DataFrame:
        """Return the score table of the current policy on examples, greedy decoding."""
        from bbflow.evaluation.scoring import score_policy

        return score_policy(self.ready_policy, self.capabilities, examples, self.max_new_tokens, self.evaluation.batch_size)

    @property
    def ready_policy(self) -> Policy:
        """The policy, after `configure_model`."""
        if self.policy is None:
            raise RuntimeError("the policy is not loaded yet: call configure_model() first")
        return self.policy

    def _scores_of_all_ranks(self, examples: list[Example]) -> pd.DataFrame:
        """Return the score table over all ranks; an item that a distributed sampler gave out twice to fill up counts once."""
        with whole_parameters(self.trainer):
            table = self.score(examples)
        if self.trainer.world_size == 1:
            return table
        import pandas as pd

        parts = all_gather_dict(self.trainer, {str(self.trainer.global_rank): table.to_dict("list")})
        joined = pd.concat([pd.DataFrame(part).astype(table.dtypes.to_dict()) for part in parts.values()])
        return joined.drop_duplicates(["example_id", "capability"]).sort_values(["example_id", "capability"], ignore_index=True)

    def _log_scores(self, stage: str, table: pd.DataFrame) -> None:
        """Log the mean score per capability; a capability without an example is left out."""
        means = table.groupby("capability")["score"].mean()
        for name in self.capabilities:
            if name in means:
                self.log(f"{stage}/{name}", float(means[name]), prog_bar=stage == "validation", rank_zero_only=False)
