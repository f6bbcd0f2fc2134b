"""No recommended drug is contraindicated for the patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from bbflow.contracts.clinical import ancestors, context_of, recommended_drugs, recommends
from bbflow.contracts.row import Row
from bbflow.contracts.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph


@row_rule("recommended", "patient", when=recommends)
def no_contraindicated_drug(
    row: Row,
    graph: KnowledgeGraph,
    *,
    predicates: Sequence[Literal["contraindicated_in", "caution_in"]] = ("contraindicated_in",),
) -> Iterator[str]:
    """No recommended drug is contraindicated in the patient's conditions, pregnancy or allergies.

    A condition counts with everything it is a kind of. An allergy may be an allergy of the graph, or the drug or drug class
    that the patient is allergic to; allergy to a drug counts for every drug that shares one of its contraindicated allergies.

    Args:
        row: The row; one that recommends nothing passes.
        graph: The graph.
        predicates: Edges that forbid.
    """
    drugs, unknown = recommended_drugs(row, graph)
    context = context_of(row, graph)
    yield from (*unknown, *context.unknown)
    for drug, _ in drugs:
        for condition in (*context.conditions, *context.allergies):
            for node in ancestors(graph, condition):
                yield from (f"{graph.name_of(drug)} {p} {graph.name_of(node)}" for p in predicates if graph.has(drug, p, node))
        for allergy in context.allergies:
            if allergy in ancestors(graph, drug):
                yield f"{graph.name_of(drug)} is what the patient is allergic to: {graph.name_of(allergy)}"
            elif graph.node(allergy).kind in ("Drug", "DrugClass"):
                for shared in sorted(_allergies(graph, allergy) & _allergies(graph, drug)):
                    yield f"{graph.name_of(drug)} shares {graph.name_of(shared)} with {graph.name_of(allergy)}"


def _allergies(graph: KnowledgeGraph, drug: str) -> set[str]:
    return {node for node in graph.objects(drug, "contraindicated_in") if graph.node(node).kind == "Allergy"}
