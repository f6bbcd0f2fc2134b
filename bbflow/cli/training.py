"""The trainer commands (`fit`, `validate`, `test`, `predict`): LightningCLI with bbflow's recipes, run folders and error messages."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # Lightning itself triggers them

import yaml
from jsonargparse import Namespace, set_parsing_settings
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins import TorchCheckpointIO
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info

from bbflow.callbacks import default_callbacks
from bbflow.cli.recipes.recipe import RecipeFile, import_registered, recipes_in, run_loggers, runs_folder
from bbflow.cli.recipes.recipe_diagnostics import late_errors
from bbflow.cli.recipes.recipe_fallback import cross_problems, note_old_names, parse_or_explain
from bbflow.cli.recipes.relative_paths import MODE, folder_problems, register_relative_paths
from bbflow.cli.recipes.source_tree import from_arguments, present_arguments, stray_words
from bbflow.cli.runs.checkpoint import AtomicCheckpointIO, SaveRecipe, newest_checkpoint, read_fitting
from bbflow.cli.runs.resume import Interrupted, LastCheckpoint, mark_finished, newest_interrupted
from bbflow.cli.runs.run_folder import release
from bbflow.errors import InputError, Problem
from bbflow.evaluation.preregistration import Preregistration, preregistration_of

PARSER = {"parser_mode": MODE, "allow_abbrev": False, "exit_on_error": False}
_IGNORED = ("trainer", "model", "ckpt_path", "weights_only")


class RecipeCLI(LightningCLI):
    """LightningCLI for recipes: any module and data module by short name, `vars` for interpolation, one folder per run."""

    def __init__(self, argv: Sequence[str], run: bool = True) -> None:
        self.argv = list(argv)
        self.interrupted: Interrupted | None = None
        self.runs: Path | None = None
        self.preregistration: Preregistration | None = None
        super().__init__(
            args=self.argv, run=run, parser_kwargs=PARSER, auto_configure_optimizers=False, save_config_callback=SaveRecipe
        )  # fmt: skip

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Make a parser whose `--config` is a recipe file."""
        parser = LightningArgumentParser(**kwargs)
        parser.add_argument("-c", "--config", action=RecipeFile, help="a recipe (YAML); a later one goes over an earlier one")
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare `vars`, values of your own that other keys refer to as `${vars.name}`."""
        parser.add_argument("--vars", type=dict[str, Any] | None, default=None, help="values to refer to as ${vars.name}")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the arguments; raise `InputError` with every mistake when that fails."""
        if found := stray_words(args):
            raise InputError(*found)
        try:
            self.config = parser.parse_args(present_arguments(args))
            self._refuse_overlooked(parser, args)
        except InputError:
            raise
        except Exception as error:  # the parser's own, or what a file of the user's raises when it is imported
            if not hasattr(self, "_subcommand_parsers"):
                self.config = parse_or_explain(error, parser, args)
            else:
                command = args[0]
                self.config = Namespace({"subcommand": command, command: parse_or_explain(error, self._subcommand_parsers[command], args)})

    def _refuse_overlooked(self, parser: LightningArgumentParser, args: Sequence[str]) -> None:
        """Raise `InputError` for mistakes that the parser accepts, such as null for a value that must not be null."""
        own = self._subcommand_parsers[args[0]] if hasattr(self, "_subcommand_parsers") else parser
        recipe = from_arguments(args)
        found = late_errors(own, recipe)
        note_old_names(recipe)
        if found:
            raise InputError(*found)

    def _parse_ckpt_path(self) -> None:
        # Lightning would lay the checkpoint's hyperparameters over recipe and command line; here those always decide.
        command = self.config.get("subcommand", "")
        config = self.config.get(command, self.config)
        given = config.get("ckpt_path")
        if command == "fit" and given == "last" and config.trainer.logger in (None, True):
            self._take_up(config)
        elif command not in ("", "fit") and given in ("last", "best"):
            config["ckpt_path"] = str(newest_checkpoint(self._runs(config.model["class_path"], config.trainer), given))
            rank_zero_info(f"measuring {config['ckpt_path']}")
        kept = read_fitting(config)
        self.preregistration = preregistration_of(kept) if command in ("fit", "test") else None

    def _take_up(self, config: Namespace) -> None:
        """Replace `last` by the checkpoint of the newest unfinished run; without one the run starts anew."""
        settings = yaml.safe_load(self._subcommand_parsers["fit"].dump(config, skip_none=False))
        self.interrupted = newest_interrupted(self._runs(config.model["class_path"], config.trainer), settings)
        config["ckpt_path"] = None if self.interrupted is None else str(self.interrupted.checkpoint)
        found = self.interrupted
        rank_zero_info("no unfinished run: starting anew" if found is None else f"going on from step {found.step} of {found.checkpoint}")

    def _runs(self, model: str, trainer: Namespace) -> Path:
        return runs_folder(recipes_in(self.argv), model, trainer.default_root_dir)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Make the trainer, with a run folder unless the recipe names loggers."""
        settings = self._get(self.config_init, "trainer")
        if settings.logger in (None, True) and not settings.fast_dev_run:
            kwargs["logger"] = False  # a run folder is made once all checks have passed
            self.runs = self._runs(type(self.model).__name__, settings)
        given = settings.callbacks if isinstance(settings.callbacks, list) else [settings.callbacks] if settings.callbacks else []
        kwargs["callbacks"] = [*given, *default_callbacks(given)]
        if settings.enable_checkpointing is not False and not any(getattr(callback, "save_last", False) for callback in given):
            kwargs["callbacks"].append(LastCheckpoint())
        try:
            trainer = super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ValueError, ImportError) as error:
            raise InputError(Problem(str(error), "trainer")) from error
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = AtomicCheckpointIO()
        return trainer

    def after_fit(self) -> None:
        """Mark the run as finished, so that it is not resumed."""
        mark_finished(self.trainer)

    def after_instantiate_classes(self) -> None:
        """Check that model and data fit each other, before any weights are loaded."""
        problems = cross_problems(self.model, self.datamodule)
        if self.preregistration is not None:
            problems += self.preregistration.problems(getattr(self.model, "capabilities", None) or {}, "model.init_args.capabilities")
        if self.runs is not None and self.subcommand is not None:
            problems += folder_problems(self.runs, "trainer.default_root_dir")
        if problems:
            raise InputError(*problems)
        if self.runs is not None and self.subcommand is not None:
            self.trainer.loggers = run_loggers(self.runs, self.interrupted)

    def _run_subcommand(self, subcommand: str) -> None:
        try:
            super()._run_subcommand(subcommand)
        finally:
            release()


class DataCLI(RecipeCLI):
    """Parses only the `data` section of a recipe; all other sections are optional and ignored."""

    def __init__(self, argv: Sequence[str]) -> None:
        super().__init__(argv, run=False)

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare `data`, and the other sections of a recipe as plain values."""
        for section in _IGNORED:
            parser.add_argument(f"--{section}", type=Any, default=None)
        parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)

    def _set_seed(self) -> None:
        """Seed nothing: every example has its own seed."""

    def instantiate_classes(self) -> None:
        """Build the data module; no model and no trainer."""
        self.config_init = self.parser.instantiate_classes(self.config)
        self.datamodule = self.config_init.data

    def after_instantiate_classes(self) -> None:
        """Check nothing: the caller may replace the graph first."""


