"""The context that a row's prompt gives where the row itself gives no patient: enough to find advice against what the question names.

`bbflow.text.prompt_context` reads the messages. Rows that speak of no person, or ask what to avoid, are left alone.
"""

from __future__ import annotations

from bbflow.contracts.engine.patient_context import PatientContext
from bbflow.contracts.engine.row import MalformedCell, Row, text_of
from bbflow.graph.knowledge_graph import KnowledgeGraph
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
    texts = [text_of(m.get("content"), "messages.content") for m in row.records("messages") if m.get("role") != "system"]
    found = read_prompt(texts, graph)
    return PatientContext(found.conditions, found.medications, found.allergies)
