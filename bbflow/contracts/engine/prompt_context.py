"""The context that a row's prompt gives, where the row itself gives no patient or says nothing of it: what advice may be held against.

`bbflow.text.prompt_context` reads the messages. Rows that speak of no person, or ask what to avoid, are left alone.
"""

from __future__ import annotations

from bbflow.contracts.engine.contraindications import ancestors
from bbflow.contracts.engine.patient_context import PatientContext, context_of, renal_function
from bbflow.contracts.engine.row import MalformedCell, Row
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.text.prompt_context import asks_for_patient, read_prompt


def asks_about_patient(row: Row) -> bool:
    """Return whether a row without a patient asks what a person should be given."""
    return row.memo(_asks)


def _asks(row: Row) -> bool:
    try:
        return asks_for_patient(row.prompt())
    except MalformedCell:  # which `response_not_empty` and the declared columns report
        return False


def context_from_prompt(row: Row, graph: KnowledgeGraph) -> PatientContext:
    """Return the conditions, allergies and medications of the user's messages, read once for all rules."""
    return row.memo(_context, graph)


def _context(row: Row, graph: KnowledgeGraph) -> PatientContext:
    found = read_prompt((text for _, text in row.asked()), graph)
    return PatientContext(found.conditions, found.medications, found.allergies, families=found.families, egfr=found.egfr)


def with_prompt(row: Row, graph: KnowledgeGraph) -> PatientContext:
    """Return the row's patient with what the prompt says and the patient does not, unless the prompt asks what to avoid."""
    return row.memo(_with_prompt, graph)


@memoize_per_graph
def _ancestors(graph: KnowledgeGraph, condition: str) -> frozenset[str]:
    return frozenset(ancestors(graph, condition))


def _with_prompt(row: Row, graph: KnowledgeGraph) -> PatientContext:
    said = context_from_prompt(row, graph) if asks_about_patient(row) else PatientContext()
    if row.cell("patient") is None:
        return context_from_prompt(row, graph)
    own = context_of(row, graph)
    known = set[str]().union(*(_ancestors(graph, condition) for condition in own.conditions)) if said.conditions else ()
    return PatientContext(
        conditions=[*own.conditions, *(condition for condition in said.conditions if condition not in known)],
        medications=list(dict.fromkeys((*own.medications, *said.medications))),
        allergies=list(dict.fromkeys((*own.allergies, *said.allergies))),
        unknown=own.unknown,
        families=said.families,
        egfr=said.egfr if renal_function(row) is None else None,
    )
