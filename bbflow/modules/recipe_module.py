"""Parent of all modules: checked by itself before any weights are loaded, one optimiser, held-out rows collected and scored together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler

from bbflow.errors import InputError, Problem
from bbflow.modules.batch import Batch
from bbflow.modules.training.gradient_check import GradientCheck
from bbflow.modules.training.hyperparameters import plain
from bbflow.modules.training.micro_batching import MicroBatches, micro_batch_problems
from bbflow.modules.training.preflight import warn_of_emulated_precision
from bbflow.modules.training.settings import EvaluationSettings
from bbflow.modules.training.state_dict_errors import fitting_weights
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.policies import PolicySettings

WHERE = "model.init_args"
"""Key of a module's arguments in a recipe; error messages name their keys from here."""


class RecipeModule(LightningModule):
    """A LightningModule built from a recipe around one pretrained model.

    Weights are loaded in `configure_model`, which a subclass writes, so that a recipe can be checked without them.

    Attributes:
        policy_settings: Which model is loaded, and how.
        optimizer_settings: Optimiser and schedule.
        evaluation: How held-out rows are scored.
        micro_batches: Runs the rows of a step with one loss, as many at once as the recipe or the memory allows.
    """

    def __init__(
        self, policy: PolicySettings, optimizer: OptimizerSettings, evaluation: EvaluationSettings, micro_batch_tokens: int | None
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        for name, value in self.hparams.items():
            self.hparams[name] = plain(value)
        self.policy_settings = policy
        self.optimizer_settings = optimizer
        self.evaluation = evaluation
        self.micro_batches = MicroBatches(micro_batch_tokens)
        self._matrices: set[torch.nn.Parameter] | None = None
        self._held_out: list[Any] = []
        self._gradient_check = GradientCheck(optimizer.nonfinite)

    def problems(self, data: Any) -> list[Problem]:
        """List the problems of the recipe, alone and together with the data module; loads nothing."""
        return self.policy_settings.problems(f"{WHERE}.policy") + self.optimizer_settings.problems(f"{WHERE}.optimizer")

    def fit_problems(self) -> list[Problem]:
        """List the problems between the recipe and the trainer."""
        return micro_batch_problems(self.micro_batches.tokens, self.trainer, f"{WHERE}.micro_batch_tokens")

    def setup(self, stage: str) -> None:
        """Refuse a wrong recipe; Lightning loads the model after this.

        Raises:
            InputError: All problems at once.
        """
        problems = self.problems(getattr(self.trainer, "datamodule", None)) + (self.fit_problems() if stage == "fit" else [])
        if problems:
            raise InputError(*problems)
        warn_of_emulated_precision(self.trainer)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load the weights of a checkpoint.

        Raises:
            InputError: They belong to another model.
        """
        with fitting_weights():
            return super().load_state_dict(state_dict, strict, assign)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Keep the batch for the dump of a gradient that is not finite, and reset the metrics of the step before.

        Lightning would log it again at every step that has no new value, such as the reward of a capability that judged nothing.
        """
        self._gradient_check.note(batch)
        for result in (self.trainer._results or {}).values():
            if result.meta.fx != "on_train_batch_start" and not result.meta.on_epoch:
                result.has_reset = True

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW with the recipe's schedule over the whole run."""
        settings, steps = self.optimizer_settings, self.trainer.estimated_stepping_batches
        if steps == float("inf") and settings.schedule != "constant":
            raise InputError(
                Problem(f"the {settings.schedule} schedule needs an end", f"{WHERE}.optimizer.schedule", "set trainer.max_steps")
            )
        optimizer, schedule = settings.build(self.parameters(), steps, self._matrices)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the rows; they are scored together at the end, sorted by length."""
        self._held_out += batch.examples

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the rows."""
        self._held_out += batch.examples
