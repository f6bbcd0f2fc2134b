"""What a checkpoint remembers of its recipe, and the refusal to resume another kind of model from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from bbflow.cli.checkpoint_file import read_checkpoint
from bbflow.cli.resume import logged_rows
from bbflow.errors import InputError, Problem

_KEY = "bbflow"
_KEYWORDS = ("best", "last", "hpc", "registry")


class SaveRecipe(SaveConfigCallback):
    """Saves the recipe, overrides included, as `config.yaml` of the run folder, and the model's class in each checkpoint."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes `config.yaml`; a run without a folder writes nothing, one that goes on has it."""
        if not trainer.loggers:
            return
        folder = trainer.log_dir  # all processes agree on it, and on what the first one finds there
        if not trainer.strategy.broadcast(folder is not None and (Path(folder) / self.config_filename).exists()):
            super().setup(trainer, pl_module, stage)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Notes the model's class, and how much was logged when the checkpoint was made."""
        checkpoint[_KEY] = {"class_path": class_path(type(pl_module)), "metrics_rows": logged_rows(trainer)}


def class_path(cls: type) -> str:
    """Returns the dotted name of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def refuse_other_class(config: Any) -> None:
    """Compares the class in `--ckpt_path` with the recipe's; the recipe's settings are never changed.

    Raises:
        InputError: There is no such checkpoint, it cannot be read safely, or it holds another class.
    """
    given = config.get("ckpt_path")
    if not given or str(given) in _KEYWORDS or str(given).startswith("registry:"):
        return
    path = Path(given)
    if path.is_dir():  # a sharded checkpoint; its strategy reads it
        return
    made_by = read_checkpoint(path, f"--ckpt_path {given}").get(_KEY, {}).get("class_path")
    wanted = config["model"]["class_path"]
    if made_by and made_by.rpartition(".")[2] != wanted.rpartition(".")[2]:
        hint = "to start from its weights, set policy.path instead; --ckpt_path resumes the same recipe"
        raise InputError(Problem(f"the checkpoint holds a {made_by}, the recipe asks for a {wanted}", f"--ckpt_path {given}", hint))
