"""The answer of a completion, read strictly: two different answers are no answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.records import Example
from bbflow.text.answers.consistency import MARK, SENTENCE_END, is_obfuscated, other_answers, strip_explanation, strip_lead_in
from bbflow.text.entity_linking import mentions
from bbflow.text.normalization import fold_any_script

_LETTERED = re.compile(r"\(?([A-Za-z])\)?(?:[).:]\s*(.*)|\s*)$")
LETTER_ONLY, MARKED = "answer:letter", "answer:marked"


def has_answer_marker(completion: str) -> bool:
    """Return whether a completion holds an `Answer:`."""
    return MARK.search(completion) is not None


def final_answers(completion: str) -> list[str]:
    """Return the text after each `Answer:`, up to the end of the sentence or line; the whole text where there is no mark.

    >>> final_answers("propranolol is contraindicated in asthma. Answer: amlodipine.")
    ['amlodipine']
    >>> final_answers("B")
    ['B']
    """
    marked = [SENTENCE_END.split(text.strip(" \t"))[0] for text in MARK.split(completion)[1:]]
    return [text.strip().strip("\"'*").strip() for text in marked or [completion.strip().rstrip(".")]]


def option_index(text: str, options: list[str]) -> int | None:
    """Return which option an answer names, by letter, by text, or by both where they agree.

    >>> option_index("B) aspirin", ["warfarin", "aspirin"]), option_index("A) aspirin", ["warfarin", "aspirin"])
    (1, None)
    """
    if text in options:
        return options.index(text)
    folded = folding(options)
    said, names = folded(text), [folded(option) for option in options]
    meant = [i for i, name in enumerate(names) if name == said != ""]
    if len({options[i] for i in meant}) == 1:  # `5 mg` is neither `<5 mg` nor `>5 mg`, though all fold alike
        return meant[0]
    match = _LETTERED.match(text)
    if match is None or (index := ord(match[1].upper()) - ord("A")) >= len(options):
        return None
    return index if match[2] in ("", None, options[index]) or folded(match[2]) == names[index] != "" else None


def folding(options: Sequence[str]) -> Callable[[str], str]:
    """Return the folding for a comparison with options: that of names in a graph, unless an option has letters beyond ASCII."""
    return fold if all(map(str.isascii, options)) else fold_any_script


def chosen_option(example: Example, completion: str) -> int | None:
    """Return the one option that a completion chooses; None if it chooses none, an unknown one or several."""
    chosen = {option_index(text, example.options or []) for text in final_answers(completion)}
    return chosen.pop() if len(chosen) == 1 else None


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


def retracts_option(example: Example, completion: str, index: int) -> bool:
    """Return whether a completion that chooses an option offers another one too, in other words than `Answer:`.

    >>> from bbflow.testing import CHOICE
    >>> texts = ("The answer is A. Answer: B", "Answer: B. No, A.", "Answer: B. Or propranolol.", "Answer: B. propranolol is unsafe.")
    >>> [retracts_option(CHOICE, text, 1) for text in texts]
    [True, True, True, False]
    """
    claims, after = other_answers(completion)
    options = example.options or []
    also = (*claims, *map(strip_explanation, claims), *after, *map(strip_lead_in, after))
    return any(option_index(text.rstrip("."), options) not in (None, index) for text in also)


def has_single_answer(example: Example, completion: str) -> bool:
    """Return whether a completion ends in one answer after a mark, right or wrong: with options one of them, else any one text.

    Letters that only look like others are no answer, and neither is one that is taken back.

    >>> from bbflow.testing import CHOICE
    >>> texts = ("Answer: B", "Answer: B. Answer: A", "amlodipine", "Answer: all of them", "The answer is A. Answer: B")
    >>> [has_single_answer(CHOICE, text) for text in texts]
    [True, False, False, False, False]
    """
    if not has_answer_marker(completion) or is_obfuscated(example, completion):
        return False
    if example.options is not None:
        index = chosen_option(example, completion)
        return index is not None and not retracts_option(example, completion, index)
    said = {fold(text) for text in final_answers(completion)} - {""}
    return len(said) == 1 and all(fold(claim) in said or fold(strip_explanation(claim)) in said for claim in other_answers(completion)[0])


def parses(example: Example, completion: str, graph: KnowledgeGraph) -> bool:
    """Return whether an answer can be read at all, right or wrong: an option or its letter, or a name of the graph, offered or not."""
    if example.options is not None and (
        chosen_option(example, completion) is not None or mentioned_option(example, completion) is not None
    ):
        return True
    return any(mentions(graph, answer) for answer in final_answers(completion))
