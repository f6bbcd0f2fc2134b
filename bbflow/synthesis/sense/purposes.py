"""Purposes: what a drug is given for within one disease, by the attribute `purposes` of a treats edge."""

from __future__ import annotations

from collections.abc import Iterable

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph


@memoize_per_graph
def purposes(graph: KnowledgeGraph, drug: str, disease: str) -> tuple[str, ...]:
    """Return the purposes of a drug in a disease; one without a name where the graph tells none apart."""
    edge = graph.edge(drug, "treats", disease)
    return tuple(edge.attributes.get("purposes") or ("",)) if edge is not None else ()


def shared_purposes(graph: KnowledgeGraph, drugs: Iterable[str], disease: str) -> tuple[str, ...]:
    """Return the purposes that all drugs share in a disease, in the order of the first; empty if they are no alternatives."""
    first, *rest = [purposes(graph, drug, disease) for drug in drugs]
    return tuple(purpose for purpose in first if all(purpose in other for other in rest))


def is_first_line(graph: KnowledgeGraph, drug: str, disease: str) -> bool:
    """Return whether the graph names a drug as a first choice in a disease."""
    edge = graph.edge(drug, "treats", disease)
    return edge is not None and edge.attributes.get("line") == "first"


def is_later(graph: KnowledgeGraph, drug: str, disease: str) -> bool:
    """Return whether a drug is not for a patient who presents with a disease now: it prevents later attacks."""
    edge = graph.edge(drug, "treats", disease)
    return edge is not None and bool(edge.attributes.get("later"))
