"""`--ckpt_path last`: the same command again takes up the newest unfinished run of its recipe, in the same folder."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities.exceptions import SIGTERMException

from bbflow.cli.checkpoint_file import read_checkpoint
from bbflow.errors import InputError, Problem

FINISHED = "finished"
"""Empty file that stands in a run folder once the run, its report included, is done."""

_METRICS, _KEPT = "metrics.csv", "metrics.csv.kept"


@dataclass(frozen=True)
class Interrupted:
    """A run that stopped before its end.

    Attributes:
        checkpoint: Its last state.
        step: Optimiser steps it had made then.
        rows: Rows of `metrics.csv` that were written before.
    """

    checkpoint: Path
    step: int
    rows: int

    @property
    def version(self) -> str:
        """Name of the run's folder."""
        return self.checkpoint.parent.parent.name


def newest_interrupted(runs: Path) -> Interrupted | None:
    """Finds the newest run with a checkpoint that did not end; None where there is none.

    Args:
        runs: Folder of the runs of one recipe.

    Raises:
        InputError: Its checkpoint cannot be read.
    """
    folders = [path for path in runs.glob("version_*") if path.name.removeprefix("version_").isdigit()]
    for folder in sorted(folders, key=lambda path: int(path.name.removeprefix("version_")), reverse=True):
        checkpoint = folder / "checkpoints" / "last.ckpt"
        if checkpoint.is_file() and not (folder / FINISHED).exists():
            where = f"--ckpt_path last ({checkpoint})"
            hint = "move the run folder away to start anew, or name another checkpoint"
            kept = read_checkpoint(checkpoint, where, hint)
            if "metrics_rows" not in kept.get("bbflow", {}):
                raise InputError(Problem("is no checkpoint of a recipe", where, hint))
            return Interrupted(checkpoint, int(kept["global_step"]), int(kept["bbflow"]["metrics_rows"]))
    return None


class LastCheckpoint(ModelCheckpoint):
    """Keeps the last state of a run: after each validation, at the end, and when the machine asks the run to go (SIGTERM)."""

    def __init__(self) -> None:
        # Lightning's own default saves nothing when training ends between two validations.
        super().__init__(save_top_k=0, save_last=True)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves; Lightning itself saves a last state only where it has just saved a best one."""
        self._save_new(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves nothing: from the end of an epoch Lightning does not resume with the batch that follows."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves what was trained since."""
        self._save_new(trainer)

    def _save_new(self, trainer: Trainer) -> None:
        if not self._should_skip_saving_checkpoint(trainer):
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Saves on SIGTERM, which Lightning raises between two steps; any other exception may have left half a step."""
        new = trainer.global_step != self._last_global_step_saved
        if not isinstance(exception, SIGTERMException) or not new or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        loop = trainer.fit_loop.epoch_loop
        if loop.batch_progress.is_last_batch:
            # From here Lightning would resume with a batch beyond the epoch's last; from within the end of that batch it resumes rightly.
            loop.batch_progress.total.completed -= 1
            loop.batch_progress.current.completed -= 1
            loop._batches_that_stepped -= 1
        self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))


class RunLog(CSVLogger):
    """`metrics.csv`; of an interrupted run the rows before its checkpoint stay.

    Args:
        kept: How many rows stay.
    """

    def __init__(self, folder: Path, name: str, version: str, kept: int = 0) -> None:
        super().__init__(folder, name=name, version=version)
        self.kept = kept

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """Lightning's writer, which would begin with an empty file."""
        if self._experiment is None and self.kept:
            file, aside = Path(self.log_dir) / _METRICS, Path(self.log_dir) / _KEPT
            if not aside.exists():  # else an earlier attempt was interrupted here
                file.replace(aside)
            writer: Any = super().experiment
            with aside.open(newline="", encoding="utf-8") as old:
                rows = list(csv.DictReader(old))[: self.kept]
            writer.metrics_keys = list(rows[0])
            with file.open("w", newline="", encoding="utf-8") as new:
                table = csv.DictWriter(new, fieldnames=writer.metrics_keys)
                table.writeheader()
                table.writerows(rows)
            aside.unlink()
        return super().experiment


def logged_rows(trainer: Trainer) -> int:
    """Writes what is logged so far to `metrics.csv` and counts its rows."""
    for logger in trainer.loggers:
        if isinstance(logger, RunLog) and trainer.is_global_zero:
            logger.save()
            file = Path(logger.log_dir) / _METRICS
            if file.exists():
                with file.open(newline="", encoding="utf-8") as lines:
                    return sum(1 for _ in csv.DictReader(lines))
    return 0


def mark_finished(trainer: Trainer) -> None:
    """Notes in the run folder that there is nothing left to take up."""
    if not trainer.is_global_zero or not trainer.state.finished:
        return
    for logger in trainer.loggers:  # not `trainer.log_dir`, for which all processes have to ask together
        if isinstance(logger, RunLog):
            (Path(logger.log_dir) / FINISHED).touch()
