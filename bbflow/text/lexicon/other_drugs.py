"""Names of drugs that few graphs have, with their classes, loaded from `other_drugs.yaml` and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.io.yaml import YamlFile, read_yaml
from bbflow.text.lexicon.drug_names import wrong_names

NAMES_FILE = Path(__file__).with_suffix(".yaml")
_GROUPS = ("classes", "names", "nutrients")


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
    data: Any = file.data
    if not isinstance(data, dict):
        yield Problem("the file must be a mapping", file.where(), f"keys: {', '.join(_GROUPS)}")
        return
    for key in data:
        if key not in _GROUPS:
            yield Problem(f"unknown group '{key}'", file.where(key), did_you_mean(str(key), _GROUPS))
    for key, kind in zip(_GROUPS, (dict, list, list), strict=True):
        if not isinstance(data.get(key), kind):
            what = f"'{key}' must be a {'mapping' if kind is dict else 'list'}" if key in data else f"the group '{key}' is missing"
            yield Problem(what, file.where(key) if key in data else file.where())
            return
    known: dict[str, str] = {}
    for name, drugs in data["classes"].items():
        if not isinstance(drugs, list):
            yield Problem(f"'{name}' must have a list of names", file.where("classes", name))
        else:
            yield from wrong_names(file, ("classes", name), drugs, known)
    for key in ("names", "nutrients"):
        yield from wrong_names(file, (key,), data[key], known)
