"""Phrases by which a prompt tells of a person, loaded from `patient_cues.yaml` and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bbflow.errors import InputError, Problem
from bbflow.io.yaml import read_yaml

CUES_FILE = Path(__file__).with_suffix(".yaml")
_WORDS = ("takes", "participles", "subjects", "questions", "allergic", "allergic_after", "filtration", "trigger")


@dataclass(frozen=True)
class PatientCues:
    """The groups of the file, which explains each.

    Attributes:
        takes: Words before a drug that the person takes.
        participles: Words of a family's name by which the person takes it.
        subjects: Words before "take" that make it a statement.
        questions: Words before "take" that make it a question.
        allergic: Words before what the person is allergic to.
        allergic_after: Words after it.
        conditions: Patterns over joined words, each with the names that the condition may have in a graph.
        filtration: Pattern of a filtration rate with its number, and whether it lies below.
        trigger: Words of which every match of a pattern has one.
    """

    takes: frozenset[str]
    participles: frozenset[str]
    subjects: frozenset[str]
    questions: frozenset[str]
    allergic: frozenset[str]
    allergic_after: frozenset[str]
    conditions: list[tuple[re.Pattern[str], list[str]]]
    filtration: re.Pattern[str]
    trigger: frozenset[str]


@cache
def patient_cues() -> PatientCues:
    """Return the cues of the package, loaded at the first call."""
    return read_patient_cues(CUES_FILE)


def read_patient_cues(path: str | Path) -> PatientCues:
    """Read a file of cues in the form of the package's own `patient_cues.yaml`.

    Raises:
        InputError: The file is no YAML, a group is missing, a word is no text, or a phrase is no regular expression.
    """
    file = read_yaml(path)
    data = file.data if isinstance(file.data, dict) else {}
    problems = [
        Problem(f"the group '{key}' is missing", file.where()) for key in (*_WORDS, "conditions") if not isinstance(data.get(key), list)
    ]
    for key in _WORDS:
        problems += [
            Problem(f"a cue must be text, not {word!r}", file.where(key, i), 'quote words that YAML reads as a value, such as "on"')
            for i, word in enumerate(data.get(key) or ())
            if not isinstance(word, str)
        ]
    conditions: list[tuple[re.Pattern[str], list[str]]] = []
    for i, entry in enumerate(data.get("conditions") or ()):
        for j, phrase in enumerate(entry["phrases"]):
            try:
                conditions.append((re.compile(rf"\b(?:{phrase})\b"), entry["names"]))
            except re.error as error:
                problems.append(Problem(f"'{phrase}' is no regular expression: {error}", file.where("conditions", i, "phrases", j)))
    if problems:
        raise InputError(*problems)
    words = {key: frozenset(data[key]) for key in _WORDS if key != "filtration"}
    rate = re.compile(
        rf"\b(?:{'|'.join(data['filtration'])})(?: (?:is|of|was|at|about|around|now|approximately|only))*"
        r"(?P<below> (?:below|under|less than))? (?P<rate>\d+(?:[.,]\d+)?)\b"
    )
    return PatientCues(**words, conditions=conditions, filtration=rate)
