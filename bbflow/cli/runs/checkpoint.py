"""Checkpoints: written atomically, read without running code and with checksums, and compared with the recipe that resumes them."""

from __future__ import annotations

import os
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.plugins import TorchCheckpointIO

from bbflow.cli.runs.run_folder import numbered, run_number
from bbflow.cli.runs.run_log import logged_rows
from bbflow.errors import InputError, Problem
from bbflow.io.atomic import atomic_write

_KEY = "bbflow"
_LIGHTNINGS = ("hpc", "registry")
"""Keywords for checkpoints that Lightning finds by itself: those of a requeued SLURM job, and of a hosted registry."""
_SHARDED = ("meta.pt", "checkpoint")
"""Files of a sharded checkpoint, of FSDP or of DeepSpeed, either of which its strategy reads."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's format, written to a draft in the same folder and renamed.

    Lightning's own draft lies in the system's folder for temporary files. Where that is another file system it is copied over the old
    checkpoint, and a kill or a full disk in between loses both.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint; a URL is left to Lightning."""
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        path = Path(path)
        for abandoned in path.parent.glob(f".{path.name}.*.tmp"):  # of a process that was killed: a run belongs to one
            abandoned.unlink(missing_ok=True)
        with atomic_write(path) as draft, draft.open("wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:
                if isinstance(reason := error.__context__, OSError):  # torch hides the full disk behind an error of its own
                    raise OSError(reason.errno, reason.strerror, str(path)) from error
                raise
            file.flush()
            os.fsync(file.fileno())


def read_checkpoint(path: Path, where: str, hint: str = "") -> dict[str, Any]:
    """Read a checkpoint whose checksums hold.

    Args:
        path: A file that Lightning wrote.
        where: How it was named, for the message.
        hint: What to do without it.

    Returns:
        Its contents; tensors are mapped from the file, not read.

    Raises:
        InputError: There is no such file, it is damaged, or it holds something else than tensors and plain values.
    """
    if not path.exists():
        raise InputError(Problem("no such checkpoint", where, hint))
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch itself does not look at the checksums
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged} is wrong")
        kept = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
    except Exception as error:  # both raise errors of any kind for damaged bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(Problem(f"cannot be read as a checkpoint: {reason}", where, hint)) from error
    if not isinstance(kept, dict) or "state_dict" not in kept:
        raise InputError(Problem("is no checkpoint of a run", where, hint))
    return kept


class SaveRecipe(SaveConfigCallback):
    """Saves the recipe, overrides included, as `config.yaml` of the run folder, and the model's class in each checkpoint."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write `config.yaml`, unless the run has no folder or is resumed."""
        if not trainer.loggers:
            return
        folder = trainer.log_dir  # all processes agree on it, and on what the first one finds there
        if not trainer.strategy.broadcast(folder is not None and (Path(folder) / self.config_filename).exists()):
            super().setup(trainer, pl_module, stage)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Store the model's class and the number of logged rows."""
        checkpoint[_KEY] = {"class_path": class_path(type(pl_module)), "metrics_rows": logged_rows(trainer)}


def class_path(cls: type) -> str:
    """Return the dotted name of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def newest_checkpoint(runs: Path, kind: str) -> Path:
    """Find the checkpoint of the newest run that wrote any.

    Args:
        runs: Folder of the runs of one recipe.
        kind: `last` or `best`.

    Raises:
        InputError: There is no such run, or no such checkpoint in it.
    """
    made = [run for run in numbered(runs) if any((run / "checkpoints").glob("*.ckpt"))]
    if not made:
        raise InputError(Problem("no run of this recipe wrote a checkpoint", f"--ckpt_path {kind}", f"looked in {runs}"))
    folder = max(made, key=run_number) / "checkpoints"
    if not (folder / f"{kind}.ckpt").exists():
        there = ", ".join(sorted(path.name for path in folder.glob("*.ckpt")))
        raise InputError(Problem(f"the newest run has no {kind}.ckpt", f"--ckpt_path {kind}", f"name a file of {folder}: {there}"))
    return folder / f"{kind}.ckpt"


def read_fitting(config: Any) -> dict[str, Any]:
    """Read the checkpoint in `--ckpt_path` and compares its class with the recipe's; the recipe's settings are never changed.

    Returns:
        Contents of the checkpoint; empty where Lightning finds or reads it.

    Raises:
        InputError: There is no such checkpoint, it cannot be read safely, or it holds another class.
    """
    given = config.get("ckpt_path")
    if not given or str(given) == "last":
        return {}
    if str(given).partition(":")[0] in _LIGHTNINGS:
        _refuse_missing(str(given), config)
        return {}
    path, where = Path(given), f"--ckpt_path {given}"
    if given == "best":
        hint = "name its file: best.ckpt in the checkpoints of a run that ranked its states, else last.ckpt"
        raise InputError(Problem("which state was best is not known any more once a run has ended", where, hint))
    if path.is_dir():
        if not any((path / part).exists() for part in _SHARDED):
            last = path / "checkpoints" / "last.ckpt"
            hint = f"did you mean '{last}'?" if last.exists() else "a checkpoint of a run is RUN/checkpoints/last.ckpt"
            raise InputError(Problem("is a folder, and no sharded checkpoint", where, hint))
        return {}
    kept = read_checkpoint(path, where)
    made_by = kept.get(_KEY, {}).get("class_path")
    wanted = config["model"]["class_path"]
    if made_by and made_by.rpartition(".")[2] != wanted.rpartition(".")[2]:
        hint = "to start from its weights, set policy.path instead; --ckpt_path resumes the same recipe"
        raise InputError(Problem(f"the checkpoint holds a {made_by}, the recipe asks for a {wanted}", where, hint))
    return kept


def _refuse_missing(word: str, config: Any) -> None:
    """Raise `InputError` for a keyword of Lightning whose checkpoint does not exist."""
    where, hint = f"--ckpt_path {word}", "name a file, or `last`: the newest unfinished run of this recipe"
    if word == "hpc":
        folder = Path(config["trainer"].get("default_root_dir") or ".")
        if not any(folder.glob("hpc_ckpt_*.ckpt")):
            raise InputError(Problem(f"no checkpoint of a requeued job (hpc_ckpt_*.ckpt) in {folder.resolve()}", where, hint))
    elif find_spec("litmodels") is None:
        raise InputError(Problem("checkpoints of a registry need the package litmodels, which is not installed", where, hint))
