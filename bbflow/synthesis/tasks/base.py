"""What a task family is. A new one is a subclass in a file of its own, named in a recipe by `class_path`."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Split
from bbflow.synthesis.items.item import Item, Walk
from bbflow.synthesis.items.solver import answers_of

Wordings = Mapping[str, Mapping[str, list[str]]]


class WrongSplit(Exception):
    """A draw turns out to be for another split than the one that is wanted."""


class Task(ABC):
    """A family of questions.

    Attributes:
        name: Goes into each record's `task`.
        capabilities: Capabilities that its examples can name.
        fields: Optional fields of the record that an example fills wherever it names a capability that may read them.
        needs: What a graph must hold, told where it holds none of it.
        held_out: False for text that is only ever trained on.
        wordings: Template families that the task brings itself: kind of question to split to templates. Those that ship lie in
            `bbflow/synthesis/rendering/templates/`.
    """

    name: ClassVar[str]
    capabilities: ClassVar[tuple[str, ...]]
    fields: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[str] = ""
    held_out: ClassVar[bool] = True
    wordings: Wordings = MappingProxyType({})

    def prepare(self, graph: KnowledgeGraph) -> int:
        """Indexes the graph once; returns how many starting points it offers (0: the task cannot be built from it)."""
        self.graph = graph
        return self.index(graph)

    @abstractmethod
    def index(self, graph: KnowledgeGraph) -> int:
        """Builds look-ups; returns the number of starting points."""

    @abstractmethod
    def propose(self, rng: random.Random) -> Item | None:
        """Draws one item; None where this draw led nowhere. The solver decides whether it is good."""

    def propose_together(self, rng: random.Random) -> list[Item]:
        """Draws items that are used together or not at all, such as a request and its benign twin; most tasks draw one."""
        item = self.propose(rng)
        return [] if item is None else [item]

    def propose_in(self, rng: random.Random, split: Split) -> list[Item]:
        """Draws items for one split; a task that can tell before all is drawn that they would be for another raises `WrongSplit`."""
        return self.propose_together(rng)


class WalkTask(Task):
    """Shared by the tasks that walk metapaths: for each metapath its starts and the pool of answers."""

    metapaths: ClassVar[tuple[tuple[tuple[str, bool], ...], ...]]

    def index(self, graph: KnowledgeGraph) -> int:
        """Lists starts and answers of every metapath that the graph can walk."""
        self.starts: list[tuple[tuple[tuple[str, bool], ...], list[str]]] = []
        self.answers: dict[Walk, frozenset[str]] = {}
        self.in_order: dict[Walk, tuple[str, ...]] = {}
        self.pools: dict[tuple[tuple[str, bool], ...], list[str]] = {}
        for steps in self.metapaths:
            walks = {node.id: Walk(node.id, steps) for node in graph.nodes()}
            reached = {start: answers_of(graph, walk) for start, walk in walks.items()}
            starts = [start for start, answers in reached.items() if answers]
            if starts:
                self.starts.append((steps, starts))
                self.answers.update({walks[s]: frozenset(reached[s]) for s in starts})
                ordered = {walks[s]: tuple(sorted(reached[s])) for s in starts}
                self.in_order.update(ordered)
                self.pools[steps] = [answer for answers in ordered.values() for answer in answers]
        return sum(len(starts) for _, starts in self.starts)

    def draw_walk(self, rng: random.Random) -> Walk:
        """Draws a metapath in proportion to its starts, then a start."""
        steps, starts = rng.choices(self.starts, weights=[len(s) for _, s in self.starts])[0]
        return Walk(rng.choice(starts), steps)
