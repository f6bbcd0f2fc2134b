"""Names in a graph, however they are spelt: which node a name means, and where in a text nodes are mentioned.

Spelling is folded as `bbflow.text.tokenization` does, so that `CO‑TRIMOXAZOLE` and `cotrimoxazole` are one name.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.text.drug_classes import drug_classes
from bbflow.text.tokenization import TokenizedText, name_key


class Mention(NamedTuple):
    """A place in a text where nodes are named: their ids, and the words `first` to `last` (exclusive)."""

    nodes: tuple[str, ...]
    first: int
    last: int


class _Halves(dict[str, bool]):
    def __init__(self, names: Iterable[str]) -> None:
        self.names = sorted(names)

    def __missing__(self, word: str) -> bool:
        if len(self) >= _REMEMBERED:
            self.clear()
        after = bisect_right(self.names, word)
        self[word] = half = after < len(self.names) and self.names[after].startswith(word)
        return half


@dataclass(frozen=True)
class EntityLinker:
    """All names of a graph's nodes.

    Attributes:
        graph: The graph.
        nodes: Spelling to the nodes that have it.
        longest: First word of a name to how many words names that begin so have at most.
        halves: Word to whether a name begins with it and goes on.
        families: Spelling to the node of a family of drugs that goes by another name than its node, `UNKNOWN` where the graph has none; a
            mention of one has no nodes.
        resolved: What was looked up lately.
    """

    graph: KnowledgeGraph
    nodes: dict[str, tuple[str, ...]]
    longest: dict[str, int]
    halves: _Halves
    drug_classes: dict[str, str]
    resolved: dict[tuple[str, tuple[str, ...]], str | None] = field(default_factory=dict)

    def resolve(self, name: str, kinds: Collection[str] = ()) -> str | None:
        """Returns the one node with this name, synonym or id, of these kinds; None where there is none or are several."""
        key = (name, kinds if isinstance(kinds, tuple) else tuple(kinds))
        if key not in self.resolved:
            if len(self.resolved) >= _REMEMBERED:
                self.resolved.clear()
            self.resolved[key] = self._resolve(*key)
        return self.resolved[key]

    def candidates(self, name: str) -> tuple[str, ...]:
        """Returns every node with this name, synonym or id."""
        return (name,) if name in self.graph else self.nodes.get(name_key(name), ())

    def _resolve(self, name: str, kinds: tuple[str, ...]) -> str | None:
        if name in self.graph:
            return name if not kinds or self.graph.node(name).kind in kinds else None
        found = [n for n in self.nodes.get(name_key(name), ()) if not kinds or self.graph.node(n).kind in kinds]
        return found[0] if len(found) == 1 else None

    def family(self, text: TokenizedText, mention: Mention) -> str | None:
        """Returns the node of the family of drugs that a mention without nodes names; None where it names none."""
        return None if mention.nodes else self.drug_classes.get("".join(text.words[mention.first : mention.last]))

    def mentions(self, text: TokenizedText, starts: Sequence[int] | None = None) -> list[Mention]:
        """Finds the names in a text, the longest where several begin at a word.

        Args:
            text: The text.
            starts: Its words that a name begins with (`longest`), in order, where they are known.
        """
        words, nodes, longest, halves = text.words, self.nodes, self.longest, self.halves
        if starts is None:
            starts = [i for i, word in enumerate(words) if word in longest]
        if text.broken:  # a name in two pieces: "war-farin"
            torn = [i for i, word in enumerate(words[:-1]) if halves[word] and word + words[i + 1] in nodes]
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
                if not halves[key]:
                    break
                key += words[end - 1]
                if key in nodes:
                    named, after = nodes[key], end
            if named is not None:
                found.append(Mention(named, i, after))
                free = after
        return found


_REMEMBERED = 100_000


@memoize_per_graph
def entity_linker(graph: KnowledgeGraph) -> EntityLinker:
    """Returns the names of a graph, indexed once."""
    nodes: dict[str, tuple[str, ...]] = {}
    longest: dict[str, int] = {}
    for node in graph.nodes():
        plurals = [f"{name}s" for name in (node.name, *node.synonyms)] if node.kind == "DrugClass" else []
        for name in (node.name, *node.synonyms, *plurals):
            key = name_key(name)
            if len(key) < 2 or node.id in nodes.get(key, ()):
                continue
            nodes[key] = (*nodes.get(key, ()), node.id)
            if node.kind != "Quantity":  # doses in a text are read as numbers
                _note_length(longest, name)
    others = {name_key(form): (form, node) for name, node in drug_classes(graph).items() for form in (name, f"{name}s")}
    others = {key: found for key, found in others.items() if key not in nodes}
    for key, (name, _) in others.items():
        nodes[key] = ()
        _note_length(longest, name)
    return EntityLinker(graph, nodes, longest, _Halves(nodes), {key: node for key, (_, node) in others.items()})


def _note_length(longest: dict[str, int], name: str) -> None:
    words, key = TokenizedText(name).words, name_key(name)
    longest[words[0]] = max(longest.get(words[0], 0), len(words))
    longest.setdefault(key, 1)  # written as one word
    for i in range(1, len(words)):  # the first words written as one
        joined = "".join(words[: i + 1])
        longest[joined] = max(longest.get(joined, 0), len(words) - i)
