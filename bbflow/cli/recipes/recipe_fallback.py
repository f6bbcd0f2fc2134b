"""Fallback when the parser refuses a recipe: list every mistake, or, without any, parse the merged recipe."""

from __future__ import annotations

import sys
from argparse import ArgumentError
from collections.abc import Sequence
from contextlib import suppress

from jsonargparse import ArgumentParser, Namespace
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from bbflow.cli.errors import innermost
from bbflow.cli.recipes.recipe import recipes_in
from bbflow.cli.recipes.recipe_diagnostics import recipe_errors, unresolved
from bbflow.cli.recipes.source_tree import SourceNode, from_arguments, renaming_notes
from bbflow.cli.runs.run_folder import first_process
from bbflow.errors import InputError, Problem


def parse_or_explain(error: Exception, parser: ArgumentParser, argv: Sequence[str]) -> Namespace:
    """Read a recipe that the parser refused.

    The parser cannot lay every override over a mapping inside a mapping (an argument of one reward of one capability, say).
    Where nothing is wrong with any single value, the recipe merged here is what was meant.

    Args:
        error: What the parser raised.
        parser: That of the command.
        argv: The arguments that were parsed.

    Raises:
        InputError: Lists every problem, those between model and data included.
    """
    recipe = from_arguments(argv)
    problems = recipe_errors(parser, recipe)
    note_old_names(recipe)
    if isinstance(error, OmegaConfBaseException):
        problems += unresolved(recipe)
    if problems:
        with suppress(Exception):  # what is left of the recipe may be too little to build anything from
            rest = parser.instantiate_classes(_parsed(parser, recipe))
            problems += cross_problems(rest.get("model"), rest.get("data"))
        raise InputError(*dict.fromkeys(problems)) from error
    if not isinstance(error, (ArgumentError, OmegaConfBaseException)):
        raise error
    try:
        return _parsed(parser, recipe)
    except Exception:
        what = innermost(str(getattr(error, "message", None) or error))
        raise InputError(Problem(what, ", ".join(map(str, recipes_in(argv))))) from error


def note_old_names(recipe: SourceNode) -> None:
    """Print a note for each old name in a recipe, once per run."""
    if first_process():
        for sentence in dict.fromkeys(renaming_notes(recipe)):
            print(f"note: {sentence}", file=sys.stderr)  # noqa: T201


def cross_problems(model: object, data: object) -> list[Problem]:
    """Ask model and data, where they have `problems`, what is wrong with them and between them."""
    found: list[Problem] = []
    if hasattr(data, "problems"):
        found += data.problems()
    if hasattr(model, "problems"):
        found += model.problems(data)
    return list(dict.fromkeys(found))


def _parsed(parser: ArgumentParser, recipe: SourceNode) -> Namespace:
    return parser.parse_object(OmegaConf.to_container(OmegaConf.create(recipe.plain()), resolve=True))
