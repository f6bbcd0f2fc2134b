"""Log of completions and rewards during training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class RolloutLog(Callback):
    """Writes `rollouts/step-*.parquet` into the run directory; see `bbflow.modules.training.experience.RolloutRecord.write`.

    Args:
        every_n_steps: Write the rollouts of every n-th optimiser step, beginning with the first.
    """

    def __init__(self, every_n_steps: int = 10) -> None:
        self.every_n_steps = every_n_steps

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Write the batch that was just learned from."""
        record = getattr(pl_module, "last_rollouts", None)
        step = trainer.global_step
        if record is None or (step - 1) % self.every_n_steps:
            return
        folder = trainer.log_dir  # processes agree on it together: asked by the first alone, it would wait for ever
        if folder and trainer.is_global_zero:
            record.write(Path(folder) / "rollouts" / f"step-{step:06d}.parquet", step)
