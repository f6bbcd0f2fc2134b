"""Reads the answer out of a completion, strictly: two different answers are no answer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.records import Example
from bbflow.text.answer_consistency import MARK, SENTENCE_END, is_obfuscated, other_answers, strip_explanation, strip_lead_in

_LETTERED = re.compile(r"\(?([A-Za-z])\)?(?:[).:]\s*(.*)|\s*)$")
LETTER_ONLY, MARKED = "answer:letter", "answer:marked"


def has_answer_marker(completion: str) -> bool:
    """Tells whether an `Answer:` stands in a completion."""
    return MARK.search(completion) is not None


def final_answers(completion: str) -> list[str]:
    """Returns what stands after each `Answer:`, up to the end of the sentence or line; the whole text where none stands.

    >>> final_answers("propranolol is contraindicated in asthma. Answer: amlodipine.")
    ['amlodipine']
    >>> final_answers("B")
    ['B']
    """
    marked = [SENTENCE_END.split(text.strip(" \t"))[0] for text in MARK.split(completion)[1:]]
    return [text.strip().strip("\"'*").strip() for text in marked or [completion.strip().rstrip(".")]]


def option_index(text: str, options: list[str]) -> int | None:
    """Returns which option an answer names, by letter, by text, or by both where they agree.

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
    """How texts are folded before they are compared with options: as names of the graph, unless an option has letters beyond ASCII."""
    return fold if all(map(str.isascii, options)) else words


def words(text: str) -> str:
    r"""Folds case, spacing and punctuation in any script, where `fold` keeps ASCII alone; each Han character is a word of its own.

    >>> words("\u0392-Blocker (oral)"), words("\u8461\u8404\u3002")
    ('\u03b2 blocker oral', '\u8461 \u8404')
    """
    kept = (f" {c} " if "\u3400" <= c <= "\u9fff" else c if _spells(c) else " " for c in unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(kept).split())


def _spells(character: str) -> bool:
    """Tells whether a character belongs to a word: letters, digits, and beyond ASCII their marks and symbols (arrows, say)."""
    return character == "%" or character.isalnum() or (not character.isascii() and unicodedata.category(character)[0] in "MS")


def chosen_option(example: Example, completion: str) -> int | None:
    """Returns the one option that a completion chooses; None where it chooses none, an unknown one or several."""
    chosen = {option_index(text, example.options or []) for text in final_answers(completion)}
    return chosen.pop() if len(chosen) == 1 else None


def mentioned_option(example: Example, completion: str) -> int | None:
    """Returns the one option whose text occurs in a completion of free form; None where none or several occur."""
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
    """Tells whether a completion that chooses an option offers another one too, in other words than `Answer:`.

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
    """Tells whether a completion ends in one answer after a mark, right or wrong: with options one of them, else any one text.

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


def mentions(graph: KnowledgeGraph, text: str, longest: int = 8) -> list[str]:
    """Returns the graph nodes that a text names, in order; the longest name wins where names overlap.

    Args:
        graph: Gives names and synonyms.
        text: Any text.
        longest: Most words that a name has.
    """
    names, sizes = _names(graph)
    words = fold(text).split()
    found: list[str] = []
    i = 0
    while i < len(words):
        for size in range(min(sizes.get(words[i], 0), longest, len(words) - i), 0, -1):
            node = names.get(" ".join(words[i : i + size]))
            if node is not None:
                found.append(node)
                i += size
                break
        else:
            i += 1
    return found


_INDEX: WeakKeyDictionary[KnowledgeGraph, tuple[dict[str, str | None], dict[str, int]]] = WeakKeyDictionary()


def _names(graph: KnowledgeGraph) -> tuple[dict[str, str | None], dict[str, int]]:
    """Folded name to node (None where several share it), and first word of a name to the words of the longest that it begins."""
    if graph not in _INDEX:
        names: dict[str, str | None] = {}
        for node in graph.nodes():
            for name in {fold(n) for n in (node.name, *node.synonyms)} - {""}:
                names[name] = node.id if names.get(name, node.id) == node.id else None
        sizes: dict[str, int] = {}
        for name in names:
            words = name.split()
            sizes[words[0]] = max(sizes.get(words[0], 0), len(words))
        _INDEX[graph] = names, sizes
    return _INDEX[graph]


def parses(example: Example, completion: str, graph: KnowledgeGraph) -> bool:
    """Tells whether an answer can be read at all, right or wrong: an option or its letter, or a name of the graph, offered or not."""
    if example.options is not None and (
        chosen_option(example, completion) is not None or mentioned_option(example, completion) is not None
    ):
        return True
    return any(mentions(graph, answer) for answer in final_answers(completion))
