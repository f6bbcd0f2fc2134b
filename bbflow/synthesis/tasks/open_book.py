"""Open-book questions: the facts are in the prompt, and whole entities are held out."""

from __future__ import annotations

import random
from typing import ClassVar

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Split, Triple
from bbflow.synthesis.splits import entity_split
from bbflow.synthesis.tasks.metapath_question import MetapathQuestion


class OpenBook(MetapathQuestion):
    """Ask along metapaths, with the facts in the prompt among others that resemble them.

    No training example names an entity of the held-out splits, and start and answer of a held-out question are both entities of
    its split: the score measures reading and reasoning, and memory of facts does not help.

    Args:
        metapaths: YAML file of metapaths; null: those that ship.
        hops: Numbers of edges of a question.
        num_options: Number of options.
        facts: Number of facts in the prompt.
    """

    name: ClassVar[str] = "open_book"
    open_book: ClassVar[bool] = True

    def __init__(self, metapaths: str | None = None, hops: list[int] | None = None, num_options: int = 3, facts: int = 8) -> None:
        super().__init__(metapaths, hops, num_options)
        self.facts = facts

    def index(self, graph: KnowledgeGraph) -> int:
        """Also index facts by predicate and by node: those allowed in training, and all."""
        self.alike: dict[tuple[bool, str], list[Triple]] = {}
        self.touching: dict[tuple[bool, str], list[Triple]] = {}
        for edge in graph.edges():
            ends = (edge.subject, edge.object)
            seen = all(entity_split(node, graph.salt) == "train" for node in ends)
            for training in (True, False) if seen else (False,):
                self.alike.setdefault((training, edge.predicate), []).append(edge.triple)
                for node in ends:
                    self.touching.setdefault((training, node), []).append(edge.triple)
        return super().index(graph)

    def _evidence(self, edges: tuple[Triple, ...], split: Split, rng: random.Random) -> tuple[Triple, ...]:
        """Return the proof and other facts, half with one of its predicates and half about one of its entities, in random order."""
        training = split == "train"
        told = dict.fromkeys(edges)
        for turn in range(6 * self.facts):
            if len(told) >= self.facts:
                break
            edge = rng.choice(edges)
            pool = self.alike.get((training, edge[1])) if turn % 2 else self.touching.get((training, rng.choice((edge[0], edge[2]))))
            if pool:
                told.setdefault(rng.choice(pool))
        facts = list(told)
        rng.shuffle(facts)
        return tuple(facts)
