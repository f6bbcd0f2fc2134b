"""Names in a graph, however they are spelt: which node a name means, and where in a text nodes are mentioned.

Case, spacing, punctuation, accents, ligatures, full-width forms, invisible characters and letters of other alphabets that look
Latin are folded, so that `CO‑TRIMOXAZOLE`, `cotrimoxazole` and a `wаrfarin` with a Cyrillic letter are found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakKeyDictionary

from bbflow.graph.knowledge_graph import KnowledgeGraph

_LOOKALIKES = str.maketrans(
    "авеікмнорстухѕјԁһԛԝӏАВЕІКМНОРСТУХЅЈαεικνορτυχΑΒΕΗΙΚΜΝΟΡΤΥΧօոսіᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢıȷɑɡłŁđĐøØħǀ",
    "abeikmhopctyxsjdhqwlABEIKMHOPCTYXSJaeikvoptuxABEHIKMNOPTYXonuiabcdefghijklmnoprstuvwyzijaglLdDoOhl",
)  # fmt: skip
"""Letters that look like Latin ones to these: Cyrillic, Greek, Armenian, small capitals, barred; `μ` stays, since it stands in units."""
_DIGIT_IN_WORD = re.compile(r"(?<=[A-Za-z]{4})[01]{1,2}(?=[A-Za-z])")
_READ_AS = str.maketrans("01", "ol")

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
        return _digits_read(text), None
    folded: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if unicodedata.category(character) == "Cf":  # zero-width characters, soft hyphens, direction marks
            continue
        if unicodedata.category(character) == "Pd":
            character = "-"
        plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c)).translate(_LOOKALIKES)
        folded.append(plain)
        places += [place] * len(plain)
    return _digits_read("".join(folded)), places


def _digits_read(text: str) -> str:
    """Reads 0 and 1 amid letters as the letters that they look like: `propran0lol`."""
    return _DIGIT_IN_WORD.sub(lambda digits: digits[0].translate(_READ_AS), text) if "0" in text or "1" in text else text


def spelling(name: str) -> str:
    """Returns what is the same for all spellings of a name: its letters and digits.

    >>> spelling("Co-Trimoxazole ") == spelling("cotrimoxazole")
    True
    """
    return "".join(_SPELLING.findall(fold_characters(name)[0].casefold()))


class Words:
    """A text cut into words and sentences.

    Attributes:
        text: The text.
        words: Lower-case words and numbers.
        stops: Indices of words that a new sentence or line begins with.
    """

    __slots__ = ("_folded", "_places", "_spans", "stops", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self._folded, self._places = fold_characters(text)
        self._spans: list[tuple[int, int]] | None = None
        self.words: list[str] = []
        self.stops: set[int] = {0}
        append = self.words.append
        for word, _ in _TOKEN.findall(self._folded.lower() if self._folded.islower() else self._folded):
            if word:
                append(word.lower())
            else:
                self.stops.add(len(self.words))

    @property
    def broken(self) -> bool:
        """Tells whether words may be broken by hyphens or at the end of a line."""
        return "-" in self._folded or "\n" in self._folded

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Returns the characters of the words from `first` to `last` (exclusive) in the original text.

        Places are worked out when one is asked for, since most texts have nothing to point at.
        """
        if self._spans is None:
            self._spans = [m.span() for m in _TOKEN.finditer(self._folded) if m.lastgroup == "word"]
        start, end = self._spans[first][0], self._spans[last - 1][1]
        return (start, end) if self._places is None else (self._places[start], self._places[end - 1] + 1)


class Mention(NamedTuple):
    """A place in a text where nodes are named: their ids, and the words `first` to `last` (exclusive)."""

    nodes: tuple[str, ...]
    first: int
    last: int


@dataclass(frozen=True)
class Names:
    """All names of a graph's nodes.

    Attributes:
        graph: The graph.
        nodes: Spelling to the nodes that have it.
        longest: First word of a name to how many words names that begin so have at most.
        resolved: What was looked up lately.
    """

    graph: KnowledgeGraph
    nodes: dict[str, tuple[str, ...]]
    longest: dict[str, int]
    resolved: dict[tuple[str, tuple[str, ...]], str | None] = field(default_factory=dict)

    def resolve(self, name: str, kinds: Collection[str] = ()) -> str | None:
        """Returns the one node with this name, synonym or id, of these kinds; None where there is none or are several."""
        key = (name, kinds if isinstance(kinds, tuple) else tuple(kinds))
        if key not in self.resolved:
            if len(self.resolved) >= _REMEMBERED:
                self.resolved.clear()
            self.resolved[key] = self._resolve(*key)
        return self.resolved[key]

    def _resolve(self, name: str, kinds: tuple[str, ...]) -> str | None:
        if name in self.graph:
            return name if not kinds or self.graph.node(name).kind in kinds else None
        found = [n for n in self.nodes.get(spelling(name), ()) if not kinds or self.graph.node(n).kind in kinds]
        return found[0] if len(found) == 1 else None

    def mentions(self, text: Words) -> list[Mention]:
        """Finds the names in a text, the longest where several begin at a word."""
        words, found, free = text.words, [], 0
        longest = self.longest
        starts = [i for i, word in enumerate(words) if word in longest]
        if text.broken:  # a name in two pieces: "war-farin"
            starts = sorted({*starts, *(i for i, pair in enumerate(map(str.__add__, words, words[1:])) if pair in self.nodes)})
        for i in starts:
            if i < free:
                continue
            for size in range(min(longest.get(words[i], 2), len(words) - i), 0, -1):
                nodes = self.nodes.get(words[i] if size == 1 else "".join(words[i : i + size]))
                if nodes:
                    found.append(Mention(nodes, i, i + size))
                    free = i + size
                    break
        return found


_REMEMBERED = 100_000
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
