"""English cues for the stance of a drug, loaded from `stance_cues.yaml`, checked and indexed by their first words."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple

from bbflow.errors import InputError, Problem
from bbflow.io.yaml import YamlFile, read_yaml
from bbflow.text.lexicon.word_file import group_problems
from bbflow.text.tokenization import TokenizedText

CUES_FILE = Path(__file__).with_suffix(".yaml")
_PHRASE = re.compile(r"[a-zμ]+(?: [a-zμ]+)*")


class Effect(StrEnum):
    """The effect of a cue on the drugs around it; the groups under `cues` in the YAML file, which explains each."""

    ADVISES = "advises"
    ADVISES_BY_DOUBLE_NEGATION = "advises_by_double_negation"
    ADVISES_DESPITE_NEGATION = "advises_despite_negation"
    NEUTRAL = "neutral"
    OPPOSES = "opposes"
    SPEAKS_OF = "speaks_of"
    SPEAKS_OF_UNLESS_OPPOSED = "speaks_of_unless_opposed"
    INTERACTS = "interacts"
    ADVISES_BEFORE = "advises_before"
    OPPOSES_BEFORE = "opposes_before"
    SPEAKS_OF_BEFORE = "speaks_of_before"
    COUNTERFACTUAL = "counterfactual"
    CONTRAST = "contrast"
    NEW_CLAUSE = "new_clause"


@dataclass(frozen=True)
class CueWords:
    """Single words with a part in the rules of the reader; the groups under `words` in the YAML file, which explains each."""

    negations: frozenset[str]
    pronouns: frozenset[str]
    cancelled_by_negation: frozenset[str]
    withdrawals: frozenset[str]
    swaps: frozenset[str]
    swap_prepositions: frozenset[str]
    omissions: frozenset[str]
    administrations: frozenset[str]
    blame: frozenset[str]
    imperatives: frozenset[str]
    before_imperatives: frozenset[str]
    predicates: frozenset[str]
    conditional: frozenset[str]
    lists: frozenset[str]
    terminal: frozenset[str]
    retractions: frozenset[str]
    dose_doubts: frozenset[str]
    joiners: frozenset[str]
    bridges: frozenset[str]
    affirming: frozenset[str]
    assents: frozenset[str]
    denials: frozenset[str]
    sequences: frozenset[str]
    facts: frozenset[str]
    fillers: frozenset[str]


class Cue(NamedTuple):
    """A phrase with an effect.

    Attributes:
        effect: Its effect.
        size: The number of its words.
        rest: Its words after the first.
        negates: Whether it holds a particle of negation.
        ends_negated: Whether its last word is one.
        withdraws: Whether it begins with a word of withdrawal, which advises after a negation ("never stop").
        swaps: Whether it begins with a word of exchange ("switch from").
        omits: Whether it begins with a word of omission ("withholding").
        blames: Whether it holds a word of blame ("would be a mistake").
    """

    effect: Effect
    size: int
    rest: list[str]
    negates: bool
    ends_negated: bool
    withdraws: bool
    swaps: bool
    omits: bool
    blames: bool


@dataclass(slots=True)
class _CuesOfWord:
    """The cues that begin with a word.

    Attributes:
        longer: Those of several words by their second word, the longest first.
        single: The word by itself, or None.
        imperative: The word by itself as an order, or None.
    """

    longer: dict[str, list[Cue]]
    single: Cue | None = None
    imperative: Cue | None = None


class StanceCues:
    """A set of cues, indexed for the reader.

    Attributes:
        words: The single words of the reader's rules.
        cue_words: The first words of the phrases.
        first_words: The words that a cue can begin with; in a text, only these need a look.

    Args:
        phrases: The phrases of each effect, in lower case, their words separated by single spaces. No phrase occurs twice.
        words: The single words.
    """

    def __init__(self, phrases: Mapping[Effect, Sequence[str]], words: CueWords) -> None:
        self.words = words
        self._by_first_word: dict[str, _CuesOfWord] = {}
        for effect, group in phrases.items():
            for phrase in group:
                self._add(phrase.split(), effect)
        for cues in self._by_first_word.values():
            for longer in cues.longer.values():
                longer.sort(key=lambda cue: -cue.size)
        self.cue_words = frozenset(self._by_first_word)
        for word in words.imperatives:
            self._by_first_word.setdefault(word, _CuesOfWord({})).imperative = self._cue([word], Effect.ADVISES)
        self.first_words = frozenset({*self._by_first_word, *words.swap_prepositions})

    def _add(self, phrase: list[str], effect: Effect) -> None:
        cue = self._cue(phrase, effect)
        cues = self._by_first_word.setdefault(phrase[0], _CuesOfWord({}))
        if cue.rest:
            cues.longer.setdefault(phrase[1], []).append(cue)
        else:
            cues.single = cue

    def _cue(self, phrase: list[str], effect: Effect) -> Cue:
        first, words = phrase[0], self.words
        return Cue(
            effect=effect,
            size=len(phrase),
            rest=phrase[1:],
            negates=not words.negations.isdisjoint(phrase),
            ends_negated=phrase[-1] in words.negations,
            withdraws=first in words.withdrawals,
            swaps=first in words.swaps,
            omits=first in words.omissions,
            blames=not words.blame.isdisjoint(phrase),
        )

    def at(self, text: TokenizedText, i: int) -> Cue | None:
        """Return the longest cue that begins at a word and ends in its sentence; None if there is none.

        >>> stance_cues().at(TokenizedText("do not forget to rest"), 0).effect.value
        'advises_by_double_negation'
        """
        words = text.words
        cues = self._by_first_word.get(words[i])
        if cues is None:
            return None
        if cues.longer and i + 1 < len(words):
            for cue in cues.longer.get(words[i + 1], ()):
                end = i + cue.size
                if words[i + 1 : end] == cue.rest and text.stops.isdisjoint(range(i + 1, end)):
                    return cue
        if cues.single is None and cues.imperative is not None and self._begins_order(text, i):
            return cues.imperative
        return cues.single

    def _begins_order(self, text: TokenizedText, i: int) -> bool:
        return i in text.stops or text.words[i - 1] in self.words.before_imperatives or comma_before(text, i)


def comma_before(text: TokenizedText, word: int) -> bool:
    """Return whether a comma separates a word from the one before it."""
    return "," in text.text[text.span(word - 1, word)[1] : text.span(word, word + 1)[0]]


_BREAK_SIGNS = (",", ":", "(", "..", " -", "\u2013", "\u2014")
_BREAK = re.compile(r"[,:(]|\.\.|\s-+\s|[\u2013\u2014]")
_STRONG_BREAK = re.compile(r":|\s-+\s|[\u2013\u2014]")


def break_between(text: TokenizedText, word: int, later: int, strong: bool = False) -> bool:
    """Return whether a comma, a colon or a dash lies between two words of a line; if `strong`, only a colon or a dash counts.

    >>> break_between(TokenizedText("not A: B"), 1, 2, strong=True), break_between(TokenizedText("A, B"), 0, 1, strong=True)
    (True, False)
    """
    between = text.text[text.span(word, word + 1)[1] : text.span(later, later + 1)[0]]
    return "\n" not in between and (_STRONG_BREAK if strong else _BREAK).search(between) is not None


def may_break_after(text: TokenizedText, word: int) -> bool:
    """Return whether a break can follow a word, from a look at the text alone: places of words take longer to work out."""
    said, raw = text.words[word], text.text.lower()
    return not raw.isascii() or any(f"{said}{sign}" in raw or f"{said} {sign}" in raw for sign in _BREAK_SIGNS)


@cache
def stance_cues() -> StanceCues:
    """Return the cues of the package, loaded at the first call."""
    return read_stance_cues(CUES_FILE)


def read_stance_cues(path: str | Path) -> StanceCues:
    """Read a file of cues in the form of the package's own `stance_cues.yaml`.

    Raises:
        InputError: The file is no YAML, a group is missing or unknown, or a phrase is malformed or occurs twice; every problem
            with its file, line and column.
    """
    file = read_yaml(path)
    effects, names = [effect.value for effect in Effect], [field.name for field in fields(CueWords)]
    problems = list(group_problems(file, {"cues": dict, "words": dict}))
    for key, groups in (("cues", effects), ("words", names)):
        problems += group_problems(file, dict.fromkeys(groups, list), (key,), "phrase") if not problems else ()
    if problems:
        raise InputError(*problems)
    known: dict[str, str] = {}
    problems = [problem for name in effects for problem in _wrong_phrases(file, ("cues", name), known)]
    for name in names:
        problems += _wrong_phrases(file, ("words", name), {}, single=True)
    if problems:
        raise InputError(*problems)
    words = CueWords(**{name: frozenset(file.data["words"][name]) for name in names})
    return StanceCues({Effect(name): file.data["cues"][name] for name in effects}, words)


def _wrong_phrases(file: YamlFile, at: tuple[str, str], known: dict[str, str], single: bool = False) -> Iterator[Problem]:
    """Yield a problem for each entry of a group that is no phrase, or no single word, or is known already; note the others."""
    group = file.data[at[0]][at[1]]
    if not isinstance(group, list) or not group:
        yield Problem(f"'{at[1]}' must be a list of phrases", file.where(*at))
        return
    for i, phrase in enumerate(group):
        path: tuple[Hashable, ...] = (*at, i)
        if not isinstance(phrase, str):
            yield Problem(f"a cue must be text, not {phrase!r}", file.where(*path), 'quote words that YAML reads as a value, such as "no"')
        elif not _PHRASE.fullmatch(phrase) or (single and " " in phrase):
            form = "one word in lower-case letters" if single else "words in lower-case letters, separated by single spaces"
            yield Problem(f"the cue '{phrase}' can match no text", file.where(*path), form)
        elif phrase in known:
            yield Problem(f"the cue '{phrase}' occurs twice", file.where(*path), f"first at {known[phrase]}")
        else:
            known[phrase] = file.where(*path)
