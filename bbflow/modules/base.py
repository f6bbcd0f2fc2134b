"""What every module does alike: load the policy late, check the recipe early, judge held-out examples, normalise by tokens."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from bbflow.capabilities import Capability
from bbflow.capabilities.capability import unreadable_records
from bbflow.errors import InputError, Problem
from bbflow.io.progress import progress_bar
from bbflow.modules.batch import Batch
from bbflow.modules.training.capability_update import CapabilityUpdate
from bbflow.modules.training.distributed import all_gather_dict
from bbflow.modules.training.gradient_check import GradientCheck
from bbflow.modules.training.hyperparameters import plain
from bbflow.modules.training.micro_batching import MicroBatches, micro_batch_problems
from bbflow.modules.training.preflight import capability_problems, trainer_problems, warn_of_emulated_precision
from bbflow.modules.training.sharding import is_fsdp, total_norm, whole_parameters
from bbflow.modules.training.state_dict_errors import fitting_weights
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.optimization.update_geometry import UpdateGeometry
from bbflow.optimization.weightings import Weighting
from bbflow.policies import Policy, PolicySettings, load_policy
from bbflow.records import Example

if TYPE_CHECKING:
    import pandas as pd

WHERE = "model.init_args"
"""Where a module's arguments stand in a recipe; error messages name their keys from here."""


