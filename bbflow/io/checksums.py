"""Hashes of files and of source code, and checksum files that show whether a file has changed since it was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from bbflow.io.atomic import atomic_write

PACKAGE = Path(__file__).parents[1]
"""Folder of the installed package `bbflow`."""
_SOURCES = (".py", ".yaml", ".txt", ".json", ".jinja", ".safetensors")


def file_sha256(path: str | Path) -> str:
    """Return the sha256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksum(path: Path, kept: Path) -> None:
    """Write the hash of a complete file into a checksum file."""
    with atomic_write(kept) as draft:
        draft.write_text(file_sha256(path), encoding="utf-8")


def verify_checksum(path: Path, kept: Path) -> bool:
    """Return whether a file still has the hash in its checksum file."""
    return path.is_file() and kept.is_file() and kept.read_bytes() == file_sha256(path).encode()


def source_files(patterns: Iterable[str], root: Path = PACKAGE) -> list[Path]:
    """List the source and data files of a package that match any of the patterns, sorted and without duplicates.

    Args:
        patterns: Globs relative to the package, such as `records.py`, `graph/*.py` or `text/**/*`.
        root: Folder of the package.

    Raises:
        FileNotFoundError: A pattern matches no file, as after a move of a listed module.
    """
    found: set[Path] = set()
    for pattern in patterns:
        matches = {file for file in root.glob(pattern) if file.suffix in _SOURCES}
        if not matches:
            raise FileNotFoundError(f"no source file of {root} matches '{pattern}'")
        found |= matches
    return sorted(found)


def source_sha256(patterns: Iterable[str], root: Path = PACKAGE) -> str:
    """Return one hash of the paths and bytes of the files that `source_files` lists."""
    digest = hashlib.sha256()
    for file in source_files(patterns, root):
        digest.update(f"{file.relative_to(root).as_posix()}\0{file_sha256(file)}\n".encode())
    return digest.hexdigest()
