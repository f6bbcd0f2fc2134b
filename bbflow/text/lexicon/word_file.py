"""Checks that every YAML file of names and cues shares: its groups, and the texts in them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from bbflow.errors import Problem, did_you_mean
from bbflow.io.yaml import YamlFile


def group_problems(file: YamlFile, groups: Mapping[str, type], at: tuple[Hashable, ...] = (), noun: str = "cue") -> Iterator[Problem]:
    """Yield a problem for each group of a mapping that is missing, unknown, or neither list nor mapping as it must be.

    Args:
        file: The file.
        groups: Name of each group to `list` or `dict`.
        at: Keys of the mapping; none for the whole file.
        noun: What an entry of a list is.
    """
    mapping: Any = file.data
    for key in at:
        mapping = mapping.get(key) if isinstance(mapping, dict) else None
    if not isinstance(mapping, dict):
        name = f"'{at[-1]}'" if at else "the file"
        yield Problem(f"{name} must be a mapping", file.where(*at), f"keys: {', '.join(groups)}")
        return
    for key in mapping:
        if key not in groups:
            yield Problem(f"unknown group '{key}'", file.where(*at, key), did_you_mean(str(key), groups))
    for key, kind in groups.items():
        if key not in mapping:
            yield Problem(f"the group '{key}' is missing", file.where(*at))
        elif not isinstance(mapping[key], kind):
            yield Problem(f"'{key}' must be {'a mapping' if kind is dict else f'a list of {noun}s'}", file.where(*at, key))


def text_problems(
    file: YamlFile, at: tuple[Hashable, ...], texts: object, noun: str = "cue", known: dict[str, str] | None = None
) -> Iterator[Problem]:
    """Yield a problem for each entry of a list that is no text, or occurs twice.

    Args:
        file: The file.
        at: Keys of the list.
        texts: The list; a problem where it is none.
        noun: What an entry is.
        known: Places of the texts so far, extended here; None lets a text occur twice.
    """
    if not isinstance(texts, list):
        yield Problem(f"'{at[-1]}' must have a list of {noun}s", file.where(*at))
        return
    for i, text in enumerate(texts):
        where = file.where(*at, i)
        if not isinstance(text, str) or not text.strip():
            yield Problem(f"a {noun} must be text, not {text!r}", where, 'quote words that YAML reads as a value, such as "no"')
        elif known is not None and text.casefold() in known:
            yield Problem(f"the {noun} '{text}' occurs twice", where, f"first at {known[text.casefold()]}")
        elif known is not None:
            known[text.casefold()] = where
