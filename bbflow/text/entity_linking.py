"""Finds mentions of graph nodes in text and resolves names to node ids.

Names are compared by `name_key`, so that `CO‑TRIMOXAZOLE` and `cotrimoxazole` are one name; the longest name wins where several begin at
a word. Brands are synonyms of the graph; abbreviations, other brands and other names of families come from `drug_names.yaml`. Classes of
drugs are known in the plural and by the allergies of the graph, so that `NSAIDs` is found where the graph has an `NSAID allergy` alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.text.lexicon.drug_classes import UNKNOWN, drug_classes
from bbflow.text.lexicon.drug_names import drug_names
from bbflow.text.lexicon.other_drugs import other_drugs
from bbflow.text.normalization import name_key, normalize
from bbflow.text.tokenization import TokenizedText

_CACHE_SIZE = 100_000
"""Entries of a cache of words or names, after which it is emptied."""


class Mention(NamedTuple):
    """A name in a text.

    Attributes:
        nodes: Ids of the nodes with this name; empty for a class of drugs or a drug that the graph does not have.
        first: Its first word.
        last: The word after its last.
    """

    nodes: tuple[str, ...]
    first: int
    last: int


class _NamePrefixes(dict[str, bool]):
    """Dict from a word to whether some name begins with it and is longer; filled on demand."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = sorted(names)

    def __missing__(self, word: str) -> bool:
        if len(self) >= _CACHE_SIZE:
            self.clear()
        after = bisect_right(self.names, word)
        self[word] = is_prefix = after < len(self.names) and self.names[after].startswith(word)
        return is_prefix


@dataclass(frozen=True)
class NameIndex:
    """Names to look for in texts.

    Attributes:
        nodes: Dict from a spelling (`name_key`) to the node ids with it.
        longest: Dict from the first word of a name to the number of words of the longest name that it begins.
        prefixes: Dict from a word to whether some name begins with it and is longer.
    """

    nodes: dict[str, tuple[str, ...]]
    longest: dict[str, int]
    prefixes: _NamePrefixes

    @classmethod
    def of(cls, names: Iterable[str]) -> NameIndex:
        """Return the index of names that mean themselves.

        >>> index = NameIndex.of(["test", "blood test"])
        >>> [mention.nodes for mention in index.mentions(TokenizedText("a blood-test, then another test"))]
        [('blood test',), ('test',)]
        """
        nodes: dict[str, tuple[str, ...]] = {}
        longest: dict[str, int] = {}
        for name in names:
            if key := name_key(name):
                nodes[key] = (name,)
                _note_length(longest, name)
        return cls(nodes, longest, _NamePrefixes(nodes))

    def mentions(self, text: TokenizedText, starts: Sequence[int] | None = None, longest: dict[str, int] | None = None) -> list[Mention]:
        """Find the names in a text, the longest where several begin at a word.

        Args:
            text: The text.
            starts: The words of the text that a name begins with, in order, where they are known.
            longest: Replaces the attribute `longest`; None keeps it.
        """
        words, nodes, prefixes = text.words, self.nodes, self.prefixes
        longest = self.longest if longest is None else longest
        if starts is None:
            starts = [i for i, word in enumerate(words) if word in longest]
        if text.broken:  # a name in two pieces: "war-farin"
            torn = [i for i, word in enumerate(words[:-1]) if prefixes[word] and word + words[i + 1] in nodes and _is_torn(text, i)]
            starts = sorted({*starts, *torn}) if torn else starts
        found: list[Mention] = []
        free = 0
        for i in starts:
            if i < free:
                continue
            key = words[i]
            named, after = nodes.get(key), i + 1
            last = min(i + longest.get(key, 2), len(words))
            for end in range(i + 2, last + 1):
                if not prefixes[key]:
                    break
                key += words[end - 1]
                if key in nodes:
                    named, after = nodes[key], end
            if named is not None:
                found.append(Mention(named, i, after))
                free = after
        return found


