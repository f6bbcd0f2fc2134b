"""Loose truths: what would answer a question in a lesser or broader sense, and so is no wrong option of it."""

from __future__ import annotations

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.synthesis.items.item import Walk

LESSER = {
    "contraindicated_in": ("contraindicated_in", "caution_in", "interacts_with"),
    "caution_in": ("contraindicated_in", "caution_in", "interacts_with"),
    "treats": ("treats", "preventative_for_condition", "ameliorates_condition"),
}
"""Predicate to all predicates that say the same more or less strictly, itself among them."""


class LooseTruths:
    """Walks in the broadest sense.

    A *broad* walk starts near its start and goes on near every node that it reaches, along its predicates and every lesser form of
    them. *Near* a node are its broader and narrower terms (`subclass_of`), and the nodes that mean a part of the same (`overlaps`).
    The attribute `loosely` of a node counts as its edges.

    Args:
        graph: Source of the facts.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self._loosely: dict[tuple[str, str, bool], list[str]] = {}
        self._overlaps: dict[str, set[str]] = {}
        for node in graph.nodes():
            for predicate, objects in (node.attributes.get("loosely") or {}).items():
                for obj in (obj for obj in objects if obj in graph):
                    self._loosely.setdefault((node.id, predicate, True), []).append(obj)
                    self._loosely.setdefault((obj, predicate, False), []).append(node.id)
            for other in (other for other in node.attributes.get("overlaps") or () if other in graph):
                self._overlaps.setdefault(node.id, set()).add(other)
                self._overlaps.setdefault(other, set()).add(node.id)
        self._kin: dict[str, frozenset[str]] = {}
        self._steps: dict[tuple[str, str, bool], frozenset[str]] = {}
        self._ends: dict[tuple[str, tuple[tuple[str, bool], ...]], frozenset[str]] = {}

    def near(self, node: str) -> frozenset[str]:
        """Return a node with its broader and narrower terms and what overlaps with it."""
        return self.kin(node).union(self._overlaps.get(node, ()))

    def kin(self, node: str) -> frozenset[str]:
        """Return a node with its broader and narrower terms."""
        if node not in self._kin:
            found = {node}
            for up in (True, False):
                waiting = [node]
                while waiting:
                    beyond = self._directly(waiting.pop(), "subclass_of", up)
                    waiting += [n for n in beyond if n not in found]
                    found.update(beyond)
            self._kin[node] = frozenset(found)
        return self._kin[node]

    def _directly(self, node: str, predicate: str, forward: bool) -> list[str]:
        edges = self.graph.objects(node, predicate) if forward else self.graph.subjects(predicate, node)
        return [*edges, *self._loosely.get((node, predicate, forward), ())]

    def _step(self, node: str, predicate: str, forward: bool) -> frozenset[str]:
        """Return what one broad step leads to from a node, and what is near that."""
        key = (node, predicate, forward)
        if key not in self._steps:
            reached = {end for lesser in LESSER.get(predicate, (predicate,)) for end in self._directly(node, lesser, forward)}
            self._steps[key] = frozenset().union(*(self.near(end) for end in reached))
        return self._steps[key]

    def ends(self, walk: Walk) -> frozenset[str]:
        """Return every node that a broad walk can end in."""
        key = (walk.start, walk.steps)
        if key not in self._ends:
            here = self.near(walk.start)
            for predicate, forward in walk.steps:
                here = frozenset().union(*(self._step(node, predicate, forward) for node in here))
            self._ends[key] = here
        return self._ends[key]
