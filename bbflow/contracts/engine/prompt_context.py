"""What a prompt says of a person where the row itself gives no patient: enough to catch advice against what the question names.

Read are the conditions, allergies and drugs of the graph that the user's messages name and do not deny. A question after what to avoid
(`Which drug is contraindicated in asthma?`) is no request for advice, and its right answer names the very drug; such rows, and those that
speak of no person, are left alone. English only.
"""

from __future__ import annotations

import re

from bbflow.contracts.engine.patient_context import PatientContext
from bbflow.contracts.engine.row import MalformedCell, Row, text_of
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.entity_linking import Mention, entity_linker
from bbflow.text.tokenization import TokenizedText

PERSON = re.compile(r"\b(?:he|she|his|her|i|my|me|man|woman|boy|girl|child|infant|lady|gentleman|mother|father|\w+-old)\b", re.IGNORECASE)
_PATIENT = re.compile(
    r"\b(?:he|she|his|her|him|man|woman|boy|girl|child|infant|lady|gentleman|\w+-old|i (?:have|am|take|suffer|had)|i'm|i've)\b",
    re.IGNORECASE,
)
"""Narrower than `PERSON`: "I need two members of the class" asks for no one."""
_AGAINST = re.compile(
    r"\b(?:contraindicat\w*|avoid\w*|unsafe|unsuitable|dangerous|risky|harm\w*|worse\w*|not|never|cannot|can't|shouldn't|mustn't|wrong|worst|"
    r"except|interact\w*|side effects?|rule[sd]? out|true|false|stop(?:ped)?|why|explain)\b",
    re.IGNORECASE,
)
_RELATIVES = frozenset("mother father sister brother family son daughter aunt uncle grandmother grandfather parent parents".split())  # noqa: SIM905
_DENIALS = {"no", "without", "denies", "deny", "not", "never", "absent", "negative"}
_TAKES = {"takes", "taking", "on", "took", "uses", "using"}
_CONDITIONS = ("Disease", "PhenotypicFeature", "PhysiologicalState", "RenalFunction")


def asks_about_patient(row: Row) -> bool:
    """Tells whether a row without a patient asks what a person should be given."""
    return row.memo(_asks)


def _asks(row: Row) -> bool:
    try:
        prompt = row.prompt()
    except MalformedCell:  # which `response_not_empty` and the declared columns report
        return False
    return _PATIENT.search(prompt) is not None and _AGAINST.search(prompt) is None


def context_from_prompt(row: Row, graph: KnowledgeGraph) -> PatientContext:
    """Reads conditions, allergies and medications from the user's messages, once for all rules."""
    return row.memo(_asked_context, graph)


def _asked_context(row: Row, graph: KnowledgeGraph) -> PatientContext:
    context = PatientContext()
    for message in row.records("messages"):
        if message.get("role") == "system":
            continue
        text = TokenizedText(text_of(message.get("content"), "messages.content"))
        for mention in entity_linker(graph).mentions(text):
            start = max(text.sentence(mention.first)[0], mention.first - 4)
            if is_negated(text, mention.first) or not _RELATIVES.isdisjoint(text.words[start : mention.first]):
                continue
            _note(text, mention, graph, context)
    return context


def _note(text: TokenizedText, mention: Mention, graph: KnowledgeGraph, context: PatientContext) -> None:
    before = text.words[max(0, mention.first - 3) : mention.first]
    nodes = {kind: [n for n in mention.nodes if graph.node(n).kind in kind] for kind in (_CONDITIONS, ("Allergy",), ("Drug", "DrugClass"))}
    conditions, allergies, drugs = nodes.values()
    family = entity_linker(graph).family(text, mention)
    if family and ("allergic" in before or "allergy" in before):
        context.allergies.append(family)
    elif len(allergies) == 1:
        context.allergies += allergies
    elif len(conditions) == 1:
        context.conditions += conditions
    elif len(drugs) == 1 and ("allergic" in before or "allergy" in before):
        context.allergies += drugs
    elif len(drugs) == 1 and graph.node(drugs[0]).kind == "Drug" and not _TAKES.isdisjoint(before):
        context.medications += drugs


def is_negated(text: TokenizedText, first: int) -> bool:
    """Tells whether a finding is denied within its sentence, at most six words before."""
    for i in range(first - 1, max(-1, first - 7), -1):
        if text.words[i] in _DENIALS:
            return True
        if i + 1 in text.stops or text.words[i] in ("but", "with", "has", "reports"):
            return False
    return False
