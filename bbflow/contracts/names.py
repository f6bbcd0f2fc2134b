"""Names in a graph, however they are spelt: which node a name means, and where in a text nodes are mentioned.

Case, spacing, punctuation, accents, ligatures, full-width forms, invisible characters and letters of other alphabets that look
Latin are folded, so that `CO‑TRIMOXAZOLE`, `cotrimoxazole` and a `wаrfarin` with a Cyrillic letter are found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

from bbflow.graph.knowledge_graph import KnowledgeGraph

_LOOKALIKES = str.maketrans(
    "авеікмнорстухѕјԁһАВЕІКМНОРСТУХЅЈαεικνορτυχΑΒΕΗΙΚΜΝΟΡΤΥΧ",
    "abeikmhopctyxsjdhABEIKMHOPCTYXSJaeikvoptuxABEHIKMNOPTYX",
)  # fmt: skip
"""Cyrillic and Greek letters to the Latin ones that they look like; `μ` stays, since it stands in units."""

_TOKEN = re.compile(
    r"(?P<word>\d+(?:[.,]\d+)*|[A-Za-zμ]+|%)"
    r"|(?P<stop>;|\n(?!\s*[-*•])|[.!?](?=\s+[^a-z\s]|\s*\Z)|(?<=[A-Za-z]{3})[.!?](?=\s))"
)
_SPELLING = re.compile(r"\d+(?:[.,]\d+)*|[a-zμ]+|%")


def fold_characters(text: str) -> tuple[str, list[int] | None]:
    """Folds everything but case.

    Returns:
        The folded text, and for each of its characters its place in the original; None where nothing moved.

    >>> fold_characters("Wаrfarın"[:6])[0]
    'Warfar'
    """
    if text.isascii():
        return text, None
    folded: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if unicodedata.category(character) == "Cf":  # zero-width characters, soft hyphens, direction marks
            continue
        plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c)).translate(_LOOKALIKES)
        folded.append(plain)
        places += [place] * len(plain)
    return "".join(folded), places


def spelling(name: str) -> str:
    """Returns what is the same for all spellings of a name: its letters and digits.

    >>> spelling("Co-Trimoxazole ") == spelling("cotrimoxazole")
    True
    """
    return "".join(_SPELLING.findall(fold_characters(name)[0].casefold()))


class Words:
    """A text cut into words and sentences.

    Attributes:
        words: Lower-case words and numbers.
        spans: Start and end of each in the original text.
        stops: Indices of words that a new sentence or line begins with.
    """

    __slots__ = ("spans", "stops", "words")

    def __init__(self, text: str) -> None:
        folded, places = fold_characters(text)
        self.words: list[str] = []
        self.spans: list[tuple[int, int]] = []
        self.stops: set[int] = {0}
        for match in _TOKEN.finditer(folded):
            if match.lastgroup == "stop":
                self.stops.add(len(self.words))
                continue
            start, end = match.span()
            self.words.append(match.group().lower())
            self.spans.append((start, end) if places is None else (places[start], places[end - 1] + 1))


class Mention(NamedTuple):
    """A place in a text where nodes are named: their ids, the words `first` to `last` (exclusive), the characters."""

    nodes: tuple[str, ...]
    first: int
    last: int
    span: tuple[int, int]


@dataclass(frozen=True)
class Names:
    """All names of a graph's nodes.

    Attributes:
        graph: The graph.
        nodes: Spelling to the nodes that have it.
        longest: First word of a name to how many words names that begin so have at most.
    """

    graph: KnowledgeGraph
    nodes: dict[str, tuple[str, ...]]
    longest: dict[str, int]

    def resolve(self, name: str, kinds: Collection[str] = ()) -> str | None:
        """Returns the one node with this name, synonym or id, of these kinds; None where there is none or are several."""
        if name in self.graph:
            return name if not kinds or self.graph.node(name).kind in kinds else None
        found = [n for n in self.nodes.get(spelling(name), ()) if not kinds or self.graph.node(n).kind in kinds]
        return found[0] if len(found) == 1 else None

    def mentions(self, text: Words) -> list[Mention]:
        """Finds the names in a text, the longest where several begin at a word."""
        words, found, i = text.words, [], 0
        if not self.longest.keys() & set(words):
            return []
        while i < len(words):
            for size in range(min(self.longest.get(words[i], 0), len(words) - i), 0, -1):
                nodes = self.nodes.get(words[i] if size == 1 else "".join(words[i : i + size]))
                if nodes:
                    found.append(Mention(nodes, i, i + size, (text.spans[i][0], text.spans[i + size - 1][1])))
                    i += size - 1
                    break
            i += 1
        return found


_KNOWN: WeakKeyDictionary[KnowledgeGraph, Names] = WeakKeyDictionary()


def names_of(graph: KnowledgeGraph) -> Names:
    """Returns the names of a graph, indexed once."""
    if graph not in _KNOWN:
        _KNOWN[graph] = _index(graph)
    return _KNOWN[graph]


def _index(graph: KnowledgeGraph) -> Names:
    nodes: dict[str, tuple[str, ...]] = {}
    longest: dict[str, int] = {}
    for node in graph.nodes():
        for name in (node.name, *node.synonyms):
            words, key = Words(name).words, spelling(name)
            if len(key) < 2 or node.id in nodes.get(key, ()):
                continue
            nodes[key] = (*nodes.get(key, ()), node.id)
            if node.kind == "Quantity":
                continue  # doses in a text are read as numbers
            longest[words[0]] = max(longest.get(words[0], 0), len(words))
            longest.setdefault(key, 1)  # written as one word
            for i in range(1, len(words)):  # the first words written as one
                joined = "".join(words[: i + 1])
                longest[joined] = max(longest.get(joined, 0), len(words) - i)
    return Names(graph, nodes, longest)
