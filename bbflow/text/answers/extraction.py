r"""The answer of a completion, in whatever form it is given, read strictly: two different answers are no answer.

The forms that are read, for a question with the options A) propranolol, B) amlodipine, C) none of these:

>>> from bbflow.testing import CHOICE
>>> forms = [
...     "B", "amlodipine", "B) amlodipine", "Answer: B", "Answer: (b)", "answer : *amlodipine*.", "**Final answer:** B", "Answer:\nB",
...     "### Answer\nB", "Answer\uff1a B", "The answer is B.", "The correct option is (B).", r"\boxed{B}", r"$\boxed{\text{B}}$",
...     "<answer>B</answer>", "Answer: the drug is amlodipine", "Answer: option B", "Answer: B, because it is safe",
...     "Answer: amlodipine 5 mg once daily", "Answer: amlodipine (5 mg)", "Therefore, the right drug is amlodipine.", "Antwort: B",
...     "B. It is safe.",
... ]
>>> [form for form in forms if chosen_option(CHOICE, form) != 1]
[]

And what is no answer, or two:

>>> forms = [
...     "", "Answer:", "Answer: A) amlodipine", "Answer: D", "Answer: B or A", "Answer: B. Answer: A", "The answer is A. Answer: B",
...     "Is the answer B?", "Answer: B. Correct option: A", "R\u00e9ponse: autre chose. Answer: B", "Answer: not B",
...     "amlodipine or propranolol", "<answer>Answer: B</answer>",
... ]
>>> [form for form in forms if chosen_option(CHOICE, form) is not None]
[]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.records import Example
from bbflow.text.answers.answer_cues import answer_cues, phrases
from bbflow.text.answers.options import are_decisions, named_options, offered_options, split_clauses
from bbflow.text.answers.quantities import DECISIONS
from bbflow.text.answers.reading import read_completion
from bbflow.text.entity_linking import mentions
from bbflow.text.normalization import fold_any_script

_LETTERED = re.compile(r"\(?([A-Za-z])\)?(?:[).:]\s*(.*)|\s*)$")
_DECISIONS = frozenset(DECISIONS)
LETTER_ONLY, MARKED = "answer:letter", "answer:marked"
_WRAPS = " \t*_`\"'$.\u201c\u201d"
_CACHE_SIZE = 20_000
_SEPARATES = re.compile(r",(?!\d)|[;(\u2014\u2013]|\s-+\s|:\s|\.\s|\n|[!?]")


def has_answer_marker(completion: str) -> bool:
    r"""Return whether a completion announces an answer: by a mark, a box, a tag, or `the answer is`.

    >>> [has_answer_marker(text) for text in ("Answer: B", "The answer is B.", r"\boxed{B}", "B")]
    [True, True, True, False]
    """
    return read_completion(completion).announced


def final_answers(completion: str) -> list[str]:
    """Return the text of each answer that is announced, up to the end of its sentence or line; the whole text where there is none.

    >>> final_answers("propranolol is contraindicated in asthma. Answer: amlodipine.")
    ['amlodipine']
    >>> final_answers("B")
    ['B']
    """
    return list(read_completion(completion).answers)


class _Options(NamedTuple):
    """Options, folded once for all completions.

    Attributes:
        fold: The folding for a comparison with them.
        names: The folded options.
        places: Dict from a folded option to its index; None where different options fold alike.
        decide: Whether they are yes and no, or maybe.
    """

    fold: Callable[[str], str]
    names: tuple[str, ...]
    places: dict[str, int | None]
    decide: bool


@lru_cache(maxsize=_CACHE_SIZE)
def _folded(options: tuple[str, ...]) -> _Options:
    folded = folding(options)
    names = tuple(folded(option) for option in options)
    places: dict[str, int | None] = {}
    for i, name in enumerate(names):
        if name:
            places[name] = i if name not in places or options[i] == options[names.index(name)] else None
            places[name] = names.index(name) if places[name] is not None else None
    return _Options(folded, names, places, {fold(option) for option in options} <= _DECISIONS)


def option_index(text: str, options: list[str]) -> int | None:
    """Return which option an answer names, by letter, by text, or by both where they agree.

    >>> option_index("B) aspirin", ["warfarin", "aspirin"]), option_index("A) aspirin", ["warfarin", "aspirin"])
    (1, None)
    """
    if text in options:
        return options.index(text)
    known = _folded(tuple(options))
    meant = known.places.get(known.fold(text))
    if meant is not None:  # `5 mg` is neither `<5 mg` nor `>5 mg`, though all fold alike
        return meant
    match = _LETTERED.match(text)
    if match is None or (index := ord(match[1].upper()) - ord("A")) >= len(options):
        return None
    return index if match[2] in ("", None, options[index]) or known.fold(match[2]) == known.names[index] != "" else None


def answered_option(text: str, options: list[str]) -> tuple[int | None, str]:
    """Return which option the text of one answer gives, and what it says besides: a reason, a dose.

    >>> options = ["warfarin", "aspirin", "none of these"]
    >>> answered_option("the drug is aspirin, since it is safe", options), answered_option("aspirin 100 mg once daily", options)
    ((1, 'since it is safe'), (1, '100 mg once daily'))
    >>> answered_option("aspirin or warfarin", options), answered_option("not aspirin", options)
    ((None, ''), (None, ''))
    """
    return _answered(text, tuple(options))


@lru_cache(maxsize=_CACHE_SIZE)
def _answered(text: str, given: tuple[str, ...]) -> tuple[int | None, str]:
    options, decide = list(given), _folded(given).decide
    for said, rest in cores(text):
        index = option_index(said, options)
        if index is None and decide:
            decided = _decided(said)
            index = next((i for i, option in enumerate(options) if fold(option) == decided), None) if decided else None
        if index is not None:
            return index, rest
    return None, ""


def _decided(text: str) -> str:
    """Return yes or no for words that mean so as a whole: `I do not agree`."""
    said, words = fold(text), answer_cues().words
    return next((decision for decision in ("yes", "no") if said in words[decision]), "")


def cores(text: str) -> Iterator[tuple[str, str]]:
    """Yield readings of an answer from the whole to its parts (no markup, lead-in, explanation, dose), each with what is left out."""
    stripped = text.strip(_WRAPS)
    yield stripped, ""
    led = _lead_in().sub("", stripped).strip(_WRAPS)
    if led != stripped:
        yield led, ""
    for pattern in (_SEPARATES, _explanation()):
        for found in pattern.finditer(led):
            head, rest = led[: found.start()].strip(_WRAPS), led[found.start() :].strip(" ,;:.()\u2014\u2013")
            if head:
                yield head, rest
                break
    if (dose := _dose().search(led)) is not None and (head := led[: dose.start()].strip(_WRAPS + ",(")):
        yield head, led[dose.start() :].strip(" ()")


@cache
def _lead_in() -> re.Pattern[str]:
    words = phrases([word for word in answer_cues().words["lead_ins"] if word != "a"])
    article = r"(?-i:[Aa])\s+(?-i:(?=[a-z]{2}))"  # and not the letter A
    return re.compile(rf"^(?:{article}|(?:{words}|it's|that's)\b[\s,:]+(?=[^\s.):]{{2}}|[(\"'*]*[A-Za-z]\b))+", re.IGNORECASE)


@cache
def _explanation() -> re.Pattern[str]:
    return re.compile(rf"\s(?:{phrases(answer_cues().words['explains'])})\s", re.IGNORECASE)


@cache
def _dose() -> re.Pattern[str]:
    """Return the pattern of a dose that ends a text."""
    words = phrases(answer_cues().words["dose_words"])
    return re.compile(rf"[\s,(]+(?=[0-9])(?:(?:[0-9][0-9.,/]*\s*(?:{words})?|{words})\b[\s,().]*)+$", re.IGNORECASE)


def folding(options: Sequence[str]) -> Callable[[str], str]:
    """Return the folding for a comparison with options: that of names in a graph, unless an option has letters beyond ASCII."""
    return fold if all(map(str.isascii, options)) else fold_any_script


def chosen_option(example: Example, completion: str) -> int | None:
    """Return the one option that a completion chooses; None if it chooses none, an unknown one or several."""
    chosen = {index for index, _ in chosen_answers(example, completion)}
    return chosen.pop() if len(chosen) == 1 else None


def chosen_answers(example: Example, completion: str) -> list[tuple[int | None, str]]:
    """Return the option of each announced answer with what it says besides; without one, the option that the first sentence consists of."""
    chosen = _chosen(completion, tuple(example.options or ()))
    reading = read_completion(completion)
    if reading.announced or chosen[0][0] is None or begins_with_option(example, completion):
        return chosen
    asked = fold(example.prompt)  # a question that is repeated offers nothing
    return [(None, "")] if all(fold(sentence.text) in asked for sentence in reading.sentences) else chosen


@lru_cache(maxsize=_CACHE_SIZE)
def _chosen(completion: str, given: tuple[str, ...]) -> list[tuple[int | None, str]]:
    reading = read_completion(completion)
    if reading.announced:
        return [_answered(text, given) for text in reading.answers]
    first = _first(completion, given)
    return [first if first[0] is not None else (_offered(completion, list(given)), "")]


def begins_with_option(example: Example, completion: str) -> bool:
    """Return whether a completion without a mark begins with an option, as a whole or in its first sentence (`B. It is safe.`)."""
    options = tuple(example.options or ())
    return not read_completion(completion).announced and _first(completion, options)[0] is not None


@lru_cache(maxsize=_CACHE_SIZE)
def _first(completion: str, given: tuple[str, ...]) -> tuple[int | None, str]:
    reading = read_completion(completion)
    whole = option_index(reading.answers[0].strip(_WRAPS), list(given))
    if whole is not None or not reading.sentences or reading.sentences[0].asks:
        return whole, ""
    return _answered(reading.sentences[0].text, given)


def _offered(completion: str, options: list[str]) -> int | None:
    """Return the option that a completion without a mark offers, if it names no other: `I would go with B`."""
    named, offered = set[int](), set[int]()
    for sentence in read_completion(completion).sentences:
        clauses = split_clauses(sentence.text, options)
        for clause in clauses:
            named |= named_options(clause, options)[0]
            found, bare = offered_options(clause, options)
            offered |= found if not sentence.asks and (len(clauses) > 1 or not bare) else set()
    return next(iter(offered)) if len(named) == 1 and named == offered and not are_decisions(options) else None


def mentioned_option(example: Example, completion: str) -> int | None:
    """Return the one option whose text occurs in a completion of free form; None if none or several occur."""
    options = example.options or []
    folded = folding(options)
    text, names, found = f" {folded(completion)} ", [folded(option) for option in options], set()
    for _, name in sorted(zip(options, names, strict=True), key=lambda pair: -len(pair[0])):
        if name and f" {name} " in text:
            found.add(name)
            text = text.replace(f" {name} ", " ")
    meant = [i for i, name in enumerate(names) if name in found]
    return meant[0] if len({options[i] for i in meant}) == 1 else None


def parses(example: Example, completion: str, graph: KnowledgeGraph) -> bool:
    """Return whether an answer can be read at all, right or wrong: an option or its letter, or a name of the graph, offered or not."""
    if example.options is not None and (
        chosen_option(example, completion) is not None or mentioned_option(example, completion) is not None
    ):
        return True
    return any(mentions(graph, answer) for answer in final_answers(completion))
