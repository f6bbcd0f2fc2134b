"""Wrong options that only knowledge can tell from the right one.

They are drawn from the answers that the same metapath gives elsewhere in the graph, as often as it gives them, so an
option's popularity says little about whether it is right; none of them answers the question.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence

from bbflow.graph.knowledge_graph import KnowledgeGraph


def draw(pool: Sequence[str], barred: Collection[str], count: int, rng: random.Random) -> list[str] | None:
    """Draws distinct wrong options.

    Args:
        pool: Answers of the metapath over the whole graph, repeated as often as they occur.
        barred: What may not be drawn: whatever answers the question, and what it asks about.
        count: How many to draw.
        rng: Source of randomness.

    Returns:
        The options, or None where the pool does not hold enough.
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
    """Nodes of one kind that lie near each other: what shares a parent or any other neighbour (two edges), or is parent and child (one).

    All members of a group are near each other, not only near the right answer: a set drawn from one group has no centre that
    would give the answer away.

    Attributes:
        all: Every group, in graph order.
        groups: Node to the groups it is in.

    Args:
        graph: Whose nodes.
        largest: Groups of more nodes are left out: what is near to everything is near to nothing.
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
        """Draws nodes near one node and near each other.

        Args:
            node: The right answer.
            count: How many to draw.
            rng: Source of randomness.
            wrong: Whether a node is surely no right answer.

        Returns:
            Distinct nodes, or None where no group that was tried holds enough.
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
