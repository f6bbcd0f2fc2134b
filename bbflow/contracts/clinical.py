"""Reading the clinical columns against the graph: which drugs a row recommends, and what stands in the patient's context.

A name that the graph does not know is never passed over: it comes back as a reason, which a rule reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bbflow.contracts.row import Malformed, Row, as_text, as_texts
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Recommendation

_KINDS = {
    "conditions": ("Disease", "PhenotypicFeature", "PhysiologicalState"),
    "medications": ("Drug",),
    "allergies": ("Allergy", "Drug", "DrugClass"),
}


@dataclass
class Context:
    """What stands in a patient's context, as node ids, and what could not be read.

    Attributes:
        conditions: Diseases, findings and states; a pregnancy is one.
        medications: Drugs that the patient takes.
        allergies: Allergies, or the drugs and drug classes the patient is allergic to.
        unknown: Reasons, one for each name that the graph does not know.
    """

    conditions: list[str] = field(default_factory=list)
    medications: list[str] = field(default_factory=list)
    allergies: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def recommends(row: Row) -> bool:
    """Tells whether a row recommends any drug."""
    return bool(row.records("recommended"))


def recommended_drugs(row: Row, graph: KnowledgeGraph) -> tuple[list[tuple[str, Recommendation]], list[str]]:
    """Returns the recommended drugs, each as node id and its recommendation, and a reason for each that is unknown."""
    found: list[tuple[str, Recommendation]] = []
    unknown = []
    for raw in row.records("recommended"):
        name = as_text(raw.get("drug"), "recommended.drug")
        drug = graph.resolve(name)
        if drug is None or graph.node(drug).kind != "Drug":
            unknown.append(f"the recommended '{name}' is no drug of the graph")
        else:
            found.append((drug, raw))  # type: ignore[arg-type]
    return found, unknown


def context_of(row: Row, graph: KnowledgeGraph) -> Context:
    """Reads the patient of a row that recommends a drug.

    Raises:
        Malformed: There is no patient to check the drug against, or a list of the patient's is null.
    """
    patient = row.cell("patient")
    if not isinstance(patient, dict):
        raise Malformed("a drug is recommended, and there is no patient to check it against")
    context = Context()
    for key, kinds in _KINDS.items():
        for name in as_texts(patient.get(key), f"patient.{key}"):
            node = graph.resolve(name)
            if node is None or graph.node(node).kind not in kinds:
                context.unknown.append(f"'{name}' of patient.{key} is no {' or '.join(kinds)} of the graph")
            else:
                getattr(context, key).append(node)
    pregnant: Any = patient.get("pregnant")
    if pregnant is not None and not isinstance(pregnant, bool):
        raise Malformed("'patient.pregnant' is neither true, false nor null")
    if pregnant:
        node = graph.resolve("pregnancy")
        if node is None:
            context.unknown.append("the patient is pregnant, and the graph knows no pregnancy")
        elif node not in context.conditions:
            context.conditions.append(node)
    return context


def ancestors(graph: KnowledgeGraph, node: str) -> Iterator[str]:
    """Yields a node and everything it is a kind of, nearest first."""
    seen, queue = {node}, [node]
    while queue:
        here = queue.pop(0)
        yield here
        for parent in graph.objects(here, "subclass_of"):
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)
