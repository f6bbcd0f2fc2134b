"""`metrics.csv` of a run: no kill leaves it without the rows it had, and a run taken up goes on with those before its checkpoint."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from bbflow.io.atomic import atomic_write


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
        with atomic_write(Path(self.metrics_file_path)) as draft, draft.open("w", newline="", encoding="utf-8") as file:
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
    """Write what is logged so far to `metrics.csv` and counts its rows."""
    for logger in trainer.loggers:
        if isinstance(logger, RunLog) and trainer.is_global_zero:
            logger.save()
            return len(_rows(Path(logger.experiment.metrics_file_path)))
    return 0
