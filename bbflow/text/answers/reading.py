r"""The parts of a completion: the answers that it announces in any form, and the sentences around them.

An answer is announced by a mark (`Answer:`, `Correct option:`, `Antwort:`), by a claim (`the answer is`, `the right drug is`), by a box
(`\boxed{B}`), a tag (`<answer>B</answer>`) or a heading (`### Answer`). Without any of these the whole completion is the answer.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

from bbflow.graph.knowledge_graph import fold
from bbflow.text.answers.answer_cues import answer_cues, phrases

_SENTENCES = re.compile(r"[^.;!?\n]*(?:[.;!?](?![.;!?\s])[^.;!?\n]*)*[.;!?]*")
_ANSWER_END = re.compile(r"[;\n]|[.!](?:\s|$)")
_SPELLS = re.compile(r"[a-zA-Z0-9%]")
_WRAPS = " \t*_`\"'#:>\u201c\u201d\u2018\u2019"
_SIDES = '.;!? \t*_`#<>"'
_BULLET = re.compile(r"^\s*(?:[-*\u2022]|\(?[0-9]{1,2}[.)](?=\s))\s*")
_CACHE_SIZE = 20_000


class Sentence(NamedTuple):
    """A sentence that announces no answer.

    Attributes:
        text: Its words, without the marks of lists.
        after: Whether it follows the last answer.
        asks: Whether it is a question.
        heads: Whether it ends in a colon, and so is about what follows.
    """

    text: str
    after: bool
    asks: bool
    heads: bool


class Reading(NamedTuple):
    """A completion by its parts.

    Attributes:
        answers: The texts of the announced answers, in order; the whole completion where none is announced.
        announced: Whether an answer is announced at all.
        marked: Whether one is announced by a mark, and not only in a sentence.
        sentences: The others, in order.
    """

    answers: tuple[str, ...]
    announced: bool
    marked: bool
    sentences: tuple[Sentence, ...]


@cache
def _announcements() -> re.Pattern[str]:
    """Return the pattern of what announces an answer from its noun on; a colon may be of full width, and markup may surround the noun."""
    words = answer_cues().words
    nouns, foreign, verbs = phrases(words["answer_nouns"]), phrases(words["foreign_nouns"]), phrases(words["foreign_verbs"])
    is_it = r"(?:is|was|would be|must be|should be|has to be|=)"
    mark = rf"(?P<mark>(?:{nouns}|{foreign})\b(?:\s*\([^()\n]{{0,20}}\))?(?:\s+{is_it})?\s*[*_]{{0,2}}\s*[:\uff1a]\s*)"
    claim = rf"(?:(?:answer|option|choice|letter)(?:\s+(?:to|for|in|of|here)(?:\s+\w+){{0,2}})?\s+{is_it}|answer\s*=)(?:\s+that)?\s+"
    named = rf"(?:(?<=correct )|(?<=right )|(?<=next ))(?:{phrases(words['named_nouns'])})\s+{is_it}\s+"
    abroad = rf"(?:{foreign})\s+(?:[^\W\d_]+\s+)?(?:{verbs})\s+"
    heading = r"(?P<heading>answer[ \t]*(?:\n|$))"
    return re.compile(
        rf"{mark}|(?P<claim>{claim}|{named}|{abroad})|{heading}|(?P<box>\\boxed\s*\{{\s*(?:\\text\s*\{{)?)|(?P<tag><answer>\s*)",
        re.IGNORECASE,
    )


@cache
def _nouns() -> tuple[tuple[str, ...], frozenset[str], frozenset[str]]:
    """Return the nouns with which an announcement begins, those that need `correct`, `right` or `next`, and the adjectives."""
    words = answer_cues().words
    return (*words["answer_nouns"], *words["foreign_nouns"]), frozenset(words["named_nouns"]), frozenset(words["answer_adjectives"])


_CHOSEN = ("correct ", "right ", "next ")


def _found(completion: str) -> list[re.Match[str]]:
    """Return the announcements of a completion, in order; found by their nouns, which is far faster than a search for the pattern."""
    lower = completion.lower()
    if len(lower) != len(completion):  # a letter whose small form is longer
        lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in completion)
    nouns, named, _ = _nouns()
    starts = {at for noun in nouns if noun in lower for at in _places(lower, noun)}
    for adjective in _CHOSEN:
        if adjective in lower:
            for at in _places(lower, adjective):
                after = at + len(adjective)
                if lower[after:].partition(" ")[0] in named:
                    starts.add(after)
    starts.update(at for sign in ("\\boxed", "<answer>") if sign in lower for at in _places(lower, sign))
    pattern = _announcements()
    return [match for start in sorted(starts) if (match := pattern.match(completion, start)) is not None]


def _places(text: str, word: str) -> list[int]:
    """Return where a word begins in a text, at the beginning of words alone."""
    found, at = [], text.find(word)
    while at >= 0:
        if at == 0 or not text[at - 1].isalnum():
            found.append(at)
        at = text.find(word, at + 1)
    return found


def _without_adjectives(completion: str, here: int, noun: int) -> int:
    """Return where the adjectives before a noun begin."""
    start, adjectives = noun, _nouns()[2]
    while start > here:
        before = completion[here:start].rstrip()
        word = before.rpartition(" ")[2].rpartition("\n")[2]
        if len(before) == start - here or word.strip("*_#(").lower() not in adjectives:
            break
        start = here + len(before) - len(word.lstrip("*_#("))
    return start


_HEADS = re.compile(r"(?:^|\n)\s*#+\s*(?:[a-z]+\s+)?$", re.IGNORECASE)
"""What makes a line with the noun alone a heading."""


@lru_cache(maxsize=_CACHE_SIZE)
def read_completion(completion: str) -> Reading:
    r"""Return the parts of a completion.

    >>> reading = read_completion("amlodipine treats hypertension. Therefore the answer is **B**. It is safe.")
    >>> reading.answers, [sentence.text for sentence in reading.sentences]
    (('B',), ['amlodipine treats hypertension', 'Therefore', 'It is safe'])
    >>> [read_completion(text).answers for text in ("Answer:\nB", "Correct option\uff1a B", r"\boxed{B}", "### Answer\nB", "just B")]
    [('B',), ('B',), ('B',), ('B',), ('just B',)]
    """
    answers: list[str] = []
    pieces: list[tuple[str, int]] = []  # the text around the answers, each with the number of answers before it
    here, marked = 0, False
    found = _found(completion)
    for i, match in enumerate(found):
        if match.start() < here or (match["heading"] is not None and _HEADS.search(completion, 0, match.start()) is None):
            continue
        start, end = _answer_at(completion, match, found[i + 1].start() if i + 1 < len(found) else len(completion))
        text = completion[start:end]
        if match["claim"] and _is_no_claim(completion, text, end):
            continue
        pieces.append((completion[here : _without_adjectives(completion, here, match.start())], len(answers)))
        answers.append(text.strip().strip(_WRAPS).strip())
        marked = marked or match["claim"] is None
        here = end
    if not answers:
        return Reading((completion.strip().rstrip("."),), False, False, tuple(sentences_of(completion, False)))
    pieces.append((completion[here:], len(answers)))
    sentences = [sentence for text, number in pieces for sentence in sentences_of(text, number == len(answers))]
    return Reading(tuple(answers), True, marked, tuple(sentences))


def _answer_at(completion: str, match: re.Match[str], following: int) -> tuple[int, int]:
    """Return where the answer after an announcement begins and ends; an empty line after a mark leads on to the next one.

    Args:
        completion: The completion.
        match: The announcement.
        following: Where the next announcement begins.
    """
    start = match.end()
    if match["box"] or match["tag"]:
        found = completion.find("}" if match["box"] else "<", start)
        return start, len(completion) if found < 0 else found
    if match["mark"] or match["heading"]:
        while start < len(completion) and completion[start] in " \t\r\n*_":
            start += 1
        if start == following < len(completion) and completion[start] != "\\":
            return start, start  # `Answer: Answer:` gives nothing
    end = _ANSWER_END.search(completion, start, max(start, following))
    return start, max(start, following) if end is None else end.start()


def _is_no_claim(completion: str, text: str, end: int) -> bool:
    """Return whether what follows `the answer is` is no answer: a question, or words about the answer."""
    words = fold(text).split()
    return completion[end : end + 1] == "?" or "?" in text or not words or words[0] in answer_cues().words["about_answers"]


def sentences_of(text: str, after: bool) -> list[Sentence]:
    """Return the sentences of a text.

    Args:
        text: The text.
        after: Whether it follows the last answer of its completion.
    """
    found = []
    for line in text.split("\n"):
        for match in _SENTENCES.finditer(_BULLET.sub("", line)) if line else ():
            raw = match[0].strip()
            said = _BULLET.sub("", raw).strip(_SIDES) if raw else ""
            if said and _SPELLS.search(said) is not None:
                found.append(Sentence(said.rstrip(":"), after, raw[-1] == "?", raw.rstrip("*_ ").endswith(":")))
    return found
