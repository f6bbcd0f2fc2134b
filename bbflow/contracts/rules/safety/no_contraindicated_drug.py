"""No recommended drug is contraindicated for the patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from bbflow.contracts.engine.contraindications import contraindications
from bbflow.contracts.engine.patient_context import context_of, recommended_drugs, recommends
from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.severity import FORBIDDING


@row_rule("recommended", "patient", when=recommends, group="safety of recommendations")
def no_contraindicated_drug(
    row: Row,
    graph: KnowledgeGraph,
    *,
    predicates: Sequence[Literal["contraindicated_in", "caution_in"]] = FORBIDDING,
) -> Iterator[str]:
    """No recommended drug is contraindicated in the patient's conditions, pregnancy or allergies.

    A condition counts with everything it is a kind of. An allergy may be an allergy of the graph, or the drug or drug class
    that the patient is allergic to; allergy to a drug counts for every drug that shares one of its contraindicated allergies.

    Args:
        row: The row; one that recommends nothing passes.
        graph: The graph.
        predicates: Edges that forbid; by default those of `bbflow.graph.severity`. What needs caution is the matter of `needs_no_caution`.
    """
    drugs, unknown = recommended_drugs(row, graph)
    context = context_of(row, graph)
    yield from (*unknown, *context.unknown)
    for drug, _ in drugs:
        yield from contraindications(graph, drug, context, predicates)
