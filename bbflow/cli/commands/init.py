"""`bbflow init`: a working folder from an installed package."""

from __future__ import annotations

import shutil
from pathlib import Path

import bbflow
from bbflow.errors import InputError, Problem

FOLDERS = ("recipes", "data_contracts", "schemas")
"""Folders to copy. A wheel carries them in `bbflow/assets`; in a clone they lie next to the package."""


def init(folder: Path) -> None:
    """Copie the recipes, data contracts and JSON Schemas that ship with bbflow into a folder, where they are yours to edit.

    Args:
        folder: Where to; made when it does not exist. Nothing in it is ever overwritten.

    Raises:
        InputError: The folder already holds one of the files, or cannot be written.
    """
    source = assets()
    files = [path.relative_to(source) for name in FOLDERS for path in sorted((source / name).rglob("*")) if path.is_file()]
    files = [file for file in files if "__pycache__" not in file.parts]
    taken = [file for file in files if (folder / file).exists()]
    if taken:
        raise InputError(
            *(Problem("already there, and never overwritten", str(folder / file), "choose another folder") for file in taken[:5])
        )
    try:
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, folder / file)
    except OSError as error:
        raise InputError(Problem(f"cannot be written: {error.strerror}", str(error.filename or folder))) from error
    print(  # noqa: T201
        f"Copied {len(files)} files into {folder}. Next:\n\n"
        f"  cd {folder}\n  bbflow fit --config recipes/grpo.yaml\n\n"
        "Edit recipes/ to change the training and data_contracts/ to change what the data must satisfy;\n"
        "a class of your own in a file next to a recipe can be named there by class_path."
    )


def assets() -> Path:
    """Return the folder that holds `FOLDERS`.

    Raises:
        InputError: The installation lacks them.
    """
    package = Path(bbflow.__file__).parent
    for folder in (package / "assets", package.parent):
        if (folder / FOLDERS[0]).is_dir():
            return folder
    raise InputError(Problem("this installation of bbflow lacks the recipes", str(package), "install it again from its wheel"))
