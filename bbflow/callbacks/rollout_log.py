"""Writes what the policy said, and what it was paid for it, while it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from bbflow.modules.grpo import RolloutRecord


class RolloutLog(Callback):
    """Writes `rollouts/step-*.parquet` into the run directory.

    One row per completion: step, example_id, prompt, completion, proof (the graph's edges), `reward_<capability>` (empty where it
    abstained), advantage, truncated.

    Args:
        every_n_steps: Write the rollouts of every n-th optimiser step, beginning with the first.
    """

    def __init__(self, every_n_steps: int = 10) -> None:
        self.every_n_steps = every_n_steps

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Writes the batch that was just learned from."""
        record = getattr(pl_module, "last_rollouts", None)
        step = trainer.global_step
        if record is None or (step - 1) % self.every_n_steps:
            return
        folder = trainer.log_dir  # processes agree on it together: asked by the first alone, it would wait for ever
        if folder and trainer.is_global_zero:
            write_rollouts(Path(folder) / "rollouts", step, record)


def write_rollouts(folder: Path, step: int, record: RolloutRecord) -> Path:
    """Writes one step's rollouts; a reader never sees a half-written file."""
    import pandas as pd

    columns = {
        "step": step,
        "example_id": [example.example_id for example in record.examples],
        "prompt": [example.prompt for example in record.examples],
        "completion": record.completions,
        "proof": ["; ".join(" ".join(edge) for edge in example.edges) for example in record.examples],
        **{f"reward_{name}": pd.array(values, dtype="float64") for name, values in record.rewards.items()},
        "advantage": record.advantages,
        "truncated": record.truncated,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:06d}.parquet"
    unfinished = path.with_suffix(".part")
    pd.DataFrame(columns).to_parquet(unfinished, index=False)
    unfinished.replace(path)
    return path
