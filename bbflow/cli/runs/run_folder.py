"""Run folders of a recipe, `version_0`, `version_1`, ...: each belongs to one run, which locks it while it runs."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.rank_zero import rank_zero_only

_LOCK = ".lock"
_HELD: list[Any] = []
"""Open lock files: a lock ends when its file is closed."""


def first_process() -> bool:
    """Return whether this is the process of a distributed run that writes; works before the processes are connected."""
    return not getattr(rank_zero_only, "rank", 0)


def numbered(runs: Path) -> list[Path]:
    """Return the run folders of a recipe: `version_0`, `version_1`, ..."""
    return [path for path in runs.glob("version_*") if path.name.removeprefix("version_").isdigit()]


def run_number(run: Path) -> int:
    """Return the number in the name of a run folder."""
    return int(run.name.removeprefix("version_"))


def create_run_folder(runs: Path) -> Path:
    """Make the next run folder and locks it; of two processes that ask at the same time, each gets its own."""
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
    """Lock a run folder for the life of this process; False where another process holds it.

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
    """Release the locks of this process, and remove run folders that are empty."""
    while _HELD:
        file = _HELD.pop()
        Path(file.name).unlink(missing_ok=True)
        file.close()
        with suppress(OSError):
            Path(file.name).parent.rmdir()
