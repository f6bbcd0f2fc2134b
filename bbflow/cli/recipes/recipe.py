"""Recipe files and the folders that their runs write into."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from jsonargparse import ActionConfigFile, Namespace
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from bbflow.cli.runs.resume import Interrupted
from bbflow.cli.runs.run_folder import create_run_folder, first_process, numbered, run_number
from bbflow.cli.runs.run_log import RunLog
from bbflow.errors import InputError, Problem
from bbflow.io.yaml import read_yaml

REGISTERED_PACKAGES = (
    *("modules", "data", "data.answerability", "graph", "rewards", "capabilities", "synthesis.tasks", "synthesis.curation"),
    *("synthesis.rewriting", "policies.rollouts", "optimization", "callbacks"),
)
"""Packages whose classes a recipe may call by their short names."""

_VERSION = "BBFLOW_RUN_VERSION"


def import_registered() -> None:
    """Import the registered packages, since only an imported class can be called by its short name."""
    for package in REGISTERED_PACKAGES:
        import_module(f"bbflow.{package}")


class RecipeFile(ActionConfigFile):
    """The `--config` option: reads a recipe strictly, and makes Python files in its folder importable."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Merge a recipe over the settings read so far.

        Raises:
            InputError: The file is missing or not valid YAML; file, line and column are named.
        """
        path = Path(values)
        if not isinstance(read_yaml(path).data, dict):
            raise InputError(Problem("is empty, or no mapping: a recipe maps `model`, `data`, `trainer` to their settings", str(path)))
        folder = str(path.parent.absolute())
        if folder not in sys.path:
            sys.path.append(folder)
        super().__call__(parser, cfg, values, option_string)
        _forget_part_files({key: value for key, value in vars(cfg).items() if key != self.dest})


def _forget_part_files(node: Any) -> None:
    """Drop the record of the file that a part came from: the parser would take it for one more key of a `dict[str, ...]` it overrides."""
    node = vars(node) if isinstance(node, Namespace) else node
    if isinstance(node, dict):
        node.pop("__path__", None)
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _forget_part_files(child)


def recipes_in(argv: Sequence[str]) -> list[Path]:
    """Return the recipe files that arguments name.

    >>> [str(path) for path in recipes_in(["fit", "--config", "a.yaml", "-c=b.yaml"])]
    ['a.yaml', 'b.yaml']
    """
    found = []
    for word, after in zip(argv, [*argv[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        if name in ("-c", "--config"):
            found.append(Path(value if equals else after))
    return found


def runs_folder(recipes: Sequence[Path], model: str, root: str | os.PathLike[str] | None) -> Path:
    """Return where the runs of a recipe lie; without a recipe file, those of a model class."""
    return Path(root or ".") / "runs" / (recipe_name(recipes[0]) if recipes else model.rpartition(".")[2].lower())


def run_loggers(runs: Path, interrupted: Interrupted | None = None) -> list[Logger]:
    """Make the loggers of a run: `metrics.csv` and TensorBoard events, both directly in `runs/<recipe>/<version>/`.

    Args:
        runs: Folder of the recipe's runs.
        interrupted: The run to go on with, if any: what was logged after its checkpoint is dropped.
    """
    if interrupted is None:
        version = _version(runs)
        return [RunLog(runs.parent, name=runs.name, version=version), TensorBoardLogger(runs.parent, name=runs.name, version=version)]
    version, step = interrupted.version, interrupted.step
    events = TensorBoardLogger(runs.parent, name=runs.name, version=version, purge_step=step)
    return [RunLog(runs.parent, name=runs.name, version=version, kept=interrupted.rows), events]


def recipe_name(recipe: Path) -> str:
    """Return the folder name of a recipe's runs; a recipe saved by a run has that of its original.

    >>> recipe_name(Path("recipes/grpo.yaml")), recipe_name(Path("x/recipes/qwen2.5-0.5b/sft.yaml"))
    ('grpo', 'qwen2.5-0.5b/sft')
    >>> recipe_name(Path("runs/grpo/version_3/config.yaml")), recipe_name(Path("runs/qwen2.5-0.5b/sft/version_0/config.yaml"))
    ('grpo', 'qwen2.5-0.5b/sft')
    """
    parts = recipe.absolute().with_suffix("").parts
    if len(parts) > 2 and parts[-1] == "config" and parts[-2].startswith("version_"):
        runs = parts[:-2]
        return "/".join(runs[len(runs) - runs[::-1].index("runs") :]) if "runs" in runs[:-1] else runs[-1]
    beside = parts[len(parts) - parts[::-1].index("recipes") :] if "recipes" in parts[:-1] else parts[-1:]
    return "/".join(beside)


def _version(runs: Path) -> str:
    """Create the next run folder; the processes of a distributed run share that of the first, the only one that writes."""
    if not first_process():
        return os.environ.get(_VERSION) or f"version_{max(map(run_number, numbered(runs)), default=0)}"
    os.environ[_VERSION] = version = create_run_folder(runs).name
    return version
