"""Folders that appear when they are complete."""

import os
import time
from pathlib import Path

from bbflow.io.atomic import atomic_directory


def test_others_may_read_a_completed_folder_as_any_other(tmp_path: Path) -> None:
    with atomic_directory(tmp_path / "made") as folder:
        (folder / "file").touch()
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "made").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_a_run_that_was_killed_left_is_removed_a_week_later(tmp_path: Path) -> None:
    running = [atomic_directory(tmp_path / f"cache {days}") for days in (8, 1)]
    old, recent = (run.__enter__() for run in running)
    (old / "file").touch()
    for folder, days in ((old, 8), (recent, 1)):
        os.utime(folder, (time.time() - days * 86400,) * 2)
    (tmp_path / ".other").mkdir()
    os.utime(tmp_path / ".other", (0, 0))
    with atomic_directory(tmp_path / "new"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {".other", "new", recent.name}
