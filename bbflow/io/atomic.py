"""A file or folder appears under its final name once it is complete, whatever happens while it is written."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNFINISHED = ".unfinished"
_ABANDONED_S = 7 * 24 * 3600.0


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives a draft beside a file and puts it in the file's place once it is complete; makes the folder where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def atomic_directory(folder: Path) -> Iterator[Path]:
    """Gives a temporary folder that takes the final name when the block ends without an error, and vanishes otherwise.

    What runs that were killed a week ago or earlier left beside it is removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".*{_UNFINISHED}"):
        with suppress(FileNotFoundError):  # another process may clear up too
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
    temporary = folder.with_name(f".{folder.name[:16]}-{secrets.token_hex(8)}{_UNFINISHED}")
    temporary.mkdir()  # as readable for others as any folder, which one of `tempfile` is not
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
