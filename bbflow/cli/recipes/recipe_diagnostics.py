"""Diagnosis of a recipe: every mistake at once, with its place.

The parser stops at the first mistake. This walk goes down the recipe along the types of the signatures it fills and asks the
parser about each value alone: where a value is refused and nothing inside it is wrong, that value is the mistake.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import chdir
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin

from jsonargparse import ArgumentParser, Namespace

from bbflow.cli.recipes.relative_paths import absolute
from bbflow.cli.recipes.source_tree import SourceNode, from_file, is_class_spec
from bbflow.cli.recipes.type_hints import find_class, may_hold, takes_null, type_name, union_members
from bbflow.errors import InputError, Problem, did_you_mean


@dataclass(frozen=True)
class EmptyKey(Problem):
    """A key that is left empty, or null, and has no such value. The parser accepts it, and its reader fails later."""


@dataclass(frozen=True)
class MissingKey(Problem):
    """A key that is needed and not there."""


@dataclass(frozen=True)
class _Known:
    """Type of a key, and whether it is required and may be null."""

    hint: Any
    required: bool = False
    nullable: bool = True


_DIVIDES = ("accumulate_grad_batches", "check_val_every_n_epoch", "val_check_interval")
_COUNTS = ("gradient_clip_val", "log_every_n_steps", "min_steps", "min_epochs")
_SPEC_KEYS = ("class_path", "init_args", "dict_kwargs")


def recipe_errors(parser: ArgumentParser, recipe: SourceNode) -> list[Problem]:
    """List the mistakes of a recipe, and remove them from it so that the rest can still be checked.

    Args:
        parser: The parser that the recipe is for.
        recipe: Changed in place: refused values are dropped, paths become absolute, part files are read in.
    """
    return list(_mapping(recipe, _signature(parser), ""))


def late_errors(parser: ArgumentParser, recipe: SourceNode) -> list[Problem]:
    """List the problems of a recipe that the parser accepted: keys left empty, numbers too small, `vars` that change nothing."""
    found: list[Problem] = [problem for problem in recipe_errors(parser, recipe) if isinstance(problem, EmptyKey)]
    return found + _too_small(recipe) + _unused(recipe)


def _too_small(recipe: SourceNode) -> list[Problem]:
    """List the trainer's numbers that are too small and that Lightning does not check."""
    trainer = recipe.value.get("trainer")
    given = trainer.value if trainer is not None and isinstance(trainer.value, dict) else {}
    return [
        Problem(f"must be {'more than 0' if above else '0 or more'}, not {node.value}", _at(node, f"trainer.{name}"))
        for names, above in ((_DIVIDES, True), (_COUNTS, False))
        for name in names
        if (node := given.get(name)) is not None and isinstance(node.value, int | float) and (node.value < 0 or (above and node.value == 0))
    ]


def _unused(recipe: SourceNode) -> list[Problem]:
    """List the `vars` of the command line that nothing refers to: they change nothing."""
    given = recipe.value.get("vars")
    if given is None or not isinstance(given.value, dict):
        return []
    texts = " ".join(str(child.plain()) for child in recipe.value.values())
    used = set(re.findall(r"\$\{vars\.(\w+)", texts))
    return [
        Problem(f"nothing refers to ${{vars.{name}}}", child.place, did_you_mean(name, used))
        for name, child in given.value.items()
        if child.place.startswith("--") and name not in used
    ]


def _signature(parser: ArgumentParser) -> dict[str, _Known]:
    """Return the keys of a parser with their types."""
    found = {}
    virtual = getattr(parser, "_extra_required_keys", ())
    for action in parser._actions:
        if hasattr(action, "_typehint"):
            required = action.required or action.dest in virtual
            nullable = takes_null(action._typehint) or (not required and action.default is None)
            found[action.dest] = _Known(action._typehint, required, nullable)
    return found


