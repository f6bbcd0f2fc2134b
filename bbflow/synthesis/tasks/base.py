"""`Task`, the base class of task families. A family is one file with one subclass, named in a recipe by `class_path`.

A complete task, which asks for the drugs of a disease::

    class Treatments(Task):
        name = "treatments"
        capabilities = ("domain",)
        needs = "treats edges"

        def index(self, graph):
            self.walks = [Walk(node.id, (("treats", False),)) for node in graph.nodes("Disease")]
            self.walks = [walk for walk in self.walks if answers_of(graph, walk)]
            return len(self.walks)

        def propose(self, rng):
            walk = rng.choice(self.walks)
            drugs = tuple(sorted(answers_of(self.graph, walk)))
            gold = rng.choice(drugs)
            return Item(self.name, self.capabilities, walk, gold, ((gold, "treats", walk.start),), walk.start, accepted=drugs)

Its test generates a few examples and scores their references, as in `tests/synthesis/test_task_families.py`.
"""

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
    """Raised when an attempt yields an item of another split."""


class Task(ABC):
    """A family of questions.

    Attributes:
        name: Value of `task` in records.
        capabilities: Capabilities that its examples can name.
        fields: Optional fields of the record that an example fills if it names a capability that reads them.
        needs: Content that the graph must have; shown as a hint where it has none.
        held_out: False for text that is only trained on.
        wordings: The task's own template families: kind of question to split to templates. Those that ship are in
            `bbflow/synthesis/rendering/templates/`.
    """

    name: ClassVar[str]
    capabilities: ClassVar[tuple[str, ...]]
    fields: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[str] = ""
    held_out: ClassVar[bool] = True
    wordings: Wordings = MappingProxyType({})

    def prepare(self, graph: KnowledgeGraph) -> int:
        """Index the graph once; return the number of starting points (0: the task cannot be built from it)."""
        self.graph = graph
        return self.index(graph)

    @abstractmethod
    def index(self, graph: KnowledgeGraph) -> int:
        """Build look-ups; return the number of starting points."""

    @abstractmethod
    def propose(self, rng: random.Random) -> Item | None:
        """Draw one item, or None where the draw fails. The solver decides whether it is used."""

    def propose_together(self, rng: random.Random) -> list[Item]:
        """Draw items that are kept or dropped together, such as a request and its benign twin; most tasks draw one."""
        item = self.propose(rng)
        return [] if item is None else [item]

    def propose_in(self, rng: random.Random, split: Split) -> list[Item]:
        """Draw items for one split; a task may raise `WrongSplit` early, as soon as it knows that they belong to another."""
        return self.propose_together(rng)


class WalkTask(Task):
    """Base class of tasks that walk metapaths: for each metapath, its starts and the pool of answers."""

    metapaths: ClassVar[tuple[tuple[tuple[str, bool], ...], ...]]

    def index(self, graph: KnowledgeGraph) -> int:
        """List starts and answers of every metapath that the graph has."""
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
        """Draw a metapath in proportion to its starts, then a start."""
        steps, starts = rng.choices(self.starts, weights=[len(s) for _, s in self.starts])[0]
        return Walk(rng.choice(starts), steps)
