"""The clinical columns of a row, resolved in the graph: recommended drugs and the patient's context.

A name that the graph does not know becomes a reason, which a rule reports; it is never skipped.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bbflow.contracts.engine.row import MalformedCell, Reason, Row, as_texts, text_of
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.records import Recommendation, Triple
from bbflow.text.entity_linking import entity_linker
from bbflow.text.normalization import name_key

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
    """

    conditions: list[str] = field(default_factory=list)
    medications: list[str] = field(default_factory=list)
    allergies: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


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


def ancestors(graph: KnowledgeGraph, node: str) -> Iterator[str]:
    """Yield a node and everything it is a kind of, nearest first."""
    seen, queue = {node}, [node]
    while queue:
        here = queue.pop(0)
        yield here
        for parent in graph.objects(here, "subclass_of"):
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)


_NORMAL = 90.0
RENAL_TIERS = {
    "end-stage renal disease": 15, "end-stage kidney disease": 15, "kidney failure": 15,
    "severe renal impairment": 30, "severe kidney disease": 30,
    "moderate renal impairment": 60, "mild renal impairment": 90, "chronic kidney disease": 60,
}  # fmt: skip
"""Name of a condition to the eGFR (mL/min/1.73 m2) below which a patient has it: the G stages of KDIGO 2012."""


def renal_function(row: Row) -> float | None:
    """Return the patient's eGFR in mL/min/1.73 m2; None where it is not given.

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


def renal_conditions(graph: KnowledgeGraph, egfr: float) -> list[str]:
    """Return the conditions of the graph that a patient of this renal function has.

    A node says so itself by the attribute `egfr_below`; else its name is looked up in `RENAL_TIERS`. What a milder impairment forbids,
    a worse one forbids as well.
    """
    return [node for node, below in _tiers(graph).items() if egfr < below]


@memoize_per_graph
def _tiers(graph: KnowledgeGraph) -> dict[str, float]:
    names = entity_linker(graph)
    found = {n.id: n.attributes["egfr_below"] for n in graph.nodes() if isinstance(n.attributes.get("egfr_below"), (int, float))}
    for name, below in RENAL_TIERS.items():
        node = names.resolve(name, PATIENT_KINDS["conditions"])
        if node is not None:
            found.setdefault(node, below)
    return found


def contraindications(graph: KnowledgeGraph, drug: str, context: PatientContext, predicates: Sequence[str]) -> tuple[Reason, ...]:
    """Return the reasons against a drug for a patient: conditions and their ancestors, pregnancy, allergies and their classes."""
    return _contraindications(graph, drug, tuple(context.conditions), tuple(context.allergies), tuple(predicates))


@memoize_per_graph
def _contraindications(
    graph: KnowledgeGraph, drug: str, conditions: tuple[str, ...], allergies: tuple[str, ...], predicates: tuple[str, ...]
) -> tuple[Reason, ...]:
    stages = [node for condition in conditions for node in _as_bad_as(graph, condition)]
    found = [_forbidden_by(graph, drug, node, predicates) for node in dict.fromkeys((*conditions, *allergies, *stages))]
    found += [_allergic(graph, drug, allergy) for allergy in allergies]
    return tuple(itertools.chain.from_iterable(found))


@memoize_per_graph
def _forbidden_by(graph: KnowledgeGraph, drug: str, condition: str, predicates: tuple[str, ...]) -> tuple[Reason, ...]:
    found: list[Reason] = []
    for node in ancestors(graph, condition):
        chain: list[Triple] = [(condition, "subclass_of", node)] if node != condition else []
        for predicate in predicates:
            if graph.has(drug, predicate, node):
                said = f"{graph.name_of(drug)} {predicate} {graph.name_of(node)}"
                found.append(Reason(said, edges=(*chain, (drug, predicate, node))))
    return tuple(found)


@memoize_per_graph
def _allergic(graph: KnowledgeGraph, drug: str, allergy: str) -> tuple[Reason, ...]:
    if allergy in ancestors(graph, drug):
        said = f"{graph.name_of(drug)} is what the patient is allergic to: {graph.name_of(allergy)}"
        return (Reason(said, edges=() if allergy == drug else ((drug, "subclass_of", allergy),)),)
    if graph.node(allergy).kind not in ("Drug", "DrugClass"):
        return ()
    return tuple(
        Reason(
            f"{graph.name_of(drug)} shares {graph.name_of(shared)} with {graph.name_of(allergy)}",
            edges=((drug, "contraindicated_in", shared),),
        )
        for shared in sorted(_allergies(graph, allergy) & _allergies(graph, drug))
    )


@memoize_per_graph
def _as_bad_as(graph: KnowledgeGraph, condition: str) -> tuple[str, ...]:
    """Return the renal conditions that a stage of renal function amounts to; none for any other condition."""
    return tuple(renal_conditions(graph, _best(graph, condition))) if graph.node(condition).kind == "RenalFunction" else ()


def _best(graph: KnowledgeGraph, renal: str) -> float:
    """Return the highest eGFR of a stage of renal function."""
    return float(graph.node(renal).attributes.get("egfr_below", _NORMAL)) - 1e-6


def _allergies(graph: KnowledgeGraph, node: str) -> set[str]:
    """Return the allergies that forbid a drug, or any drug of a class."""
    drugs = [node] if graph.node(node).kind == "Drug" else graph.subjects("subclass_of", node)
    return {n for drug in drugs for n in graph.objects(drug, "contraindicated_in") if graph.node(n).kind == "Allergy"}


def renal_contraindications(graph: KnowledgeGraph, drug: str, egfr: float) -> Iterator[Reason]:
    """Yield the contraindications of a drug at an eGFR, through the renal conditions that the eGFR implies."""
    for node in renal_conditions(graph, egfr) if egfr < _NORMAL else ():
        if graph.has(drug, "contraindicated_in", node):
            said = f"{graph.name_of(drug)} is contraindicated in {graph.name_of(node)}, and the eGFR is {egfr:g}"
            yield Reason(said, edges=((drug, "contraindicated_in", node),))
    for node, below in _limits(graph, drug):
        if egfr < below:
            said = f"{graph.name_of(drug)} is contraindicated below an eGFR of {below:g}, and it is {egfr:g}"
            yield Reason(said, edges=((drug, "contraindicated_in", node),))


@memoize_per_graph
def _limits(graph: KnowledgeGraph, drug: str) -> tuple[tuple[str, float], ...]:
    """Return what a drug is contraindicated in, with the eGFR below which its edge says so, where it does."""
    edges = [graph.edge(drug, "contraindicated_in", node) for node in graph.objects(drug, "contraindicated_in")]
    found = [(edge.object, edge.attributes.get("egfr_below")) for edge in edges if edge is not None]
    return tuple((node, below) for node, below in found if isinstance(below, (int, float)))


def interactions(graph: KnowledgeGraph, drug: str, others: Iterable[str], allowed: Sequence[str]) -> Iterator[Reason]:
    """Yield a reason for each other drug that a drug interacts with, except at allowed severities."""
    for other in others:
        edge = graph.edge(drug, "interacts_with", other)
        severity = edge.attributes.get("severity") if edge else None
        if edge is not None and severity not in allowed:
            said = f"{graph.name_of(drug)} interacts with {graph.name_of(other)} ({severity or 'severity not stated'})"
            yield Reason(said, edges=(edge.triple,))
