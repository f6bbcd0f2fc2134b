"""Reads a checkpoint: no code is run from it, and one with a damaged byte is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from bbflow.errors import InputError, Problem


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
