"""Statements: facts of the graph, verbalised in both directions, for supervised training only.

A closed-book policy may train on every edge as a statement; the questions are held out.
"""

from __future__ import annotations

import random
from itertools import accumulate
from typing import ClassVar

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Triple
from bbflow.synthesis.items.item import Item, Walk
from bbflow.synthesis.tasks.base import Task


class Statement(Task):
    """State facts about a node.

    Args:
        max_facts: Largest number of facts of one example.
    """

    name: ClassVar[str] = "statement"
    needs = "an edge"
    capabilities: ClassVar[tuple[str, ...]] = ()
    held_out: ClassVar[bool] = False

    def __init__(self, max_facts: int = 4) -> None:
        self.max_facts = max_facts

    def index(self, graph: KnowledgeGraph) -> int:
        """List the edges at each node."""
        self.edges: dict[str, list[Triple]] = {}
        for edge in graph.edges():
            self.edges.setdefault(edge.subject, []).append(edge.triple)
            self.edges.setdefault(edge.object, []).append(edge.triple)
        self.nodes = list(self.edges)
        self.weights = list(accumulate(len(edges) for edges in self.edges.values()))
        return len(self.nodes)

    def propose(self, rng: random.Random) -> Item | None:
        """Draw a node in proportion to its edges, then some of them."""
        node = rng.choices(self.nodes, cum_weights=self.weights)[0]
        edges = self.edges[node]
        told = rng.sample(edges, min(len(edges), rng.randint(1, self.max_facts)))
        return Item(self.name, (), Walk(node, ()), node, tuple(told), node, accepted=(node,))
