"""`--ckpt_path last`: the same command again takes up the newest unfinished run of its recipe, in the same folder."""

from __future__ import annotations

import csv
import errno
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_only, rank_zero_warn

from bbflow.cli.checkpoint_file import read_checkpoint
from bbflow.errors import InputError, Problem
from bbflow.whole_file import whole
from bbflow.yaml_file import read_yaml

FINISHED = "finished"
"""Empty file that stands in a run folder once the run, its report included, is done."""

_LOCK = ".lock"
_HELD: list[Any] = []
"""Open lock files: a lock ends when its file is closed."""
_FREE = ("cache_dir", "workers", "num_workers", "micro_batch_tokens", "evaluation_batch_size")
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
    """Finds the newest run of the same settings with a checkpoint that did not end; None where there is none.

    Args:
        runs: Folder of the runs of one recipe.
        settings: The recipe as it is now, overrides included; unfinished runs of others are passed over, and it is told why.

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


def first_process() -> bool:
    """Whether this is the one process of a distributed run that writes; known before the processes have met."""
    return not getattr(rank_zero_only, "rank", 0)


def numbered(runs: Path) -> list[Path]:
    """The run folders of a recipe: `version_0`, `version_1`, ..."""
    return [path for path in runs.glob("version_*") if path.name.removeprefix("version_").isdigit()]


def run_number(run: Path) -> int:
    """The number in the name of a run folder."""
    return int(run.name.removeprefix("version_"))


def claim(runs: Path) -> Path:
    """Makes the next run folder and locks it; of two processes that ask at the same time, each gets its own."""
    number = max(map(run_number, numbered(runs)), default=-1) + 1
    while True:
        folder = runs / f"version_{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
            continue
        lock(folder)
        return folder


def lock(run: Path) -> bool:
    """Locks a run folder for the life of this process; False where another process holds it.

    The lock is the system's, so that it ends with the process however that ends, and is not inherited by children. Where there are no such
    locks, nothing is held and nothing refused.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        return True
    file = (run / _LOCK).open("a")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    _HELD.append(file)
    return True


def release() -> None:
    """Ends the locks of this process, and takes a run folder away where nothing was written into it."""
    while _HELD:
        file = _HELD.pop()
        Path(file.name).unlink(missing_ok=True)
        file.close()
        with suppress(OSError):
            Path(file.name).parent.rmdir()


def changed_settings(run: Path, settings: Mapping[str, Any]) -> list[str]:
    """Tells which settings of what is learned are not those that a run saved; one whose recipe was not saved has none to differ in."""
    try:
        saved = read_yaml(run / "config.yaml").data
    except InputError:
        return []
    return [line for part in ("seed_everything", "model", "data") for line in _differences(saved.get(part), settings.get(part), part)]


def _differences(was: Any, now: Any, key: str) -> Iterator[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        for name in was.keys() | now.keys() if was.keys() != now.keys() else was:
            if name not in _FREE:
                yield from _differences(was.get(name), now.get(name), f"{key}.{name}")
    elif _comparable(was) != _comparable(now):
        yield f"{key} was {was}, is {now}"


def _comparable(value: Any) -> Any:
    """A value without the folders of absolute paths: a recipe that was moved is the same recipe."""
    if isinstance(value, list):
        return [_comparable(part) for part in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


class LastCheckpoint(ModelCheckpoint):
    """Keeps the last state of a run: after each validation, at the end, and when the machine (SIGTERM) or the user (Ctrl-C) asks it to go.

    Both end the run after the step it is at. A second Ctrl-C ends it at once, as one does before and after training.
    """

    def __init__(self) -> None:
        # Lightning's own default saves nothing when training ends between two validations; and where a folder was moved, or is called by
        # another path, it would count versions of the file rather than replace it.
        super().__init__(save_top_k=0, save_last=True, enable_version_counter=False)
        self._on_interrupt: Any = None
        self._asked = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes Ctrl-C for a request to go."""
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
        """Saves; Lightning itself saves a last state only where it has just saved a best one."""
        self._save_new(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves nothing: from the end of an epoch Lightning does not resume with the batch that follows."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves what was trained since."""
        self._let_interrupt()
        self._save_new(trainer)

    def _save_new(self, trainer: Trainer) -> None:
        if not self._should_skip_saving_checkpoint(trainer):
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Saves on SIGTERM, which Lightning raises between two steps; any other exception may have left half a step."""
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


class MetricsFile(ExperimentWriter):
    """Lightning's writer of `metrics.csv`, which no kill leaves without the rows it had.

    Args:
        folder: Where the file lies.
        kept: How many rows stay of what is there.
    """

    def __init__(self, folder: str, kept: int) -> None:
        super().__init__(folder)
        path = Path(self.metrics_file_path)
        rows = _rows(path)[:kept]
        if len(rows) < kept:
            rank_zero_warn(f"{path} holds {len(rows)} of the {kept} rows that were logged before the checkpoint: the others are lost.")
        if rows:
            self.metrics_keys = list(rows[0])
            self._write(rows, self.metrics_keys)
        else:
            path.unlink(missing_ok=True)

    def _check_log_dir_exists(self) -> None:
        """Lightning would warn of the rows of an interrupted run, and delete them."""

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        self._write(_rows(Path(self.metrics_file_path)), fieldnames)

    def _write(self, rows: list[dict[str, str]], fieldnames: list[str]) -> None:
        with whole(Path(self.metrics_file_path)) as draft, draft.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, fieldnames=fieldnames)
            table.writeheader()
            table.writerows(rows)


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
        """The writer of the file, made when something is logged first."""
        if self._experiment is None:
            self._experiment = MetricsFile(self.log_dir, self.kept)
        return self._experiment


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def logged_rows(trainer: Trainer) -> int:
    """Writes what is logged so far to `metrics.csv` and counts its rows."""
    for logger in trainer.loggers:
        if isinstance(logger, RunLog) and trainer.is_global_zero:
            logger.save()
            return len(_rows(Path(logger.experiment.metrics_file_path)))
    return 0


def mark_finished(trainer: Trainer) -> None:
    """Notes in the run folder that there is nothing left to take up."""
    if not trainer.is_global_zero or not trainer.state.finished:
        return
    for logger in trainer.loggers:  # not `trainer.log_dir`, for which all processes have to ask together
        if isinstance(logger, RunLog):
            (Path(logger.log_dir) / FINISHED).touch()
