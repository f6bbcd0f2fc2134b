"""`--ckpt_path last`: the same command resumes the newest unfinished run of its recipe, in the same folder."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from lightning.pytorch.utilities.rank_zero import rank_zero_info

from bbflow.cli.recipes.renamed import with_present_names
from bbflow.cli.runs.checkpoint import read_checkpoint
from bbflow.cli.runs.run_folder import first_process, lock, numbered, run_number
from bbflow.cli.runs.run_log import RunLog
from bbflow.errors import InputError, Problem
from bbflow.io.yaml import read_yaml

FINISHED = "finished"
"""Name of the empty file that marks a run folder as finished, report included."""

_FREE = (".cache_dir", ".workers", ".num_workers", ".micro_batch_tokens", ".evaluation.batch_size")
"""Settings that change how fast, or where, but not what is learned."""
_SHOWN = 5
_INTERRUPTED = 130


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


def newest_interrupted(runs: Path, settings: Mapping[str, Any]) -> Interrupted | None:
    """Find the newest run of the same settings with a checkpoint that did not end; None where there is none.

    Args:
        runs: Folder of the runs of one recipe.
        settings: The recipe as it is now, overrides included; unfinished runs of other settings are skipped, with a message.

    Raises:
        InputError: Its checkpoint cannot be read, or the run is still going.
    """
    for folder in sorted(numbered(runs), key=run_number, reverse=True):
        checkpoint = folder / "checkpoints" / "last.ckpt"
        if not checkpoint.is_file() or (folder / FINISHED).exists():
            continue
        if changed := changed_settings(folder, settings):
            rank_zero_info(f"{folder} is passed over, since its recipe was another one: {'; '.join(changed[:_SHOWN])}")
            continue
        where = f"--ckpt_path last ({checkpoint})"
        if first_process() and not lock(folder):
            raise InputError(Problem("this run is still going", where, "wait for its end, or start another one without --ckpt_path"))
        hint = "move the run folder away to start anew, or name another checkpoint"
        kept = read_checkpoint(checkpoint, where, hint)
        if "metrics_rows" not in kept.get("bbflow", {}):
            raise InputError(Problem("is no checkpoint of a recipe", where, hint))
        return Interrupted(checkpoint, int(kept["global_step"]), int(kept["bbflow"]["metrics_rows"]))
    return None


def changed_settings(run: Path, settings: Mapping[str, Any]) -> list[str]:
    """List the settings that decide the result and differ from those that a run saved; empty for a run without a saved recipe."""
    try:
        saved, _ = with_present_names(read_yaml(run / "config.yaml").data)
    except InputError:
        return []
    return [line for part in ("seed_everything", "model", "data") for line in _differences(saved.get(part), settings.get(part), part)]


def _differences(was: Any, now: Any, key: str) -> Iterator[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*was, *now)):
            if not f"{key}.{name}".endswith(_FREE):
                yield from _differences(was.get(name), now.get(name), f"{key}.{name}")
    elif _comparable(was) != _comparable(now):
        yield f"{key} was {was}, is {now}"


def _comparable(value: Any) -> Any:
    """A value without the folders of absolute paths: a recipe that was moved is the same recipe."""
    if isinstance(value, list):
        return [_comparable(part) for part in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


class LastCheckpoint(ModelCheckpoint):
    """Keeps the last state of a run: after each validation, at the end, and on SIGTERM or Ctrl-C.

    Both end the run after the step it is at. A second Ctrl-C ends it at once, as one does before and after training.
    """

    def __init__(self) -> None:
        # Lightning's own default saves nothing when training ends between two validations; and where a folder was moved, or is called by
        # another path, it would count versions of the file rather than replace it.
        super().__init__(save_top_k=0, save_last=True, enable_version_counter=False)
        self._on_interrupt: Any = None
        self._asked = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Install the handler of Ctrl-C."""
        super().on_train_start(trainer, pl_module)
        if threading.current_thread() is threading.main_thread():
            self._on_interrupt = signal.signal(signal.SIGINT, self._ask_to_go)

    def _ask_to_go(self, *_: Any) -> None:
        self._asked = True
        self._let_interrupt()
        rank_zero_info("\nending after this step; Ctrl-C once more ends at once, without a checkpoint")
        os.kill(os.getpid(), signal.SIGTERM)

    def _let_interrupt(self) -> None:
        if self._on_interrupt is not None:
            signal.signal(signal.SIGINT, self._on_interrupt)
            self._on_interrupt = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save; Lightning itself saves a last state only where it has just saved a best one."""
        self._save_new(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save nothing: from the end of an epoch Lightning does not resume with the batch that follows."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the state if it is newer than the last checkpoint."""
        self._let_interrupt()
        self._save_new(trainer)

    def _save_new(self, trainer: Trainer) -> None:
        if not self._should_skip_saving_checkpoint(trainer):
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save on SIGTERM, which Lightning raises between two steps; any other exception may have left half a step."""
        self._let_interrupt()
        if isinstance(exception, SIGTERMException) and self._asked:
            exception.code = _INTERRUPTED
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


def mark_finished(trainer: Trainer) -> None:
    """Mark the run folder as finished."""
    if not trainer.is_global_zero or not trainer.state.finished:
        return
    for logger in trainer.loggers:  # not `trainer.log_dir`, for which all processes have to ask together
        if isinstance(logger, RunLog):
            (Path(logger.log_dir) / FINISHED).touch()
