"""The context that a row's prompt gives, where the row itself gives no patient or says nothing of it: what advice may be held against.

`bbflow.text.prompt_context` reads the messages. What a prompt says and `patient` contradicts is not clear.
"""

from __future__ import annotations

from bbflow.contracts.engine.contraindications import ancestors
from bbflow.contracts.engine.patient_context import PatientContext, context_of, renal_function
from bbflow.contracts.engine.row import MalformedCell, Row
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.text.entity_linking import entity_linker
from bbflow.text.prompt_context import Facts, PromptContext, asks_for_patient, asks_what_to_avoid, read_prompt


def asks_about_patient(row: Row, graph: KnowledgeGraph) -> bool:
    """Return whether a row without a patient speaks of a person, in words or by facts such as "UTI, sulfa allergy"."""
    return row.memo(_asks, graph)


def _asks(row: Row, graph: KnowledgeGraph) -> bool:
    try:
        return any(asks_for_patient(text) for _, text in row.asked()) or context_from_prompt(row, graph).is_note
    except MalformedCell:  # which `response_not_empty` and the declared columns report
        return False


def asks_to_avoid(row: Row) -> bool | None:
    """Return whether the prompt asks for what must not be given; None where that is unclear."""
    return row.memo(_asks_to_avoid)


def _asks_to_avoid(row: Row) -> bool | None:
    if not row.has("messages"):
        return False
    try:
        asked = [asks_what_to_avoid(text) for _, text in row.asked()]
    except MalformedCell:
        return False
    return True if True in asked else None if None in asked else False


def context_from_prompt(row: Row, graph: KnowledgeGraph) -> PromptContext:
    """Return the facts of the messages, read once for all rules."""
    return row.memo(_context, graph)


def _context(row: Row, graph: KnowledgeGraph) -> PromptContext:
    return read_prompt((text for _, text in row.asked()), graph)


def with_prompt(row: Row, graph: KnowledgeGraph) -> PatientContext:
    """Return the row's patient with what the prompt says and the patient does not."""
    return row.memo(_with_prompt, graph)


@memoize_per_graph
def _ancestors(graph: KnowledgeGraph, condition: str) -> frozenset[str]:
    return frozenset(ancestors(graph, condition))


def _with_prompt(row: Row, graph: KnowledgeGraph) -> PatientContext:
    said = context_from_prompt(row, graph)
    staged = said.egfr is not None or any(graph.node(condition).kind == "RenalFunction" for condition in said.conditions)
    vague = [condition for condition in said.unclear.conditions if not (staged and _is_renal(graph, condition))]
    unclear = Facts(vague, said.unclear.medications, said.unclear.allergies, egfr=said.unclear.egfr)
    patient = row.cell("patient")
    if patient is None:
        return PatientContext(
            said.conditions, said.medications, said.allergies, families=said.families, egfr=said.egfr, unclear=unclear, words=said.words
        )
    own, egfr, conditions = context_of(row, graph), renal_function(row), said.conditions
    known = set[str]().union(*(_ancestors(graph, condition) for condition in own.conditions)) if conditions or unclear.conditions else ()
    conditions = [condition for condition in conditions if condition not in known]
    denied = _denied_pregnancy(patient, graph)
    if denied in conditions:
        unclear.conditions.append(denied)
        conditions = [condition for condition in conditions if condition != denied]
    unclear.conditions[:] = [c for c in unclear.conditions if c not in known and not (egfr is not None and _is_renal(graph, c))]
    unclear.egfr = None if egfr is not None else unclear.egfr
    return PatientContext(
        conditions=[*own.conditions, *conditions],
        medications=list(dict.fromkeys((*own.medications, *said.medications))),
        allergies=list(dict.fromkeys((*own.allergies, *said.allergies))),
        unknown=own.unknown,
        families=said.families,
        egfr=said.egfr if egfr is None else None,
        unclear=unclear,
        words=said.words,
    )


def _denied_pregnancy(patient: dict[str, object], graph: KnowledgeGraph) -> str | None:
    """Return the pregnancy of the graph where the patient is not pregnant or male."""
    if patient.get("pregnant") is False or patient.get("sex") == "male":
        return entity_linker(graph).resolve("pregnancy", ("PhysiologicalState", "Disease"))
    return None


def _is_renal(graph: KnowledgeGraph, condition: str) -> bool:
    node = graph.node(condition)
    return node.kind == "RenalFunction" or "egfr_below" in node.attributes or "renal" in node.name or "kidney" in node.name
