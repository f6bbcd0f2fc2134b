"""No recommended drug is contraindicated at the patient's renal function."""

from __future__ import annotations

from collections.abc import Iterator

from bbflow.contracts.engine.contraindications import renal_conditions, renal_contraindications
from bbflow.contracts.engine.patient_context import recommended_drugs, recommends, renal_function
from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph


@row_rule("recommended", "patient", when=lambda row: recommends(row) and renal_function(row) is not None, group="safety of recommendations")
def no_renal_contraindication(row: Row, graph: KnowledgeGraph) -> Iterator[str]:
    """No recommended drug is contraindicated at the patient's renal function.

    The eGFR (mL/min/1.73 m2) is read as the stages of KDIGO 2012: below 15, 30, 60 and 90 the patient has the renal conditions of
    the graph that carry these names. An edge or a node may state its own limit as `egfr_below`.

    Args:
        row: The row; one that recommends nothing or gives no eGFR passes.
        graph: The graph.
    """
    drugs, unknown = recommended_drugs(row, graph)
    yield from unknown
    egfr = renal_function(row)
    if egfr is None:
        return
    if drugs and not renal_conditions(graph, 0.0) and not any("egfr_below" in e.attributes for e in graph.edges("contraindicated_in")):
        yield "the graph knows no renal impairment, so the eGFR cannot be checked"
    for drug, _ in drugs:
        yield from renal_contraindications(graph, drug, egfr)
