"""Names of drugs and families of drugs beyond those of a graph, loaded from `drug_names.yaml` and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem
from bbflow.io.yaml import YamlFile, read_yaml
from bbflow.text.lexicon.word_file import group_problems, text_problems

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
    wrong = list(group_problems(file, dict.fromkeys(_MAPPINGS, dict) | dict.fromkeys(_LISTS, list), noun="name"))
    yield from wrong
    known: dict[str, str] = {}
    for key in () if wrong else _MAPPINGS:
        for name, others in file.data[key].items():
            yield from text_problems(file, (key, name), others, "name", {} if key == "families" else known)
    for key in () if wrong else _LISTS:
        yield from text_problems(file, (key,), file.data[key], "name", {})
