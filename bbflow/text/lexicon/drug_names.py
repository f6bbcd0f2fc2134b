"""Names of drugs and families of drugs beyond those of a graph, loaded from `drug_names.yaml` and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.io.yaml import YamlFile, read_yaml

NAMES_FILE = Path(__file__).with_suffix(".yaml")
_MAPPINGS = ("drugs", "drugs_with_dose", "families")
_LISTS = ("salts", "short_words", "everyday_words")


@dataclass(frozen=True)
class DrugNames:
    """The groups of the file, which explains each.

    Attributes:
        drugs: Name of a drug to its other names.
        drugs_with_dose: Name of a drug to the names that mean it only where a dose follows.
        salts: Words that belong to the name next to them.
        families: Family of drugs to the names that its node may have in a graph, the best first.
        short_words: Words of three letters that are no drugs.
        everyday_words: Other words that are no drugs though an amount may follow.
    """

    drugs: dict[str, list[str]]
    drugs_with_dose: dict[str, list[str]]
    salts: frozenset[str]
    families: dict[str, list[str]]
    short_words: frozenset[str]
    everyday_words: frozenset[str]


@cache
def drug_names() -> DrugNames:
    """Return the names of the package, loaded at the first call."""
    return read_drug_names(NAMES_FILE)


def read_drug_names(path: str | Path) -> DrugNames:
    """Read a file of names in the form of the package's own `drug_names.yaml`.

    Raises:
        InputError: The file is no YAML, a group is missing or unknown, or a name is no text or occurs twice; every problem with
            its file, line and column.
    """
    file = read_yaml(path)
    problems = list(_problems(file))
    if problems:
        raise InputError(*problems)
    groups: dict[str, Any] = dict(file.data)
    groups |= {key: frozenset(groups[key]) for key in _LISTS}
    return DrugNames(**groups)


def _problems(file: YamlFile) -> Iterator[Problem]:
    groups = (*_MAPPINGS, *_LISTS)
    if not isinstance(file.data, dict):
        yield Problem("the file must be a mapping", file.where(), f"keys: {', '.join(groups)}")
        return
    for key in file.data:
        if key not in groups:
            yield Problem(f"unknown group '{key}'", file.where(key), did_you_mean(str(key), groups))
    known: dict[str, str] = {}
    for key in groups:
        group = file.data.get(key)
        if key not in file.data:
            yield Problem(f"the group '{key}' is missing", file.where())
        elif not isinstance(group, dict if key in _MAPPINGS else list):
            yield Problem(f"'{key}' must be a {'mapping' if key in _MAPPINGS else 'list'}", file.where(key))
        elif isinstance(group, list):
            yield from wrong_names(file, (key,), group, {})
        else:
            for name, others in group.items():
                if not isinstance(others, list):
                    yield Problem(f"'{name}' must have a list of names", file.where(key, name))
                else:
                    yield from wrong_names(file, (key, name), others, {} if key == "families" else known)


def wrong_names(file: YamlFile, at: tuple[str, ...], names: list[Any], known: dict[str, str]) -> Iterator[Problem]:
    """Yield a problem for each name that is no text or is known already; note the others."""
    for i, name in enumerate(names):
        where = file.where(*at, i)
        if not isinstance(name, str) or not name.strip():
            yield Problem(f"a name must be text, not {name!r}", where, 'quote words that YAML reads as a value, such as "no"')
        elif name.casefold() in known:
            yield Problem(f"the name '{name}' occurs twice", where, f"first at {known[name.casefold()]}")
        else:
            known[name.casefold()] = where