def _mapping(node: SourceNode, known: Mapping[str, _Known], key: str, prefix: str = "") -> Iterator[Problem]:
    """Check a mapping against its known names; `prefix` is its place in `known`, `key` its place in the recipe."""
    names = {name[len(prefix) :].split(".")[0] for name in known if name.startswith(prefix)}
    given = set(node.value)
    for name, child in list(node.value.items()):
        full, here = prefix + name, f"{key}.{name}" if key else name
        if name not in names:
            del node.value[name]
            hint = did_you_mean(name, names)
            given |= {other for other in names if hint == f"did you mean '{other}'?"}
            yield Problem("unknown key", _at(child, here), hint)
        elif full in known and child.value is None and not known[full].nullable:
            del node.value[name]
            yield _empty(type_name(known[full].hint), child, here)
        elif full in known:
            yield from _dropping(node.value, name, _value(child, known[full].hint, here))
        elif isinstance(child.value, dict):
            yield from _mapping(child, known, here, f"{full}.")
        else:
            del node.value[name]
            yield _no_mapping(child, here)
    required = {name[len(prefix) :] for name, what in known.items() if what.required and name.startswith(prefix)}
    for name in sorted(required - given):
        if "." not in name:
            yield MissingKey(f"the key '{name}' is missing", _at(node, key))


def _no_mapping(node: SourceNode, key: str) -> Problem:
    if node.value is None:
        return _empty("a mapping", node, key)
    if isinstance(node.value, str) and node.value.endswith((".yaml", ".yml")):
        return Problem(f"there is no file '{node.value}'", _at(node, key))
    return Problem(f"must be a mapping, not {node.value!r}", _at(node, key))


def _empty(wanted: str, node: SourceNode, key: str) -> EmptyKey:
    return EmptyKey(f"must be {wanted}, and is empty", _at(node, key), "leave the key out for its default")


def _dropping(container: dict[str, SourceNode], name: str, problems: Iterator[Problem]) -> Iterator[Problem]:
    """Yield problems on, and drop a scalar that had one; a mapping has dropped its children already."""
    for problem in problems:
        if name in container and not isinstance(container[name].value, (dict, list)):
            del container[name]
        yield problem


def _value(node: SourceNode, hint: Any, key: str) -> Iterator[Problem]:
    """Check one value against its type."""
    options = union_members(hint)
    if isinstance(node.value, str):
        if "${" in node.value:
            return
        if any(inspect.isclass(option) and issubclass(option, os.PathLike) for option in options):
            node.value = absolute(node.value, node.folder)
            return
        if node.value.endswith((".yaml", ".yml")) and str not in options and (unreadable := _read_part(node, key)):
            yield from unreadable
            return
    attempts = []
    for option in options:
        if may_hold(node.value, option):
            trial = deepcopy(node)
            attempts.append((list(_inside(trial, option, key)), trial))
    best, trial = min(attempts, key=lambda attempt: len(attempt[0]), default=([], node))
    accepted = _accepts(hint, node) or (not best and _accepts(hint, trial))  # the parser alone does not read part files here
    if not (accepted and best):  # a right value is only gone through for its relative paths
        node.value = trial.value
    yield from (problem for problem in best if not accepted or isinstance(problem, EmptyKey))
    if not accepted and not best and "${" not in str(node.plain()):
        yield Problem(f"must be {type_name(hint)}, not {node.plain()!r}", _at(node, key))


def _read_part(node: SourceNode, key: str) -> list[Problem]:
    """Replace the name of a part file by its contents; return the problems where it cannot be read."""
    try:
        part = from_file(node.folder / node.value)
    except InputError as error:
        return [Problem(problem.what, f"{_at(node, key)}: {problem.where}", problem.hint) for problem in error.problems]
    node.value, node.place, node.folder, node.renamed = part.value, part.place, part.folder, part.renamed
    return []


