"""Calls a plain function from the command line: names, types, defaults and help come from its signature and docstring."""

from __future__ import annotations

import inspect
import re
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import get_args, get_origin

from jsonargparse import ArgumentParser

from bbflow.cli.recipes.relative_paths import register_relative_paths
from bbflow.cli.recipes.type_hints import type_name
from bbflow.errors import InputError, Problem, did_you_mean


def call(function: Callable[..., object], argv: Sequence[str], prog: str, positional: bool) -> object:
    """Parse the arguments for a function and calls it.

    A parameter of type `list` may be given several times (`--data a --data b`), or, where it comes first and `positional` is set, as the
    leading words without a name; one of type `bool` needs no value (`--gate`).

    Raises:
        InputError: The function said so.
        argparse.ArgumentError: The arguments do not fit its signature in another way than by a wrong value.
    """
    register_relative_paths()
    first = next(iter(inspect.signature(function, eval_str=True).parameters.values()), None)
    if positional and first is not None and _is_list(first.annotation):
        listed = list(takewhile(lambda word: not word.startswith("-"), argv))
        argv = [*(f"--{first.name}={word}" for word in listed), *argv[len(listed) :]]
        positional = False
    parser = ArgumentParser(prog=prog, exit_on_error=False, allow_abbrev=False)
    parser.add_function_arguments(function, as_group=False, as_positional=positional, fail_untyped=False)
    parser.description = (function.__doc__ or "").strip().split("\n\n")[0]
    hints = {option: getattr(action, "_typehint", None) for action in parser._actions for option in action.option_strings}
    arguments = []
    for word, after in zip(argv, [*argv[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        if name.startswith("--") and (plain := f"--{name[2:].replace('-', '_')}") in hints:  # `--reward-model` is `--reward_model`
            word, name = f"{plain}{equals}{value}", plain
        if name.startswith("--") and name.removesuffix("+") not in hints:
            raise InputError(Problem("unknown option", name, did_you_mean(name, hints)))
        arguments.append(f"{name}+{equals}{value}" if _is_list(hints.get(name)) else word)
        if hints.get(name) is bool and not equals and after not in ("true", "false"):
            arguments.append("true")
    try:
        given = parser.parse_args(arguments)
    except ArgumentError as error:
        raise _explained(error, hints) from error
    return function(**parser.instantiate(given))


def _explained(error: ArgumentError, hints: dict[str, object]) -> Exception:
    """Return the problem of an option with a value of the wrong type; other errors keep the parser's message."""
    key = re.match(r'Parser key "(\w+)"', error.message)
    value = re.search(r"(?:Got|Given) value: (.*)", error.message)
    option = f"--{key[1]}" if key else ""
    if option not in hints or value is None:
        return error
    return InputError(Problem(f"must be {type_name(hints[option])}, not '{value[1]}'", option))


def _is_list(hint: object) -> bool:
    return any(get_origin(option) in (list, Sequence) for option in (hint, *get_args(hint)))
