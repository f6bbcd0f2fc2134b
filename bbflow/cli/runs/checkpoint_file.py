"""Checkpoint files: written whole or not at all; no code is run from one that is read, and one with a damaged byte is refused."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from bbflow.errors import InputError, Problem
from bbflow.io.atomic import atomic_write


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's way to write a checkpoint, by a draft beside the file.

    Lightning's own draft lies in the system's folder for temporary files. Where that is another file system it is copied over the old
    checkpoint, and a kill or a full disk in between loses both.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Writes a checkpoint; what is no path of this machine is left to Lightning."""
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
    """Reads a checkpoint whose checksums hold.

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
    except Exception as error:  # both raise whatever the bytes make of it
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(Problem(f"cannot be read as a checkpoint: {reason}", where, hint)) from error
    if not isinstance(kept, dict) or "state_dict" not in kept:
        raise InputError(Problem("is no checkpoint of a run", where, hint))
    return kept
