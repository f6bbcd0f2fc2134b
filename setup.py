"""Puts the recipes, contracts and schemas into the wheel, where `bbflow init` finds them; everything else stands in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("recipes", "data_contracts", "schemas")


class BuildWithAssets(build_py):
    """Copies the folders that lie beside the package in a clone to `bbflow/assets`; an editable install reads them in place."""

    def run(self) -> None:
        """Builds as usual, then copies."""
        super().run()
        if not self.editable_mode:
            for folder in FOLDERS:
                target = Path(self.build_lib, "bbflow", "assets", folder)
                shutil.copytree(folder, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


setup(cmdclass={"build_py": BuildWithAssets})
