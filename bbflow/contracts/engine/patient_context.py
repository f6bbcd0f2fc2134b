"""The clinical columns of a row, resolved in the graph: recommended drugs, and the patient's context and renal function.

A name that the graph does not know becomes a reason, which a rule reports; it is never skipped. The edges against a drug for
such a patient are looked up in `bbflow.contracts.engine.contraindications`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bbflow.contracts.engine.row import MalformedCell, Row, as_texts, text_of
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Recommendation
from bbflow.text.entity_linking import entity_linker
from bbflow.text.normalization import name_key
from bbflow.text.prompt_context import Facts

PATIENT_KINDS = {
    "conditions": ("Disease", "PhenotypicFeature", "PhysiologicalState", "RenalFunction"),
    "medications": ("Drug",),
    "allergies": ("Allergy", "Drug", "DrugClass"),
}


@dataclass
class PatientContext:
    """The context of a patient as node ids, with the names that could not be resolved.

    Attributes:
        conditions: Diseases, findings and states; a pregnancy is one.
        medications: Drugs that the patient takes.
        allergies: Allergies, or the drugs and drug classes the patient is allergic to.
        unknown: Reasons, one for each name that the graph does not know.
        families: Classes of which the patient takes a drug, which one is not said.
        egfr: The eGFR that the prompt gives and the patient's own record does not, in mL/min/1.73 m2.
        unclear: Facts of the prompt of which it is unclear whether they are the patient's.
        words: Dict from the node of an unclear fact to the words of the prompt that name it.
    """

    conditions: list[str] = field(default_factory=list)
    medications: list[str] = field(default_factory=list)
    allergies: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    egfr: float | None = None
    unclear: Facts = field(default_factory=Facts)
    words: dict[str, str] = field(default_factory=dict)


def recommends(row: Row) -> bool:
    """Return whether a row recommends any drug."""
    return bool(row.records("recommended"))


def recommended_drugs(row: Row, graph: KnowledgeGraph) -> tuple[list[tuple[str, Recommendation]], list[str]]:
    """Return the recommended drugs, each as node id and its recommendation, and a reason for each that is unknown."""
    return row.memo(_recommended_drugs, graph)


def _recommended_drugs(row: Row, graph: KnowledgeGraph) -> tuple[list[tuple[str, Recommendation]], list[str]]:
    names = entity_linker(graph)
    found: list[tuple[str, Recommendation]] = []
    unknown = []
    for raw in row.records("recommended"):
        name = text_of(raw.get("drug"), "recommended.drug")
        drug = names.resolve(name, ("Drug",))
        if drug is None:
            unknown.append(f"the recommended '{name}' is no drug of the graph")
        else:
            found.append((drug, raw))  # type: ignore[arg-type]
    return found, unknown


def context_of(row: Row, graph: KnowledgeGraph) -> PatientContext:
    """Read the patient of a row, once for all rules.

    Raises:
        MalformedCell: There is no patient to check the drug against, or a list of the patient's is missing or null.
    """
    return row.memo(_context_of, graph)


def _context_of(row: Row, graph: KnowledgeGraph) -> PatientContext:
    names = entity_linker(graph)
    patient = row.cell("patient")
    if not isinstance(patient, dict):
        raise MalformedCell("a drug is recommended, and there is no patient to check it against")
    context = PatientContext()
    for key, kinds in PATIENT_KINDS.items():
        if key not in patient:
            raise MalformedCell(f"nothing says which {key} the patient has: 'patient.{key}' is missing, and an empty list means none")
        for name in as_texts(patient.get(key), f"patient.{key}"):
            node = names.resolve(name, kinds)
            if node is None and key == "allergies":
                node = names.drug_classes.get(name_key(name)) or None
            if node is None:
                context.unknown.append(f"'{name}' of patient.{key} is no {' or '.join(kinds)} of the graph")
            else:
                getattr(context, key).append(node)
    pregnant: Any = patient.get("pregnant")
    if pregnant is not None and not isinstance(pregnant, bool):
        raise MalformedCell("'patient.pregnant' is neither true, false nor null")
    if pregnant:
        node = names.resolve("pregnancy", ("PhysiologicalState", "Disease"))
        if node is None:
            context.unknown.append("the patient is pregnant, and the graph knows no pregnancy")
        elif node not in context.conditions:
            context.conditions.append(node)
    return context


def renal_function(row: Row) -> float | None:
    """Return the patient's eGFR in mL/min/1.73 m2; None if it is not given.

    Raises:
        MalformedCell: It is no number between 0 and 250, or the patient is no object.
    """
    patient = row.cell("patient")
    if patient is None:
        return None
    if not isinstance(patient, dict):
        raise MalformedCell("'patient' is no object")
    value = patient.get("egfr")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 250:
        raise MalformedCell(f"'patient.egfr' is {value!r}, not a number from 0 to 250")
    return float(value)
