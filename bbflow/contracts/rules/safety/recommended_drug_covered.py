"""The graph can vouch for a recommended drug: where it is silent, silence means safety."""

from __future__ import annotations

from collections.abc import Iterator

from bbflow.contracts.engine.patient_context import context_of, recommended_drugs, recommends
from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph


@row_rule("recommended", "patient", when=recommends, group="safety of recommendations")
def recommended_drug_covered(row: Row, graph: KnowledgeGraph) -> Iterator[str]:
    """The graph has judged every recommended drug against everything in the patient's context.

    A missing edge is not safety: the drug must declare complete coverage for each condition, pregnancy, allergy and
    medication, but for the disease that it treats.

    Args:
        row: The row; one that recommends nothing passes.
        graph: The graph.
    """
    drugs, unknown = recommended_drugs(row, graph)
    context = context_of(row, graph)
    yield from (*unknown, *context.unknown)
    for drug, _ in drugs:
        for node in (*context.conditions, *context.allergies, *context.medications):
            if not graph.has(drug, "treats", node) and not graph.covers(drug, node):
                yield f"the graph has not judged {graph.name_of(drug)} against {graph.name_of(node)}"
