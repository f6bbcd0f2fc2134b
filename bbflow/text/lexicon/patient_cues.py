"""Phrases by which a prompt tells of a person, loaded from `patient_cues.yaml` and checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from bbflow.errors import InputError, Problem
from bbflow.io.yaml import YamlFile, read_yaml
from bbflow.text.lexicon.word_file import group_problems, text_problems

CUES_FILE = Path(__file__).with_suffix(".yaml")
_WORDS = (
    "persons", "selves", "states", "ages", "relatives", "asking", "avoiding", "general", "takes", "participles", "subjects", "questions",
    "allergic", "allergic_after", "reactions", "denied_after", "past", "filtration", "trigger",
)  # fmt: skip
_PHRASES = ("names", "unclear_names", "patterns")


class Measurement(NamedTuple):
    """A measurement that means a condition, by the words before its number, its limits, and whether other conditions give the same."""

    conditions: list[str]
    words: list[str]
    above: float
    below: float
    between: tuple[float, float]
    unclear: bool


@dataclass(frozen=True)
class PatientCues:
    """The groups of the file, which explains each.

    Attributes:
        persons, selves, states, ages, relatives, asking, avoiding, general: Words of persons and of questions.
        takes, participles, subjects, questions, past: Words of the drugs that the person takes.
        allergic, allergic_after, reactions: Words of what the person is allergic to.
        denied_after: Words after what is denied.
        names: Phrase to the names that the condition may have in a graph.
        unclear_names: The same for phrases that can mean something else.
        measurements: Measurements that mean a condition.
        patterns: Patterns over joined words, each with the names of its condition, and whether it can mean nothing else.
        filtration: Pattern of a filtration rate with its number, and whether it lies below.
        trigger: Words of which every match of a pattern has one.
    """

    persons: frozenset[str]
    selves: frozenset[str]
    states: frozenset[str]
    ages: frozenset[str]
    relatives: frozenset[str]
    asking: frozenset[str]
    avoiding: frozenset[str]
    general: frozenset[str]
    takes: frozenset[str]
    participles: frozenset[str]
    subjects: frozenset[str]
    questions: frozenset[str]
    allergic: frozenset[str]
    allergic_after: frozenset[str]
    reactions: frozenset[str]
    denied_after: frozenset[str]
    past: frozenset[str]
    names: dict[str, list[str]]
    unclear_names: dict[str, list[str]]
    measurements: list[Measurement]
    patterns: list[tuple[re.Pattern[str], list[str], bool]]
    filtration: re.Pattern[str]
    trigger: frozenset[str]


@cache
def patient_cues() -> PatientCues:
    """Return the cues of the package, loaded at the first call."""
    return read_patient_cues(CUES_FILE)


def read_patient_cues(path: str | Path) -> PatientCues:
    """Read a file of cues in the form of the package's own `patient_cues.yaml`.

    Raises:
        InputError: The file is no YAML, a group is missing or unknown, a word is no text, or a pattern is no regular expression; every
            problem with its file, line and column.
    """
    file = read_yaml(path)
    problems = list(_problems(file))
    if problems:
        raise InputError(*problems)
    data: dict[str, Any] = file.data
    phrases = {key: {p: entry["conditions"] for entry in data[key] for p in entry["phrases"]} for key in ("names", "unclear_names")}
    patterns = [
        (re.compile(rf"\b(?:{p})\b"), entry["conditions"], not entry.get("unclear", False))
        for entry in data["patterns"]
        for p in entry["phrases"]
    ]
    rate = re.compile(
        rf"\b(?:{'|'.join(data['filtration'])})(?: (?:is|of|was|at|about|around|now|approximately|only|today|then))*"
        r"(?P<below> (?:below|under|less than))? (?P<rate>\d+(?:[.,]\d+)?)\b"
    )
    groups: dict[str, Any] = {key: frozenset(data[key]) for key in _WORDS if key != "filtration"} | phrases
    measurements = [
        Measurement(m["conditions"], m["words"], m.get("above", float("inf")), m.get("below", 0.0), tuple(m["between"]), m["unclear"])
        for m in data["measurements"]
    ]
    return PatientCues(**groups, measurements=measurements, patterns=patterns, filtration=rate)


def _problems(file: YamlFile) -> Iterator[Problem]:
    wrong = list(group_problems(file, dict.fromkeys((*_WORDS, *_PHRASES, "measurements"), list)))
    yield from wrong
    if wrong:
        return
    for key in _WORDS:
        yield from text_problems(file, (key,), file.data[key])
    for key in (*_PHRASES, "measurements"):
        needs = ("conditions", "phrases") if key in _PHRASES else ("conditions", "words", "between", "unclear")
        for i, entry in enumerate(file.data[key]):
            missing = [part for part in needs if not isinstance(entry, dict) or part not in entry]
            if missing:
                yield Problem(f"an entry of '{key}' lacks {', '.join(map(repr, missing))}", file.where(key, i))
                continue
            for part in needs[:2]:
                yield from text_problems(file, (key, i, part), entry[part])
            if key == "patterns":
                yield from _wrong_patterns(file, (key, i, "phrases"), entry["phrases"])
            if key == "measurements":
                yield from _wrong_limits(file, (key, i), entry)


def _wrong_patterns(file: YamlFile, at: tuple[Any, ...], patterns: Any) -> Iterator[Problem]:
    """Yield a problem for each text of a list that is no regular expression."""
    for i, text in enumerate(patterns if isinstance(patterns, list) else ()):
        try:
            re.compile(text if isinstance(text, str) else "")
        except re.error as error:
            yield Problem(f"'{text}' is no regular expression: {error}", file.where(*at, i))


def _wrong_limits(file: YamlFile, at: tuple[Any, ...], entry: dict[str, Any]) -> Iterator[Problem]:
    """Yield a problem for each limit of a measurement that is no number."""
    between = entry["between"]
    if not isinstance(between, list) or len(between) != 2 or not all(map(_is_number, between)):
        yield Problem("'between' must be a list of two numbers", file.where(*at, "between"))
    for key in ("above", "below"):
        if key in entry and not _is_number(entry[key]):
            yield Problem(f"'{key}' must be a number", file.where(*at, key))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
