"""Check for gradients that are not finite: no step is made on them, and their batch is kept for inspection."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningModule
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from bbflow.errors import Refused
from bbflow.io.atomic import atomic_write
from bbflow.modules.batch import Batch
from bbflow.modules.training.experience import RolloutRecord

FOLDER = "faults"
MOST_IN_A_ROW = 10
"""Steps in a row that are skipped before the run stops: broken weights do not recover."""


class GradientCheck:
    """Watches the gradients of a module, step by step; see `OptimizerSettings.nonfinite`.

    Args:
        action: Whether to stop the run, or to skip the step: weights and moments of the optimiser then stay as they are.
    """

    def __init__(self, action: Literal["stop", "skip"]) -> None:
        self.action = action
        self.skipped = 0
        self._batches: list[Batch] = []
        self._seen = False

    def note(self, batch: Batch) -> None:
        """Keep a batch until the gradients that it is part of have been checked; an accumulated step has several."""
        self._batches = [batch] if self._seen else [*self._batches, batch]
        self._seen = False

    def __call__(self, module: LightningModule, norm: Tensor) -> None:
        """Check the gradient of a step, the same on every rank, before it is clipped and used.

        Args:
            module: Module whose parameters have the gradient.
            norm: Norm of the gradient.

        Raises:
            Refused: It is not finite, and the run is to stop.
        """
        self._seen = True
        if bool(norm.isfinite()) or module.trainer.precision == "16-mixed":  # its scaler meets infinities by design, and skips by itself
            self.skipped = 0
            return
        step = module.trainer.global_step
        kept = self.keep(module, module.trainer.log_dir, getattr(module, "last_rollouts", None))  # all ranks ask
        found = f"the gradient of step {step} is not finite{f' (its batch: {kept})' if kept else ''}"
        self.skipped += 1
        if self.action == "stop":
            raise Refused(f"{found}; a lower optimizer.learning_rate may help, optimizer.nonfinite: skip passes over such steps")
        if self.skipped >= MOST_IN_A_ROW:
            raise Refused(f"{found}, as were those of the {MOST_IN_A_ROW - 1} steps before: the weights themselves are broken")
        for parameter in module.parameters():
            parameter.grad = None
        rank_zero_warn(f"{found}: the step is skipped")

    def keep(self, module: LightningModule, run: str | None, rollouts: RolloutRecord | None = None) -> Path | None:
        """Write the batches of a step, and their rollouts, into the run folder; one file per rank.

        Args:
            module: Module in training.
            run: The run folder; None where there is none, and nothing is kept.
            rollouts: Rollouts of the last batch.

        Returns:
            The file of the batches.
        """
        if not run:
            return None
        step = module.trainer.global_step
        path = Path(run) / FOLDER / f"step-{step:06d}-rank-{module.global_rank}.jsonl"
        rows: list[dict[str, Any]] = [dataclasses.asdict(example) for batch in self._batches for example in batch.examples]
        with atomic_write(path) as draft:
            draft.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        if rollouts is not None:
            rollouts.write(path.with_suffix(".rollouts.parquet"), step)
        return path
