"""Hashes of files, and files whose hash lies in a file of its own: one that has changed since it was written is not taken for whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bbflow.io.atomic import atomic_write


def file_sha256(path: str | Path) -> str:
    """Returns the sha256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksum(path: Path, kept: Path) -> None:
    """Keeps the hash of a file that is complete."""
    with atomic_write(kept) as draft:
        draft.write_text(file_sha256(path), encoding="utf-8")


def verify_checksum(path: Path, kept: Path) -> bool:
    """Tells whether a file is as it was when its hash was kept."""
    return path.is_file() and kept.is_file() and kept.read_bytes() == file_sha256(path).encode()