def _inside(node: SourceNode, hint: Any, key: str) -> Iterator[Problem]:
    """Look for the mistake below a value; yields nothing when it must be the value itself."""
    arguments = get_args(hint)
    origin = get_origin(hint) or hint
    if isinstance(node.value, list):
        for i, child in enumerate(node.value):
            yield from _value(child, arguments[0] if arguments else Any, f"{key}[{i}]")
    elif issubclass(origin, Mapping):
        for name, child in list(node.value.items()):
            found = list(_value(child, arguments[1] if arguments else Any, f"{key}.{name}"))
            others = [other for other, sibling in node.value.items() if other != name and not sibling.place.startswith("--")]
            if others and child.place.startswith("--") and any(isinstance(problem, MissingKey) for problem in found):
                what = f"there is no '{name}' to change, and too little is given to add one"
                found = [Problem(what, child.place, did_you_mean(name, others))]
            yield from _dropping(node.value, name, iter(found))
    else:
        yield from _instance(node, origin, key)


def _instance(node: SourceNode, base: type, key: str) -> Iterator[Problem]:
    """Check `{class_path, init_args}`, a class name alone, or the arguments of the class that the signature names."""
    spec = node if is_class_spec(node) else None
    name = spec.value["class_path"] if spec else node
    found: Any = base
    if isinstance(name.value, str):
        if is_dataclass(base) and not spec:
            keys = ", ".join(field.name for field in fields(base))
            yield Problem(f"must be a mapping, not {name.value!r}", _at(name, key), f"its keys: {keys}")
            return
        found = find_class(name.value, base, _at(name, f"{key}.class_path" if spec else key))
        if isinstance(found, Problem):
            yield found
            return
    if not isinstance(node.value, dict):
        return
    if spec:
        for extra in [k for k in node.value if k not in _SPEC_KEYS]:
            child = node.value.pop(extra)
            yield Problem("unknown key", _at(child, f"{key}.{extra}"), f"arguments of {_written(name)} go under init_args")
    arguments = node.value.setdefault("init_args", SourceNode({}, node.place, node.folder)) if spec else node
    if arguments.value is None:
        arguments.value = {}
    if not isinstance(arguments.value, dict):
        yield Problem(f"must be a mapping, not {arguments.value!r}", _at(arguments, f"{key}.init_args"))
        return
    parser = ArgumentParser(exit_on_error=False)
    try:
        parser.add_class_arguments(found, fail_untyped=False)
    except Exception:  # a class whose signature cannot be read: only the parser's own verdict on the whole value counts
        return
    yield from _mapping(arguments, _signature(parser), f"{key}.init_args" if spec else key)


def _accepts(hint: Any, node: SourceNode) -> bool:
    """Ask the parser whether a value is of a type."""
    parser = ArgumentParser(exit_on_error=False)
    try:
        parser.add_argument("--value", type=hint)
        with chdir(node.folder):
            parser.parse_object(Namespace(value=deepcopy(node.plain())))
    except Exception:
        return False
    return True


def unresolved(recipe: SourceNode) -> list[Problem]:
    """List the `${...}` that refer to nothing in the recipe."""
    whole, found = recipe.plain(), []

    def walk(node: SourceNode, key: str) -> None:
        children = node.value.items() if isinstance(node.value, dict) else enumerate(node.value) if isinstance(node.value, list) else ()
        for name, child in children:
            walk(child, f"{key}.{name}".lstrip("."))
        for reference in re.findall(r"\$\{([A-Za-z_][\w.]*)\}", node.value) if isinstance(node.value, str) else ():
            at = whole
            for name in reference.split("."):
                if not isinstance(at, dict) or name not in at:
                    hint = did_you_mean(name, at) if isinstance(at, dict) else ""
                    found.append(Problem(f"${{{reference}}} refers to nothing", _at(node, key), hint))
                    break
                at = at[name]

    walk(recipe, "")
    return found


def _at(node: SourceNode, key: str) -> str:
    if node.place.startswith("--"):
        return node.place
    for renaming in node.renamed:
        if renaming.is_key:
            key = key.removesuffix(renaming.new) + renaming.old
    return f"{node.place}: {key}" if key else node.place


def _written(name: SourceNode) -> str:
    """Return a class name as it was written."""
    return next((renaming.old for renaming in name.renamed if not renaming.is_key), str(name.value))
