"""What a row speaks of is in the graph."""

from __future__ import annotations

from collections.abc import Iterator

from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph


@row_rule("entities", group="truth")
def entities_in_graph(row: Row, graph: KnowledgeGraph, *, at_least: int = 1) -> Iterator[str]:
    """Every entity is a node of the graph.

    Args:
        row: The row.
        graph: The graph.
        at_least: How many entities a row names at least.
    """
    entities = row.texts("entities")
    if len(entities) < at_least:
        yield f"names {len(entities)} entities, fewer than {at_least}"
    for entity in entities:
        if entity not in graph:
            yield f"entity '{entity}' is no node of the graph"


@row_rule("edges", group="truth")
def edges_in_graph(row: Row, graph: KnowledgeGraph, *, at_least: int = 1) -> Iterator[str]:
    """Every edge is an edge of the graph.

    Args:
        row: The row.
        graph: The graph.
        at_least: How many edges a row gives at least.
    """
    edges = row.triples()
    if len(edges) < at_least:
        yield f"gives {len(edges)} edges, fewer than {at_least}"
    for edge in edges:
        if not graph.has(*edge):
            yield f"{' '.join(edge)} is no edge of the graph"
