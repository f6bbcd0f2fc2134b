"""Atomic writes: a file or folder takes its final name only after it has been written completely."""

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
    """Yield a temporary path next to a file and rename it to the file at the end of the block; create the folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def atomic_directory(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the final name if the block ends without an error, and is removed otherwise.

    Leftovers of runs that were killed a week ago or earlier are removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".*{_UNFINISHED}"):
        with suppress(FileNotFoundError):  # another process may have removed it
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
    temporary = folder.with_name(f".{folder.name[:16]}-{secrets.token_hex(8)}{_UNFINISHED}")
    temporary.mkdir()  # with the usual permissions; `tempfile` would create it readable by the owner only
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
