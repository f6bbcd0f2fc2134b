"""Hashes of files, and files whose hash lies in a file of its own: one that has changed since it was written is not taken for whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bbflow.whole_file import whole


def file_sha256(path: str | Path) -> str:
    """Returns the sha256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(path: Path, kept: Path) -> None:
    """Keeps the hash of a file that is complete."""
    with whole(kept) as draft:
        draft.write_text(file_sha256(path), encoding="utf-8")


def is_sealed(path: Path, kept: Path) -> bool:
    """Tells whether a file is as it was when its hash was kept."""
    return path.is_file() and kept.is_file() and kept.read_bytes() == file_sha256(path).encode()