@dataclass(frozen=True)
class EntityLinker(NameIndex):
    """The names of a graph's nodes, the plurals of its classes of drugs, and families: classes of drugs by other names.

    Attributes:
        graph: The graph.
        drug_classes: Dict from the spelling of a family to the node that defines it, `UNKNOWN` if the graph has none.
        other_drugs: Dict from the spelling of a drug that the graph does not have to the node of its class, `UNKNOWN` if it has none.
        dosed: Dict from a spelling that means a drug only if a dose follows to the drug.
        with_amounts: `longest` with the names of amounts as well, which readers of doses leave aside.
        resolved: Cache of `resolve`.
    """

    graph: KnowledgeGraph
    drug_classes: dict[str, str]
    other_drugs: dict[str, str]
    dosed: dict[str, str]
    with_amounts: dict[str, int]
    resolved: dict[tuple[str, tuple[str, ...]], str | None] = field(default_factory=dict)

    def resolve(self, name: str, kinds: Collection[str] = ()) -> str | None:
        """Return the one node with this name, synonym or id, of these kinds; None if there is none or several."""
        key = (name, kinds if isinstance(kinds, tuple) else tuple(kinds))
        if key not in self.resolved:
            if len(self.resolved) >= _CACHE_SIZE:
                self.resolved.clear()
            self.resolved[key] = self._resolve(*key)
        return self.resolved[key]

    def candidates(self, name: str) -> tuple[str, ...]:
        """Return every node with this name, synonym or id."""
        return (name,) if name in self.graph else self.nodes.get(name_key(name), ())

    def _resolve(self, name: str, kinds: tuple[str, ...]) -> str | None:
        if name in self.graph:
            return name if not kinds or self.graph.node(name).kind in kinds else None
        found = [n for n in self.nodes.get(name_key(name), ()) if not kinds or self.graph.node(n).kind in kinds]
        return found[0] if len(found) == 1 else None

    def family(self, text: TokenizedText, mention: Mention) -> str | None:
        """Return the node of the family of drugs that a mention without nodes names; None if it names no family."""
        return None if mention.nodes else self.drug_classes.get("".join(text.words[mention.first : mention.last]))

    def other_drug(self, text: TokenizedText, mention: Mention) -> str | None:
        """Return the node of the class of a drug that the graph does not have; None if a mention names no such drug."""
        return None if mention.nodes else self.other_drugs.get("".join(text.words[mention.first : mention.last]))

    def with_salts(self, text: TokenizedText, drug: Mention) -> Mention:
        """Return the mention of a drug with the salt or ester that is written next to it: "losartan potassium", "sodium valproate"."""
        words, salts, (nodes, first, last) = text.words, drug_names().salts, drug
        while last < len(words) and words[last] in salts and last not in text.stops and not separated(text, last):
            last += 1
        if first and words[first - 1] in salts and first not in text.stops and not separated(text, first):
            first -= 1
        return drug if (first, last) == drug[1:] else Mention(nodes, first, last)


@memoize_per_graph
def entity_linker(graph: KnowledgeGraph) -> EntityLinker:
    """Return the linker of a graph, built once."""
    nodes: dict[str, tuple[str, ...]] = {}
    longest, with_amounts = dict[str, int](), dict[str, int]()
    for node in graph.nodes():
        plurals = [f"{name}s" for name in (node.name, *node.synonyms)] if node.kind == "DrugClass" else []
        for name in (node.name, *node.synonyms, *plurals):
            key = name_key(name)
            if len(key) < 2 or node.id in nodes.get(key, ()):
                continue
            nodes[key] = (*nodes.get(key, ()), node.id)
            _note_length(with_amounts, name)
            if node.kind != "Quantity":  # doses in a text are read as numbers
                _note_length(longest, name)

    def add(names: dict[str, tuple[str, str]], as_node: bool = False) -> dict[str, str]:
        """Add names by their spelling, except those that are known; return the node of each."""
        new = {key: found for key, found in names.items() if key not in nodes}
        for key, (name, node) in new.items():
            nodes[key] = (node,) if as_node else ()
            _note_length(longest, name)
            _note_length(with_amounts, name)
        return {key: node for key, (_, node) in new.items()}

    names = drug_names()
    add(_names_of_drugs(graph, names.drugs), as_node=True)
    families = add({name_key(form): (form, node) for name, node in drug_classes(graph).items() for form in (name, f"{name}s")})
    others = other_drugs()
    unlisted = {name_key(name): (name, UNKNOWN) for name in others.names}
    other_names = add(
        {name_key(n): (n, _class_node(graph, drug_class)) for drug_class, drugs in others.classes.items() for n in drugs} | unlisted
    )
    add({name_key(name): (name, UNKNOWN) for name in others.nutrients})
    dosed = {key: node for key, (_, node) in _names_of_drugs(graph, names.drugs_with_dose).items()}
    return EntityLinker(nodes, longest, _NamePrefixes(nodes), graph, families, other_names, dosed, with_amounts)


