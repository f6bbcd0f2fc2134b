"""Names of drugs that few graphs have, with their classes, loaded from `other_drugs.yaml` and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bbflow.errors import InputError, Problem
from bbflow.io.yaml import YamlFile, read_yaml
from bbflow.text.lexicon.word_file import group_problems, text_problems

NAMES_FILE = Path(__file__).with_suffix(".yaml")
_GROUPS = {"classes": dict, "names": list, "nutrients": list}


@dataclass(frozen=True)
class OtherDrugs:
    """The groups of the file, which explains each.

    Attributes:
        classes: Class or allergy of a graph to drugs that belong to it.
        names: Other drugs.
        nutrients: Vitamins and the like, which are no drugs to be checked.
    """

    classes: dict[str, list[str]]
    names: list[str]
    nutrients: list[str]


@cache
def other_drugs() -> OtherDrugs:
    """Return the names of the package, loaded at the first call."""
    return read_other_drugs(NAMES_FILE)


def read_other_drugs(path: str | Path) -> OtherDrugs:
    """Read a file of names in the form of the package's own `other_drugs.yaml`.

    Raises:
        InputError: The file is no YAML, a group is missing or unknown, or a name is no text or occurs twice; every problem with
            its file, line and column.
    """
    file = read_yaml(path)
    problems = list(_problems(file))
    if problems:
        raise InputError(*problems)
    return OtherDrugs(**file.data)


def _problems(file: YamlFile) -> Iterator[Problem]:
    wrong = list(group_problems(file, _GROUPS, noun="name"))
    yield from wrong
    known: dict[str, str] = {}
    for name, drugs in () if wrong else file.data["classes"].items():
        yield from text_problems(file, ("classes", name), drugs, "name", known)
    for key in () if wrong else ("names", "nutrients"):
        yield from text_problems(file, (key,), file.data[key], "name", known)
