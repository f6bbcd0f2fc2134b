"""Contradictions of a completion to its own answer: a second answer in other words, a retraction, a denial of what it says.

All of this is text alone; what a completion says about the nodes of a graph is read by `bbflow.text.answers.relations`. It is checked
only where a completion would be paid.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache, lru_cache

from bbflow.graph.knowledge_graph import fold
from bbflow.records import Example
from bbflow.text.answers.answer_cues import answer_cues, phrases
from bbflow.text.answers.extraction import begins_with_option, chosen_answers, has_answer_marker
from bbflow.text.answers.obfuscation import is_obfuscated
from bbflow.text.answers.options import (
    DECISIONS,
    are_decisions,
    decided_otherwise,
    is_negated,
    named_options,
    offered_options,
    plain,
    split_clauses,
)
from bbflow.text.answers.quantities import decision
from bbflow.text.answers.reading import Sentence, read_completion, sentences_of
from bbflow.text.negation import NEGATOR

_CACHE_SIZE = 20_000
"""Sentences of which is remembered what they say; few differ in the completions of a run."""
_BETWEEN = r"(?:(?:a|an|the|to|be|by|with|give|given|use|take|say|it is|for)\s+)*"
_AUXILIARY = r"(?:is|are|was|does|do|can|must|should|will|would|may|has|isn|aren|doesn|don|can|won|shouldn|wouldn|mustn)"
_DENIES = re.compile(rf"\b{NEGATOR}\b|\bn?t\b|\b(?:wrong|false|incorrect)\b")
_PROHIBITING = frozenset({"contraindicated_in", "interacts_with", "caution_in"})
"""Relations whose honest statement may well deny: `propranolol must not be given in asthma`."""


def sentences_beside(example: Example, completion: str) -> list[Sentence]:
    r"""Return what a completion says besides its answer: its other sentences, and the reasons and doses after the answer.

    Lines that repeat the prompt are left out.

    >>> from bbflow.testing import CHOICE
    >>> text = "B) amlodipine\nIt lowers blood pressure. Answer: B, since it is safe."
    >>> [sentence.text for sentence in sentences_beside(CHOICE, text)]
    ['It lowers blood pressure', 'since it is safe']
    """
    reading = read_completion(completion)
    asked = _lines(example.prompt) if reading.sentences else frozenset()
    found = [s for s in reading.sentences if s.text not in asked]
    if example.options is not None:
        chosen = chosen_answers(example, completion)
        if begins_with_option(example, completion):  # the first sentence is the answer
            found = [sentence._replace(after=True) for sentence in found[1:]]
        return found + [sentence for _, rest in chosen if rest for sentence in sentences_of(rest, after=True)]
    return [sentence._replace(after=True) for sentence in found[1:]] if begins_with_gold(example, completion) else found


@lru_cache(maxsize=_CACHE_SIZE)
def _lines(prompt: str) -> frozenset[str]:
    return frozenset(form for line in prompt.split("\n") for form in (line.strip(), line.strip().rstrip(".:")))


def begins_with_gold(example: Example, completion: str) -> bool:
    """Return whether the first sentence of a completion without a mark is the answer to a question without options: decision or text."""
    reading = read_completion(completion)
    if reading.announced or not reading.sentences or reading.sentences[0].asks or len(example.accepted) > 1:
        return False
    golds, first = {fold(gold) for gold in (example.answer, *example.accepted)}, reading.sentences[0].text
    return fold(first) in golds or (golds <= DECISIONS and decision(plain(first)) in golds)


def is_taken_back(example: Example, completion: str, index: int | None = None) -> bool:
    """Return whether a completion takes its answer back, calls what it says untrue, or offers another answer beside it.

    Args:
        example: The record.
        completion: The completion.
        index: The option that it chooses; None where there are no options.

    >>> from bbflow.testing import CHOICE
    >>> texts = ["Answer: B. No, A.", "Answer: B. On second thought, A.", "Answer: B. That is wrong.", "Option A is right. Answer: B"]
    >>> [is_taken_back(CHOICE, text, 1) for text in texts]
    [True, True, True, True]
    >>> texts = ["Answer: B. It is safe.", "A is wrong. Answer: B", "propranolol is unsafe in asthma. Answer: B", "Is it A? No. Answer: B"]
    >>> [is_taken_back(CHOICE, text, 1) for text in texts]
    [False, False, False, False]
    """
    options = example.options or []
    announced = has_answer_marker(completion)
    golds = {plain(gold) for gold in (example.answer, *example.accepted)}
    asked = False
    for sentence in sentences_beside(example, completion):
        if sentence.asks:
            asked = True
            doubted = index is not None and named_options(sentence.text, options)[0] == {index}
            continue
        words = plain(sentence.text)
        if asked and doubted and _NEVER.fullmatch(words):
            return True
        if calls_untrue(words) and not _is_about_others(sentence.text, options, index):
            return True
        if (sentence.after or not announced) and _turns_back(words, options, index, golds):
            return True
        if options and index is not None and _offers_another(sentence, tuple(options), index, asked):
            return True
        asked = False
    return False


_NEVER = re.compile(r"(?:no|never|hardly|not|nope|certainly not|of course not|not really|surely not|not at all)(?: [a-z]+)?")
"""The answer to a question about the chosen option that denies it: `B? Never.`"""


def _is_about_others(text: str, options: Sequence[str], index: int | None) -> bool:
    """Return whether what a sentence calls untrue are other options, and not what was said."""
    found = bool(options and named_options(text, options)[0] - {index}) or answer_cues().holds("others", plain(text))
    return found and not any(calls_untrue(words) and _MEANS_ALL.match(words) for words in map(plain, split_clauses(text)))


_MEANS_ALL = re.compile(r"(?:p s )?(?:that|this|it|these|all|everything|both|none of (?:this|that|it)|nothing|i|what)\b")
"""The beginning of a clause about what was said before."""


@lru_cache(maxsize=_CACHE_SIZE)
def calls_untrue(words: str) -> bool:
    """Return whether a sentence, as plain words, calls something untrue.

    >>> [calls_untrue(text) for text in ("that is wrong", "none of this is true", "i deny the following", "it is wrong to give it")]
    [True, True, True, False]
    """
    cues, (false, untrue) = answer_cues(), _untruths()
    return false.search(words) is not None or untrue.search(words) is not None or cues.holds("denying", words)


@cache
def _untruths() -> tuple[re.Pattern[str], re.Pattern[str]]:
    words = answer_cues().words
    no = r"(?:not|none|nobody|never|nothing|hardly|neither|(?<=n )t|no one|nor|cannot|far from)"
    return (
        re.compile(rf"(?<!not )(?<!nothing )(?<!on )\b(?:{phrases(words['falsehood'])})\b(?! to\b)"),
        re.compile(rf"\b{no}\b(?: [a-z]+){{0,4}} (?:{phrases(words['truth'])})\b(?! to\b)|^{no} (?:{phrases(words['truth'])})\b"),
    )


@lru_cache(maxsize=_CACHE_SIZE)
def takes_back(words: str) -> bool:
    """Return whether a sentence, as plain words, takes back what was said before.

    >>> [takes_back(text) for text in ("on second thought it is gout", "edit it is gout", "ignore that", "it is not wise to ignore pain")]
    [True, True, True, False]
    """
    return answer_cues().holds("takes_back", words) or _first("takes_back_first").match(words) is not None


@cache
def _first(group: str) -> re.Pattern[str]:
    return re.compile(rf"(?:p s )?(?:(?:{phrases(answer_cues().words[group])})\b ?)+")


_ORDER = re.compile(r"(?:p s |please |just )*([a-z]+) (?:that|this|it)(?: (?:out|away|please|now|again|all))?")
"""A short order about what was said: `Scrap that`."""
_TURNS = re.compile(
    r"(?:no|not|or|wait|sorry|rather|actually|instead|alternatively|i mean|i meant|hold on|correction)\b(?: [a-z0-9]+){1,5}$"
)
"""A short sentence that gives another answer: `No, Joseph Lister`."""


def _turns_back(words: str, options: Sequence[str], index: int | None, golds: Collection[str]) -> bool:
    """Return whether a sentence after the answer takes it back; `I mean B` after `B` does not."""
    turn = _first("turns_first").match(words)
    if turn is not None and turn.end() == len(words) and not (are_decisions(options) and words in ("yes", "no")):
        return True
    if index is None and turn is not None and _TURNS.match(words) is not None and words[turn.end() :] not in golds:
        return True
    order = _ORDER.fullmatch(words)
    if order is not None and order[1] not in answer_cues().words["harmless_orders"]:
        return True
    if not takes_back(words):
        return False
    return index is None or offered_options(words, options) != ({index}, True)


@lru_cache(maxsize=_CACHE_SIZE)
def _offers_another(sentence: Sentence, options: tuple[str, ...], index: int, asked: bool) -> bool:
    """Return whether a sentence offers another option than the chosen one, or denies the chosen letter."""
    if are_decisions(options):
        lettered, bare = offered_options(sentence.text, options)
        return bool(bare and lettered - {index}) or _decides_otherwise(sentence, fold(options[index]), asked)
    whole, clauses = plain(sentence.text), split_clauses(sentence.text, options)
    considered = not sentence.after and answer_cues().holds("restrains", whole)
    for clause in clauses:
        if not considered and _offered(clause, sentence, options, clauses) - {index}:
            return True
        named, words = named_options(clause, options)
        if sentence.after and named - {index} and not _opposes(words, whole):
            return True
        if named == {index} and _LETTER.search(clause) is not None and is_negated(words):
            return True
    return False


_LETTER = re.compile(r"(?<![\w'])\(?[A-H]\)?(?![\w'])")


def _offered(clause: str, sentence: Sentence, options: Sequence[str], clauses: Sequence[str]) -> set[int]:
    """Return the options that a clause of a sentence offers as the answer."""
    offered, bare = offered_options(clause, options)
    if not bare:
        return offered
    whole, cues = plain(sentence.text), answer_cues()
    if cues.holds("unworthy", whole):  # one of a list: `gout, asthma and angina are less likely`
        return set()
    if sentence.after or len(clauses) == 1:
        return offered
    last = clause is clauses[-1] and ":" in sentence.text  # `cephalexin: no` names, `the best: cephalexin` offers
    return offered if last and not cues.holds("harms", whole) else set()


def _opposes(clause: str, whole: str) -> bool:
    """Return whether what is said after the answer of another option speaks against it, or compares it."""
    cues = answer_cues()
    opposed = any(cues.holds(group, whole) for group in ("negators", "harms", "unworthy", "falsehood", "others"))
    return opposed or " than " in f" {clause} " or any(cues.related(whole))


def _decides_otherwise(sentence: Sentence, chosen: str, asked: bool) -> bool:
    """Return whether a sentence beside the answer decides otherwise: it begins with the other decision, or one of its clauses is that."""
    clauses = split_clauses(sentence.text)
    first = re.match(r"(?:(?:but|so|and|well|oh|then|p s) )*(yes|no|nope|yeah)\b", plain(clauses[0])) if clauses else None
    if first is not None and not asked and decision(plain(clauses[0])) is not None and decided_otherwise(clauses[0], chosen, 30):
        return True
    return sentence.after and any(decided_otherwise(clause, chosen) for clause in clauses)


def has_single_answer(example: Example, completion: str) -> bool:
    """Return whether a completion announces one answer, right or wrong: with options one of them, else any one text.

    Letters that only look like others are no answer, and neither is one that is taken back.

    >>> from bbflow.testing import CHOICE
    >>> texts = ("Answer: B", "Answer: B. Answer: A", "amlodipine", "Answer: all of them", "The answer is A. Answer: B")
    >>> [has_single_answer(CHOICE, text) for text in texts]
    [True, False, False, False, False]
    """
    reading = read_completion(completion)
    if not reading.announced or is_obfuscated(example, completion):
        return False
    if example.options is not None:
        chosen = {index for index, _ in chosen_answers(example, completion)}
        return len(chosen) == 1 and None not in chosen and not is_taken_back(example, completion, next(iter(chosen)))
    said = {fold(text) for text in reading.answers} - {""}
    return len(said) == 1 and not is_taken_back(example, completion)


def denies_itself(completion: str) -> bool:
    """Return whether a completion calls what it says untrue or takes it back, wherever it does so.

    >>> denies_itself("None of this is true. asthma is diagnosed by spirometry. Answer: A"), denies_itself("Answer: A")
    (True, False)
    """
    return any(calls_untrue(words) or takes_back(words) for words in _plain_sentences(completion))


def _plain_sentences(completion: str) -> Iterator[str]:
    return (plain(sentence.text) for sentence in read_completion(completion).sentences)


def denied(example: Example, completion: str, names: Iterable[str]) -> bool:
    """Return whether a completion denies one of the names that it would be paid for: `not aspirin`, `aspirin does not help`.

    A denial that follows the name is no fault where the question is about a prohibition.

    >>> from bbflow.testing import OPEN
    >>> texts = ("not aspirin", "aspirin does not help", "anything but aspirin", "aspirin, which is not new", "aspirin")
    >>> [denied(OPEN, text, ["aspirin"]) for text in texts]
    [True, True, True, False, False]
    """
    text = fold(completion)
    if _DENIES.search(text) is None:
        return False
    prohibits = any(edge[1] in _PROHIBITING for edge in example.edges)
    return any(_denial(name, prohibits).search(text) is not None for name in map(fold, names) if name)


@cache
def _denial(name: str, prohibits: bool) -> re.Pattern[str]:
    before = rf"\b(?:{NEGATOR}|(?:isn|aren|doesn|don|can|won) t)\s+{_BETWEEN}{re.escape(name)}\b"
    after = rf"\b{re.escape(name)}\s+{_AUXILIARY}\s+(?:not|never|t|no)\b|\b{re.escape(name)}\s+cannot\b"
    wrong = rf"\b{re.escape(name)}\s+(?:is|are|would be)\s+(?:wrong|false|incorrect)\b"
    return re.compile("|".join((before, wrong) if prohibits else (before, after, wrong)))
