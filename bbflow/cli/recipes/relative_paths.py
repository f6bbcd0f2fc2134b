"""Relative paths: in a YAML file they are relative to that file, on the command line to the working folder.

Two rules cover both: an argument annotated `pathlib.Path` is a path, and so is any text of a YAML file that starts with `./` or
`../`, for any purpose (a policy's `path` may be a folder or a Hub id, and only the first has a place to be relative to).
Both become absolute as soon as they are read, so that a saved recipe runs from anywhere on its machine.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser, get_loader, set_loader
from jsonargparse.typing import register_type

from bbflow.cli.recipes.renamed import with_present_names
from bbflow.errors import Problem

MODE = "omegaconf+"
"""Parser mode of recipes: `${...}` is resolved after the command line is merged, where plain `omegaconf` keeps stale values."""


def absolute(path: str | os.PathLike[str], folder: Path | None = None) -> str:
    """Return a path relative to a folder (default: the working one) as absolute; symbolic links are not followed.

    >>> absolute("../b.yaml", Path("/x/recipes"))
    '/x/b.yaml'
    """
    return os.path.abspath(Path(folder or ".") / Path(path).expanduser())  # noqa: PTH100 (resolve() follows links)


def folder_problems(path: str | os.PathLike[str], where: str) -> list[Problem]:
    """List the reasons why no folder can be made or written at a path; empty when it can.

    >>> print(*folder_problems("/dev/null/out", "--out"))
    --out: '/dev/null' is a file, and a folder is needed
    """
    wanted = Path(path).expanduser().absolute()
    nearest = next(p for p in (wanted, *wanted.parents) if p.exists())
    if not nearest.is_dir():
        return [Problem(f"'{nearest}' is a file, and a folder is needed", where)]
    try:
        tempfile.TemporaryDirectory(dir=nearest).cleanup()  # permissions alone do not tell: not of the root user, nor of every file system
    except OSError as error:
        return [Problem(f"nothing can be written in '{nearest}': {error.strerror}", where)]
    return []


def anchored(data: Any, folder: Path | None = None) -> Any:
    """Make every text of plain data that starts with `./` or `../` an absolute path.

    >>> anchored({"path": "../runs", "name": "a/b"}, Path("/x/recipes"))
    {'path': '/x/runs', 'name': 'a/b'}
    """
    if isinstance(data, dict):
        return {key: anchored(value, folder) for key, value in data.items()}
    if isinstance(data, list):
        return [anchored(value, folder) for value in data]
    return absolute(data, folder) if isinstance(data, str) and data.startswith(("./", "../")) else data


def register_relative_paths() -> None:
    """Register both rules with the parser, which reads a file with that file's folder as the working folder."""
    register_type(Path, str, _path, type_check=isinstance)
    ArgumentParser(parser_mode=MODE).parse_string("{}")  # the first use of the mode makes its loader
    load = get_loader(MODE)
    if not hasattr(load, "anchored"):
        set_loader(MODE, _anchoring(load), (yaml.YAMLError,))


def _anchoring(load: Callable[[str], Any]) -> Callable[[str], Any]:
    def loader(text: str) -> Any:
        return anchored(with_present_names(load(text))[0])

    loader.anchored = True  # type: ignore[attr-defined]
    return loader


def _path(value: Any) -> Path:
    if not isinstance(value, (str, os.PathLike)) or not str(value):
        raise ValueError(f"Expected a path. Got value: {value}")
    return Path(absolute(value))
