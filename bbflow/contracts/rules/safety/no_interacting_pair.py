"""No recommended drug interacts with another or with what the patient takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bbflow.contracts.engine.contraindications import NOT_TOGETHER, duplicates, interactions
from bbflow.contracts.engine.patient_context import context_of, recommended_drugs, recommends
from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.graph.severity import NOT_FORBIDDING


@row_rule("recommended", "patient", when=recommends, group="safety of recommendations")
def no_interacting_pair(
    row: Row, graph: KnowledgeGraph, *, allowed: Sequence[str] = NOT_FORBIDDING, not_together: Sequence[str] = NOT_TOGETHER
) -> Iterator[str]:
    """No recommended drug must be kept from another recommended drug or from the patient's medications.

    Args:
        row: The row; one that recommends nothing passes.
        graph: The graph.
        not_together: Classes of which two drugs are one too many: duplicate therapy.
        allowed: Severities that are let through, by default those that forbid nothing (`bbflow.graph.severity`); moderate ones are the
            matter of `needs_no_caution`. Every other one is refused, also an interaction without a severity.
    """
    drugs, unknown = recommended_drugs(row, graph)
    context = context_of(row, graph)
    yield from (*unknown, *context.unknown)
    names = [drug for drug, _ in drugs]
    for i, drug in enumerate(names):
        others = dict.fromkeys((*names[i + 1 :], *context.medications))
        yield from interactions(graph, drug, others, allowed)
        yield from duplicates(graph, drug, others, not_together)
    called: dict[str, str] = {}
    for drug, recommendation in drugs:
        name = str(recommendation["drug"])
        if fold(called.setdefault(drug, name)) != fold(name):
            yield f"'{called[drug]}' and '{name}' are one drug, recommended twice"
