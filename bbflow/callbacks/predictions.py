"""Writer of the results of `bbflow predict`: one file in the run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from bbflow.io.atomic import atomic_write

FILE = "predictions.parquet"


class Predictions(Callback):
    """Collects the rows that `predict_step` returns, of all processes, and writes them as `predictions.parquet`."""

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Clear the rows."""
        self._rows: list[Any] = []

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Keep the rows of a batch."""
        self._rows += outputs if isinstance(outputs, list) else [outputs]

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file; an item that a distributed sampler repeated as padding is written once."""
        import pandas as pd

        parts = [self._rows] * trainer.world_size
        if trainer.world_size > 1:
            from torch import distributed

            distributed.all_gather_object(parts, self._rows)
        folder = trainer.log_dir
        if not trainer.is_global_zero or folder is None or not trainer.loggers:
            return
        rows = [row for part in parts for row in part]
        if not rows or not all(isinstance(row, dict) for row in rows):
            rank_zero_warn(f"no {FILE}: `predict_step` of {type(pl_module).__name__} returned no rows, which are dicts")
            return
        table = pd.DataFrame(rows)
        if trainer.world_size > 1:
            table = table.drop_duplicates(table.columns[0]).sort_values(table.columns[0], ignore_index=True)
        with atomic_write(Path(folder) / FILE) as draft:
            table.to_parquet(draft, index=False)
        rank_zero_info(f"{len(table)} predictions: {Path(folder) / FILE}")