def run(command: str, argv: Sequence[str]) -> None:
    """Run a trainer command.

    Raises:
        InputError: The recipe or the arguments are wrong; every mistake is listed.
    """
    prepare()
    RecipeCLI([command, *argv])


def load_recipe(config: Path, overrides: Sequence[str] = ()) -> RecipeCLI:
    """Build model and data of a recipe without running or loading weights: `.model`, `.datamodule`, `.trainer`, `.config`.

    Raises:
        InputError: The recipe is wrong; every mistake is listed.
    """
    prepare()
    return RecipeCLI(["--config", str(config), *overrides], run=False)


def load_data(config: Path) -> LightningDataModule:
    """Build the data module of a recipe, which needs no other part.

    Raises:
        InputError: The data part is wrong, or missing; every mistake is listed.
    """
    prepare()
    return DataCLI(["--config", str(config)]).datamodule


def prepare() -> None:
    """Set the parser up for recipes; needed before one is read."""
    set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
    register_relative_paths()
    import_registered()
    # Lightning recommends its hosted products here, and warns of what only Lightning itself can change.
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_no_advertisement)
    warnings.filterwarnings("ignore", message=r".*`self\.log\('(validation|test)/.*sync_dist=True.*")  # they are means over all ranks
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")  # its order is, and starts at the step of the run


def _is_no_advertisement(record: logging.LogRecord) -> bool:
    return "Tip:" not in record.getMessage()
