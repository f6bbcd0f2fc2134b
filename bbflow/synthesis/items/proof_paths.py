"""Ends and proofs of walks, for the tasks that build items. The solver follows walks by its own code."""

from __future__ import annotations

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Triple
from bbflow.synthesis.items.item import Walk


def walk_ends(graph: KnowledgeGraph, walk: Walk) -> set[str]:
    """Return the nodes in which a walk can end, depth first; a walk does not return to a node."""
    ends: set[str] = set()

    def go_on(passed: tuple[str, ...]) -> None:
        taken = len(passed) - 1
        if taken == len(walk.steps):
            ends.add(passed[-1])
            return
        predicate, forward = walk.steps[taken]
        for node in graph.objects(passed[-1], predicate) if forward else graph.subjects(predicate, passed[-1]):
            if node not in passed:
                go_on((*passed, node))

    go_on((walk.start,))
    return ends


def unique_path(graph: KnowledgeGraph, walk: Walk, end: str) -> tuple[Triple, ...] | None:
    """Return the only path of a walk that ends in a node; None if there is none, or several and so no unique proof.

    Visits only nodes from which the end can be reached, so that long walks in large graphs are affordable.
    """
    behind: list[set[str]] = [{end}]
    for predicate, forward in reversed(walk.steps):
        back = graph.subjects if forward else (lambda p, node: graph.objects(node, p))
        behind.append({n for node in behind[-1] for n in back(predicate, node)})
    behind.reverse()
    found: list[tuple[Triple, ...]] = []

    def go_on(here: str, passed: tuple[str, ...], edges: tuple[Triple, ...]) -> None:
        if len(found) > 1 or len(edges) == len(walk.steps):
            found.extend([edges] if here == end and len(edges) == len(walk.steps) else [])
            return
        predicate, forward = walk.steps[len(edges)]
        ahead = behind[len(edges) + 1]
        for there in graph.objects(here, predicate) if forward else graph.subjects(predicate, here):
            if there in ahead and there not in passed:
                go_on(there, (*passed, there), (*edges, (here, predicate, there) if forward else (there, predicate, here)))

    go_on(walk.start, (walk.start,), ())
    return found[0] if len(found) == 1 else None