def _class_node(graph: KnowledgeGraph, name: str) -> str:
    """Return the node of a class of drugs or of an allergy by its name; `UNKNOWN` if the graph has none."""
    return next(
        (node.id for kind in ("DrugClass", "Allergy") for node in graph.nodes(kind) if name in (node.name, *node.synonyms)), UNKNOWN
    )


def _is_torn(text: TokenizedText, word: int) -> bool:
    """Return whether a hyphen or the end of a line stands between a word and the next one."""
    between = text.text[text.span(word, word + 1)[1] : text.span(word + 1, word + 2)[0]]
    return "-" in normalize(between) or "\n" in between


def _names_of_drugs(graph: KnowledgeGraph, names: dict[str, list[str]]) -> dict[str, tuple[str, str]]:
    """Return spellings of other names of the drugs that a graph has, each with the name and the node."""
    drugs = {name_key(name): node.id for node in graph.nodes("Drug") for name in (node.name, *node.synonyms)}
    return {name_key(name): (name, drugs[key]) for drug, known in names.items() if (key := name_key(drug)) in drugs for name in known}


def _note_length(longest: dict[str, int], name: str) -> None:
    """Enter a name of so many words under its first word, and under its first words written as one."""
    words, key = TokenizedText(name).words, name_key(name)
    if not words:
        return
    longest[words[0]] = max(longest.get(words[0], 0), len(words))
    longest.setdefault(key, 1)  # written as one word
    for i in range(1, len(words)):  # the first words written as one
        joined = "".join(words[: i + 1])
        longest[joined] = max(longest.get(joined, 0), len(words) - i)


def mentions(graph: KnowledgeGraph, text: str) -> list[str]:
    """Return the nodes that a text names, amounts included, in order; a name that several nodes share names none.

    >>> from bbflow.testing import GRAPH
    >>> mentions(GRAPH, "Propran0lol and am-lodipine")
    ['drug:propranolol', 'drug:amlodipine']
    """
    linker = entity_linker(graph)
    return [m.nodes[0] for m in linker.mentions(TokenizedText(text), longest=linker.with_amounts) if len(m.nodes) == 1]


def spellings(graph: KnowledgeGraph, text: str, nodes: Collection[str]) -> list[str]:
    """Return the names of nodes as a text writes them.

    >>> from bbflow.testing import GRAPH
    >>> spellings(GRAPH, "Not propran0lol.", ["drug:propranolol"])
    ['propran0lol']
    """
    linker, words = entity_linker(graph), TokenizedText(text)
    found = linker.mentions(words, longest=linker.with_amounts)
    spans = (words.span(m.first, m.last) for m in found if len(m.nodes) == 1 and m.nodes[0] in nodes)
    return [text[start:end] for start, end in spans]


def separated(text: TokenizedText, word: int) -> bool:
    """Return whether more than spaces and hyphens separates a word from the one before it."""
    return text.text[text.span(word - 1, word)[1] : text.span(word, word + 1)[0]].strip(" -(") != ""
