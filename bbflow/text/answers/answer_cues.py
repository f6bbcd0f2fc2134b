"""The words by which a completion answers, takes back, denies and relates, loaded from `answer_cues.yaml` and checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.ontology import PREDICATES
from bbflow.io.yaml import YamlFile, read_yaml
from bbflow.text.lexicon.word_file import group_problems, text_problems

CUES_FILE = Path(__file__).with_suffix(".yaml")
_GROUPS = (
    "answer_nouns", "foreign_nouns", "foreign_verbs", "answer_adjectives", "named_nouns", "lead_ins", "yes", "no",
    "takes_back_first", "turns_first", "takes_back", "falsehood", "truth", "denying", "others", "negators", "favours", "harms",
    "unworthy", "exceeds", "endorses_before", "endorses_after", "pronouns", "explains", "dose_words", "restrains",
    "about_answers", "states_nothing", "clause_starts", "lettered", "effects", "harmless_orders", "suffices",
)  # fmt: skip


@dataclass(frozen=True)
class AnswerCues:
    """The groups of the file, which explains each.

    Attributes:
        idioms: Phrase to the words that are read in its place.
        words: The phrases of each group.
        patterns: A pattern of each group, for folded text: words in lower case, separated by single spaces.
        relations: Predicate of the ontology to the pattern of its words.
    """

    idioms: dict[str, str]
    words: dict[str, tuple[str, ...]]
    patterns: dict[str, re.Pattern[str]]
    relations: dict[str, re.Pattern[str]]

    def holds(self, group: str, text: str) -> bool:
        """Return whether a folded text holds a phrase of a group.

        >>> answer_cues().holds("harms", "it would kill him")
        True
        """
        return self.patterns[group].search(text) is not None

    def plainly(self, text: str) -> str:
        """Return a folded text with the words that its idioms stand for.

        >>> answer_cues().plainly("nothing speaks against # in asthma")
        'allowed # in asthma'
        """
        return _idiom_pattern().sub(lambda match: self.idioms[match[0]], text)

    def related(self, text: str) -> set[str]:
        """Return the predicates of which a folded text holds a word.

        >>> answer_cues().related("it is treated with rest")
        {'treats'}
        """
        return {predicate for predicate, pattern in self.relations.items() if pattern.search(text) is not None}


@cache
def _idiom_pattern() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{phrases(list(answer_cues().idioms))})\b")


def phrases(words: Sequence[str]) -> str:
    """Return a pattern of phrases, the longest first; the particle `t` is what tokenization leaves of `n't`."""
    longest = sorted(words, key=lambda phrase: (-len(phrase), phrase))
    return "|".join(r"(?<=n )t" if phrase == "t" else re.escape(phrase) for phrase in longest)


@cache
def answer_cues() -> AnswerCues:
    """Return the cues of the package, loaded at the first call."""
    return read_answer_cues(CUES_FILE)


def read_answer_cues(path: str | Path) -> AnswerCues:
    """Read a file of cues in the form of the package's own `answer_cues.yaml`.

    Raises:
        InputError: The file is no YAML, a group is missing or unknown, or a phrase is no text; every problem with its line and column.
    """
    file = read_yaml(path)
    problems = list(_problems(file))
    if problems:
        raise InputError(*problems)
    data: dict[str, Any] = file.data
    words = {key: tuple(data[key]) for key in _GROUPS}
    return AnswerCues(
        idioms=dict(data["idioms"]),
        words=words,
        patterns={key: _pattern(group) for key, group in words.items()},
        relations={key: _pattern(group) for key, group in data["relations"].items()},
    )


def _pattern(group: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{phrases(group)})\b")


def _problems(file: YamlFile) -> Iterator[Problem]:
    wrong = list(group_problems(file, dict.fromkeys(_GROUPS, list) | {"idioms": dict, "relations": dict}, noun="phrase"))
    yield from wrong
    if wrong:
        return
    for key in _GROUPS:
        yield from text_problems(file, (key,), file.data[key])
    for phrase, words in file.data["idioms"].items():
        if not isinstance(phrase, str) or not isinstance(words, str):
            yield Problem("'idioms' must give the words for each phrase", file.where("idioms", phrase))
    for key, group in file.data["relations"].items():
        if key not in PREDICATES:
            yield Problem(f"unknown relation '{key}'", file.where("relations", key), did_you_mean(str(key), PREDICATES))
        yield from text_problems(file, ("relations", key), group)
