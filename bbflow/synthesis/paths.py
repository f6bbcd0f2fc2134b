"""The path behind an answer: the edges that lead from the start of a walk to one of its ends."""

from __future__ import annotations

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Triple
from bbflow.synthesis.items import Walk


def path_to(graph: KnowledgeGraph, walk: Walk, end: str) -> tuple[Triple, ...] | None:
    """Returns the one path of a walk that ends in a node; None where there is none, or several and so no unique proof."""
    paths: list[tuple[str, tuple[Triple, ...]]] = [(walk.start, ())]
    for predicate, forward in walk.steps:
        longer = []
        for here, edges in paths:
            for there in graph.objects(here, predicate) if forward else graph.subjects(predicate, here):
                if there != walk.start and all(there not in (s, o) for s, _, o in edges[:-1]):
                    edge = (here, predicate, there) if forward else (there, predicate, here)
                    longer.append((there, (*edges, edge)))
        paths = longer
    found = [edges for here, edges in paths if here == end]
    return found[0] if len(found) == 1 else None
