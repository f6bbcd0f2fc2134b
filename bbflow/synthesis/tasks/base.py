"""`Task`, the base class of task families. A family is one file with one subclass, named in a recipe by `class_path`.

A complete task, which asks for the drugs of a disease::

    class Treatments(Task):
        name = "treatments"
        capabilities = ("domain",)
        needs = "treats edges"

        def index(self, graph):
            backward = (("treats", False),)  # from object to subject: from a disease to its drugs
            self.walks = [Walk(start=node.id, steps=backward) for node in graph.nodes("Disease")]
            self.walks = [walk for walk in self.walks if walk_ends(graph, walk)]
            return len(self.walks)  # the number of starting points

        def propose(self, rng):
            walk = rng.choice(self.walks)
            drugs = tuple(sorted(walk_ends(self.graph, walk)))
            gold = rng.choice(drugs)
            return Item(
                task=self.name,
                capabilities=self.capabilities,
                query=walk,
                gold=gold,
                edges=((gold, "treats", walk.start),),
                cluster=walk.start,
                accepted=drugs,
            )

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
from bbflow.synthesis.items.distractors import draw
from bbflow.synthesis.items.item import Item, Walk
from bbflow.synthesis.items.proof_paths import walk_ends
from bbflow.synthesis.sense.walks import WalkSense

Wordings = Mapping[str, Mapping[str, list[str]]]
"""Dict from a kind of question to a dict from a split to templates."""

Steps = tuple[tuple[str, bool], ...]
"""Steps of a walk as (predicate, forward): forward from subject to object, else from object to subject."""


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
        wordings: Template families of this task: dict from a kind of question to a dict from a split to templates. Those that ship
            are in `bbflow/synthesis/rendering/templates/`.
    """

    name: ClassVar[str]
    capabilities: ClassVar[tuple[str, ...]]
    fields: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[str] = ""
    held_out: ClassVar[bool] = True
    wordings: Wordings = MappingProxyType({})

    def prepare(self, graph: KnowledgeGraph) -> int:
        """Index the graph once and return the number of starting points; 0 if the graph has no content for the task."""
        self.graph = graph
        return self.index(graph)

    @abstractmethod
    def index(self, graph: KnowledgeGraph) -> int:
        """Build look-ups and return the number of starting points, from which `propose` draws; 0 if the graph has none."""

    @abstractmethod
    def propose(self, rng: random.Random) -> Item | None:
        """Return one item drawn at random; None if no valid item was drawn. The solver decides whether the item is used."""

    def propose_together(self, rng: random.Random) -> list[Item]:
        """Return items that are kept or dropped together; empty if no valid item was drawn.

        By default this is the one item of `propose`. Override it for items that belong together, such as a request and its benign twin.
        """
        item = self.propose(rng)
        return [] if item is None else [item]

    def propose_in(self, rng: random.Random, split: Split) -> list[Item]:
        """Return the items of one attempt for a split; the pipeline calls this method, which calls the two above.

        Override it to save time where a task knows the split of an item early.

        Raises:
            WrongSplit: The items belong to another split.
        """
        return self.propose_together(rng)


class WalkTask(Task):
    """Base class of tasks that walk metapaths.

    Attributes:
        metapaths: The metapaths, each as steps.
        always_choice: Whether every question offers options.
        starts: Each metapath that the graph has, with the nodes that it can start from.
        answers: Dict from a walk to its ends.
        in_order: Dict from a walk to its ends, sorted.
        pools: Dict from a metapath and a kind of node to the ends of that kind of all its walks, with repetitions.
        sense: Judgement of starts and options.
    """

    metapaths: ClassVar[tuple[Steps, ...]]
    always_choice: ClassVar[bool] = False

    def index(self, graph: KnowledgeGraph) -> int:
        """List starts and answers of every metapath that the graph has."""
        self.starts: list[tuple[Steps, list[str]]] = []
        self.answers: dict[Walk, frozenset[str]] = {}
        self.in_order: dict[Walk, tuple[str, ...]] = {}
        self.pools: dict[tuple[Steps, str], list[str]] = {}
        self.sense = WalkSense(graph)
        self._barred: dict[tuple[Walk, str], frozenset[str]] = {}
        for steps in self.metapaths:
            walks = {node.id: Walk(node.id, steps) for node in graph.nodes()}
            reached = {start: walk_ends(graph, walk) for start, walk in walks.items()}
            starts = [start for start, ends in reached.items() if ends and self.sense.can_start(walks[start], self.always_choice)]
            if starts:
                self.starts.append((steps, starts))
                self.answers.update({walks[s]: frozenset(reached[s]) for s in starts})
                ordered = {walks[s]: tuple(sorted(reached[s])) for s in starts}
                self.in_order.update(ordered)
                for answer in (answer for answers in ordered.values() for answer in answers):
                    self.pools.setdefault((steps, graph.node(answer).kind), []).append(answer)
        return sum(len(starts) for _, starts in self.starts)

    def draw_walk(self, rng: random.Random) -> Walk:
        """Draw a metapath in proportion to its starts, then a start."""
        steps, starts = rng.choices(self.starts, weights=[len(s) for _, s in self.starts])[0]
        return Walk(rng.choice(starts), steps)

    def wrong_options(self, walk: Walk, gold: str, count: int, rng: random.Random) -> list[str] | None:
        """Draw wrong options of the kind of the right one; None if the question cannot be a choice, or there are too few."""
        if not self.sense.can_start(walk, choice=True) or not self.sense.can_be_right(walk, gold, choice=True):
            return None
        key = (walk, self.graph.node(gold).kind)
        if key not in self._barred:
            pool = dict.fromkeys(self.pools[walk.steps, key[1]])
            self._barred[key] = self.sense.barred(walk).union(node for node in pool if not self.sense.is_judged(walk, node))
        return draw(self.pools[walk.steps, key[1]], self._barred[key], count, rng)
