"""Distractors: wrong options that only knowledge distinguishes from the right one.

They are drawn from the answers of the same metapath elsewhere in the graph, in proportion to their frequency, so an option's
popularity says little about whether it is right. No distractor answers the question.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence

from bbflow.graph.knowledge_graph import KnowledgeGraph


def draw(pool: Sequence[str], barred: Collection[str], count: int, rng: random.Random) -> list[str] | None:
    """Draw distinct wrong options.

    Args:
        pool: Answers of the metapath over the whole graph, repeated as often as they occur.
        barred: Nodes to exclude: every right answer, and the node that the question names.
        count: Number of options.
        rng: Source of randomness.

    Returns:
        The options, or None if the pool does not hold enough.
    """
    chosen: list[str] = []
    for _ in range(20 * count):
        candidate = pool[rng.randrange(len(pool))]
        if candidate not in barred and candidate not in chosen:
            chosen.append(candidate)
            if len(chosen) == count:
                return chosen
    return None


class Neighbourhoods:
    """Groups of nodes of one kind that are close: nodes that share a neighbour (two edges), or are parent and child (one).

    All members of a group are near each other, not only near the right answer: a set drawn from one group has no centre that
    would give the answer away.

    Attributes:
        all: Every group, in graph order.
        groups: Node to its groups.

    Args:
        graph: The graph.
        largest: Larger groups are left out, because sharing a very common neighbour is no likeness.
    """

    def __init__(self, graph: KnowledgeGraph, largest: int = 400) -> None:
        members: dict[tuple[str, str, str], list[str]] = {}
        for edge in graph.edges():
            for node, hub in ((edge.subject, edge.object), (edge.object, edge.subject)):
                members.setdefault((hub, edge.predicate, graph.node(node).kind), []).append(node)
                if edge.predicate == "subclass_of" and graph.node(node).kind == graph.node(hub).kind:
                    members[hub, edge.predicate, graph.node(node).kind].append(hub)
        distinct = dict.fromkeys(tuple(dict.fromkeys(nodes)) for nodes in members.values())
        self.all = [group for group in distinct if 2 <= len(group) <= largest]
        self.groups: dict[str, list[tuple[str, ...]]] = {}
        for group in self.all:
            for node in group:
                self.groups.setdefault(node, []).append(group)

    def draw(self, node: str, count: int, rng: random.Random, wrong: Callable[[str], bool]) -> list[str] | None:
        """Draw nodes that are close to one node and to each other.

        Args:
            node: The right answer.
            count: Number of nodes.
            rng: Source of randomness.
            wrong: Returns True for a node that certainly is no right answer.

        Returns:
            Distinct nodes, or None if no group that was tried holds enough.
        """
        groups = self.groups.get(node, ())
        for _ in range(min(4, len(groups))):
            group = groups[rng.randrange(len(groups))]
            if len(group) > count:
                chosen: list[str] = []
                for candidate in rng.sample(group, min(len(group), 8 * count)):
                    if candidate != node and wrong(candidate):
                        chosen.append(candidate)
                        if len(chosen) == count:
                            return chosen
        return None