class PolicyModule(LightningModule):
    """A LightningModule around one policy; subclasses write `training_step` and, if they prepare tensors, `collate`.

    Weights are loaded in `configure_model`, so that a recipe can be checked without them. Losses are *sums* over tokens: a subclass
    passes them through `sum_over_tokens`, and the gradient is divided by the number of tokens of the whole optimiser step just before
    clipping. One step over several micro-batches or several ranks then equals one step over their union.

    A subclass that gives every capability a gradient of its own sets `weighting` and adds rows to `update`; the update is then solved,
    and written as the gradient, at the same place, and nothing is differentiated for the loss that `training_step` returns.

    Attributes:
        policy: Model and tokenizer; None until `configure_model`.
        weighting: Turns the gradients of the capabilities into one update; None: one loss is trained on.
        measure_interference: Whether what interference is estimated from is kept.
        update: Gradients per capability, while training with a weighting.
        last_geometry: What was seen of the last update; None where one loss is trained on.
        scores: Score table of the last test run (see `bbflow.evaluation.scoring`).
        micro_batches: Runs the rows of a step with one loss, as many at once as the recipe or the memory allows.
        groups_lengths: Whether training batches hold examples of like length. Padding falls, but examples of like length are of like
            tasks: what compares capabilities within a batch leaves it off.
    """

    groups_lengths: bool = False
    weighting: Weighting | None = None
    measure_interference: bool = True
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
        validation_examples: int | None,
        evaluation_batch_size: int,
        micro_batch_tokens: int | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        for name, value in self.hparams.items():
            self.hparams[name] = plain(value)
        self.policy_settings = policy
        self.strict_loading = policy.quantize is None
        self.capabilities = dict(capabilities)
        self.optimizer_settings = optimizer
        self.max_new_tokens = max_new_tokens
        self.validation_examples = validation_examples
        self.evaluation_batch_size = evaluation_batch_size
        self.policy = None
        self.update = None
        self.last_geometry = None
        self.scores = None
        self._matrices: set[torch.nn.Parameter] = set()
        self._held_out: list[Example] = []
        self._step_tokens: Tensor | None = None
        self.micro_batches = MicroBatches(micro_batch_tokens)
        self._gradient_check = GradientCheck(optimizer.nonfinite)

    # ---- before anything is loaded

    def problems(self, data: Any) -> list[Problem]:
        """Lists what is wrong with the recipe, by itself and against the data module; loads nothing."""
        found = self.policy_settings.problems(f"{WHERE}.policy") + self.optimizer_settings.problems(f"{WHERE}.optimizer")
        tasks = getattr(data, "tasks", None)
        found += [
            p for name, c in self.capabilities.items() for p in c.policy_problems(self.policy_settings, f"{WHERE}.capabilities.{name}")
        ]
        if tasks is not None:
            return found + capability_problems(self.capabilities, tasks, f"{WHERE}.capabilities")
        return found + [p for name, c in self.capabilities.items() for p in c.problems(f"{WHERE}.capabilities.{name}")]

    def fit_problems(self) -> list[Problem]:
        """Lists what is wrong between the recipe and the trainer."""
        found = [] if self.weighting is None else trainer_problems(self.trainer)
        return found + micro_batch_problems(self.micro_batches.tokens, self.trainer, f"{WHERE}.micro_batch_tokens")

    @property
    def has_shared_terms(self) -> bool:
        """Tells whether a loss with a weighting has terms that belong to no capability."""
        return False

    def setup(self, stage: str) -> None:
        """Refuses a wrong recipe and wrong records (Lightning loads the model after this); hands the graph to rewards and metrics."""
        data = getattr(self.trainer, "datamodule", None)
        problems = self.problems(data) + (self.fit_problems() if stage == "fit" else [])
        if problems:
            raise InputError(*problems)
        warn_of_emulated_precision(self.trainer)
        if self.weighting is not None and stage == "fit":
            preferences = {name: capability.weight for name, capability in self.capabilities.items()}
            self.update = CapabilityUpdate(preferences, self.weighting, measured=self.measure_interference, shared=self.has_shared_terms)
        for capability in self.capabilities.values():
            capability.prepare(getattr(data, "graph", None))
        examples = [example for split in getattr(data, "splits", {}).values() for example in split]
        with progress_bar("checking records", len(examples)) if self.trainer.is_global_zero else nullcontext() as advance:
            problems = unreadable_records(self.capabilities, examples, advance)
        if problems:
            raise InputError(*problems)

    def configure_model(self) -> None:
        """Loads the policy, once."""
        if self.policy is None:
            self.policy = load_policy(self.policy_settings)
            self.model = self.policy.model
            self._matrices = {p for p in self.model.parameters() if p.ndim >= 2}  # before a strategy flattens them

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Takes the weights of a checkpoint.

        Raises:
            InputError: They are those of another model.
        """
        with fitting_weights():
            return super().load_state_dict(state_dict, strict, assign)

    # ---- training

    def collate(self, examples: list[Example]) -> Batch:
        """Makes a batch of examples; data loaders call it."""
        return Batch(examples)

    def sum_over_tokens(self, total: Tensor, count: Tensor) -> Tensor:
        """Registers a loss that is a sum over `count` tokens, to be divided by all tokens of the optimiser step; returns the sum."""
        self._step_tokens = count.detach() if self._step_tokens is None else self._step_tokens + count.detach()
        return total

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Differentiates the loss, unless every capability has its gradient already."""
        if self.update is None:
            super().backward(loss, *args, **kwargs)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Remembers the batch, for the case that its gradient is not finite, and forgets what was logged of the one before.

        Lightning would log it again at every step that has no new value, such as the reward of a capability that judged nothing.
        """
        self._gradient_check.note(batch)
        for result in (self.trainer._results or {}).values():
            if result.meta.fx != "on_train_batch_start" and not result.meta.on_epoch:
                result.has_reset = True

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Makes the gradient of the step: solved for the capabilities, or the mean over all tokens. Lightning clips after this."""
        if self.update is not None:
            self.last_geometry = self.update.apply(optimizer, lambda tensor: self.trainer.strategy.reduce(tensor, reduce_op="sum"))
        elif self._step_tokens is None:
            return
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        if self.update is None and self._step_tokens is not None:
            tokens = self.trainer.strategy.reduce(self._step_tokens.float(), reduce_op="sum")
            averaged_over = self.trainer.accumulate_grad_batches * self.trainer.world_size
            if gradients:
                torch._foreach_mul_(gradients, averaged_over / tokens.clamp(min=1))
        self._step_tokens = None
        if gradients:
            norm = total_norm(self.trainer, gradients)
            self.log("train/grad_norm", norm)
            self._gradient_check(self, norm)

    def configure_gradient_clipping(self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None) -> None:
        """Clips as the trainer says; the norm over shards is for FSDP to take, which Lightning does not ask for it."""
        if gradient_clip_val and is_fsdp(self.trainer) and gradient_clip_algorithm in (None, "norm"):
            self.trainer.strategy.model.clip_grad_norm_(gradient_clip_val)  # type: ignore[union-attr, operator]
        else:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with the recipe's schedule over the whole run."""
        settings, steps = self.optimizer_settings, self.trainer.estimated_stepping_batches
        if steps == float("inf") and settings.schedule != "constant":
            raise InputError(
                Problem(f"the {settings.schedule} schedule needs an end", f"{WHERE}.optimizer.schedule", "set trainer.max_steps")
            )
        optimizer, schedule = settings.build(self.parameters(), steps, self._matrices)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps what the next update of the capabilities is compared with; a quantised base is read from `policy.path` again."""
        if self.policy_settings.quantize:
            trained = self._trained()
            checkpoint["state_dict"] = {name: value for name, value in checkpoint["state_dict"].items() if name in trained}
        if self.update is not None:
            checkpoint["update"] = self.update.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores what `on_save_checkpoint` kept."""
        lacking = self._trained() - checkpoint["state_dict"].keys() if self.policy_settings.quantize else set()
        if lacking:  # a loader that is not strict would not say so
            raise InputError(Problem(f"the checkpoint lacks {len(lacking)} trained tensors, {min(lacking)} among them", f"{WHERE}.policy"))
        if self.update is not None and "update" in checkpoint:
            self.update.load_state_dict(checkpoint["update"])

    def _trained(self) -> set[str]:
        return {name for name, parameter in self.named_parameters() if parameter.requires_grad}

    # ---- held-out evaluation

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collects the examples; they are judged together at the end, sorted by length."""
        self._held_out += batch.examples

    def on_validation_epoch_end(self) -> None:
        """Judges a fixed selection of the validation examples and logs `validation/<capability>`."""
        chosen = sorted(self._held_out, key=lambda e: e.example_id)[: self.validation_examples]  # ids are hashes: a fair, fixed choice
        self._held_out = []
        if not self.trainer.sanity_checking and self.capabilities:
            self._log_scores("validation", self._scores_of_all_ranks(chosen))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Collects the examples."""
        self._held_out += batch.examples

    def on_test_epoch_end(self) -> None:
        """Judges every test example, logs `test/<capability>` and keeps the table in `scores`."""
        self.scores, self._held_out = self._scores_of_all_ranks(self._held_out), []
        self._log_scores("test", self.scores)

    def predict_step(self, batch: Batch, batch_idx: int) -> list[dict[str, str]]:
        """Greedy completions of a batch: rows of example_id, task, prompt, answer and completion."""
        from bbflow.evaluation.scoring import complete

        texts = complete(self.ready_policy, batch.examples, self.max_new_tokens, self.evaluation_batch_size)
        return [
            {"example_id": e.example_id, "task": e.task, "prompt": e.prompt, "answer": e.answer, "completion": text}
            for e, text in zip(batch.examples, texts, strict=True)
        ]

    def score(self, examples: list[Example]) -> pd.DataFrame:
        """Score table of the current policy on examples, greedy decoding."""
        from bbflow.evaluation.scoring import score_policy

        return score_policy(self.ready_policy, self.capabilities, examples, self.max_new_tokens, self.evaluation_batch_size)

    @property
    def ready_policy(self) -> Policy:
        """The policy, after `configure_model`."""
        if self.policy is None:
            raise RuntimeError("the policy is not loaded yet: call configure_model() first")
        return self.policy

    def _scores_of_all_ranks(self, examples: list[Example]) -> pd.DataFrame:
        """Judges each rank's examples and joins the tables; an item that a distributed sampler gave out twice to fill up counts once."""
        with whole_parameters(self.trainer):
            table = self.score(examples)
        if self.trainer.world_size == 1:
            return table
        import pandas as pd

        parts = all_gather_dict(self.trainer, {str(self.trainer.global_rank): table.to_dict("list")})
        joined = pd.concat([pd.DataFrame(part).astype(table.dtypes.to_dict()) for part in parts.values()])
        return joined.drop_duplicates(["example_id", "capability"]).sort_values(["example_id", "capability"], ignore_index=True)

    def _log_scores(self, stage: str, table: pd.DataFrame) -> None:
        """Logs the mean score per capability; one with no example stays out."""
        means = table.groupby("capability")["score"].mean()
        for name in self.capabilities:
            if name in means:
                self.log(f"{stage}/{name}", float(means[name]), prog_bar=stage == "validation", rank_zero_only=False)
