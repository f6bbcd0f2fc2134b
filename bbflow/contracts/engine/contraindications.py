"""The edges of a graph against a drug: contraindications of a patient, renal stages, allergies and interactions.

All functions yield or return reasons with the edges that prove them. The patient is read by
`bbflow.contracts.engine.patient_context`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from bbflow.contracts.engine.patient_context import PATIENT_KINDS, PatientContext
from bbflow.contracts.engine.row import Reason
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.records import Triple
from bbflow.text.entity_linking import entity_linker


def ancestors(graph: KnowledgeGraph, node: str) -> Iterator[str]:
    """Yield a node and its ancestors by `subclass_of`, nearest first."""
    seen, queue = {node}, [node]
    while queue:
        here = queue.pop(0)
        yield here
        for parent in graph.objects(here, "subclass_of"):
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)


_NORMAL_EGFR = 90.0
RENAL_TIERS = {
    "end-stage renal disease": 15, "end-stage kidney disease": 15, "kidney failure": 15,
    "severe renal impairment": 30, "severe kidney disease": 30,
    "moderate renal impairment": 60, "mild renal impairment": 90, "chronic kidney disease": 60,
}  # fmt: skip
"""Dict from the name of a condition to the eGFR (mL/min/1.73 m2) below which a patient has it: the G stages of KDIGO 2012."""


def renal_conditions(graph: KnowledgeGraph, egfr: float) -> list[str]:
    """Return the conditions of the graph that a patient of this renal function has.

    The limit of a condition is its attribute `egfr_below`, else the one of its name in `RENAL_TIERS`. A drug that a milder impairment
    forbids is forbidden by a worse one as well.
    """
    return [node for node, below in _egfr_below(graph).items() if egfr < below]


@memoize_per_graph
def _egfr_below(graph: KnowledgeGraph) -> dict[str, float]:
    """Return a dict from a renal condition of the graph to the eGFR below which a patient has it."""
    linker = entity_linker(graph)
    limits = {n.id: n.attributes["egfr_below"] for n in graph.nodes() if isinstance(n.attributes.get("egfr_below"), (int, float))}
    for name, below in RENAL_TIERS.items():
        node = linker.resolve(name, PATIENT_KINDS["conditions"])
        if node is not None:
            limits.setdefault(node, below)
    return limits


def contraindications(graph: KnowledgeGraph, drug: str, context: PatientContext, predicates: Sequence[str]) -> tuple[Reason, ...]:
    """Return the reasons against a drug for a patient: conditions and their ancestors, pregnancy, allergies and their classes."""
    return _contraindications(graph, drug, tuple(context.conditions), tuple(context.allergies), tuple(predicates))


@memoize_per_graph
def _contraindications(
    graph: KnowledgeGraph, drug: str, conditions: tuple[str, ...], allergies: tuple[str, ...], predicates: tuple[str, ...]
) -> tuple[Reason, ...]:
    stages = [node for condition in conditions for node in _renal_conditions_of_stage(graph, condition)]
    reasons = [_forbidden_by(graph, drug, node, predicates) for node in dict.fromkeys((*conditions, *allergies, *stages))]
    reasons += [_allergic(graph, drug, allergy) for allergy in allergies]
    return tuple(dict.fromkeys(itertools.chain.from_iterable(reasons)))  # a condition and a kind of it can give the same reason


@memoize_per_graph
def _forbidden_by(graph: KnowledgeGraph, drug: str, condition: str, predicates: tuple[str, ...]) -> tuple[Reason, ...]:
    """Return a reason for each edge from a drug to a condition or to one of its ancestors."""
    reasons: list[Reason] = []
    for node in ancestors(graph, condition):
        chain: list[Triple] = [(condition, "subclass_of", node)] if node != condition else []
        for predicate in predicates:
            if graph.has(drug, predicate, node):
                reason = f"{graph.name_of(drug)} {predicate} {graph.name_of(node)}"
                reasons.append(Reason(reason, edges=(*chain, (drug, predicate, node))))
    return tuple(reasons)


@memoize_per_graph
def _allergic(graph: KnowledgeGraph, drug: str, allergy: str) -> tuple[Reason, ...]:
    """Return the reasons against a drug by an allergy to a drug or a class: it belongs to them, or shares a forbidding allergy."""
    if allergy in ancestors(graph, drug):
        reason = f"{graph.name_of(drug)} is what the patient is allergic to: {graph.name_of(allergy)}"
        return (Reason(reason, edges=() if allergy == drug else ((drug, "subclass_of", allergy),)),)
    if graph.node(allergy).kind not in ("Drug", "DrugClass"):
        return ()
    return tuple(
        Reason(
            f"{graph.name_of(drug)} shares {graph.name_of(shared)} with {graph.name_of(allergy)}",
            edges=((drug, "contraindicated_in", shared),),
        )
        for shared in sorted(_allergies_against(graph, allergy) & _allergies_against(graph, drug))
    )


@memoize_per_graph
def _renal_conditions_of_stage(graph: KnowledgeGraph, condition: str) -> tuple[str, ...]:
    """Return the renal conditions of a node of kind `RenalFunction`; none for any other condition."""
    return tuple(renal_conditions(graph, _highest_egfr(graph, condition))) if graph.node(condition).kind == "RenalFunction" else ()


def _highest_egfr(graph: KnowledgeGraph, renal: str) -> float:
    """Return the highest eGFR of a stage of renal function."""
    return float(graph.node(renal).attributes.get("egfr_below", _NORMAL_EGFR)) - 1e-6


def _allergies_against(graph: KnowledgeGraph, node: str) -> set[str]:
    """Return the allergies that forbid a drug, or any drug of a class."""
    drugs = [node] if graph.node(node).kind == "Drug" else graph.subjects("subclass_of", node)
    return {n for drug in drugs for n in graph.objects(drug, "contraindicated_in") if graph.node(n).kind == "Allergy"}


def renal_contraindications(graph: KnowledgeGraph, drug: str, egfr: float) -> Iterator[Reason]:
    """Yield the contraindications of a drug at an eGFR, through the renal conditions that the eGFR implies."""
    for node in renal_conditions(graph, egfr) if egfr < _NORMAL_EGFR else ():
        if graph.has(drug, "contraindicated_in", node):
            reason = f"{graph.name_of(drug)} is contraindicated in {graph.name_of(node)}, and the eGFR is {egfr:g}"
            yield Reason(reason, edges=((drug, "contraindicated_in", node),))
    for node, below in _egfr_limits(graph, drug):
        if egfr < below:
            reason = f"{graph.name_of(drug)} is contraindicated below an eGFR of {below:g}, and it is {egfr:g}"
            yield Reason(reason, edges=((drug, "contraindicated_in", node),))


@memoize_per_graph
def _egfr_limits(graph: KnowledgeGraph, drug: str) -> tuple[tuple[str, float], ...]:
    """Return each node that a drug is contraindicated in by an edge with a limit, with this eGFR."""
    edges = [graph.edge(drug, "contraindicated_in", node) for node in graph.objects(drug, "contraindicated_in")]
    limits = [(edge.object, edge.attributes.get("egfr_below")) for edge in edges if edge is not None]
    return tuple((node, below) for node, below in limits if isinstance(below, (int, float)))


NOT_TOGETHER = (
    "ACE inhibitor", "angiotensin receptor blocker", "beta blocker", "statin", "fibrate", "triptan", "phosphodiesterase inhibitor",
    "anticoagulant", "nonsteroidal anti-inflammatory drug", "bisphosphonate", "corticosteroid",
)  # fmt: skip
"""Classes of which nobody takes two drugs at a time; of others, such as diuretics and antiseizure drugs, people do."""


def duplicates(graph: KnowledgeGraph, drug: str, others: Iterable[str], classes: Sequence[str]) -> Iterator[Reason]:
    """Yield a reason for each other drug that is of one class with a drug, for the classes that are named."""
    own = _classes_of(graph, drug)
    for other in others if own else ():
        for node, name in own.items():
            if other != drug and name in classes and node in _classes_of(graph, other):
                reason = f"{graph.name_of(drug)} and {graph.name_of(other)} are both of the class {name}"
                yield Reason(reason, edges=((drug, "subclass_of", node), (other, "subclass_of", node)))


@memoize_per_graph
def _classes_of(graph: KnowledgeGraph, drug: str) -> dict[str, str]:
    """Return the classes of a drug, each with its name."""
    return {node: graph.name_of(node) for node in graph.objects(drug, "subclass_of") if graph.node(node).kind == "DrugClass"}


def interactions(graph: KnowledgeGraph, drug: str, others: Iterable[str], allowed: Sequence[str]) -> Iterator[Reason]:
    """Yield a reason for each other drug that a drug interacts with, except at allowed severities."""
    for other in others:
        edge = graph.edge(drug, "interacts_with", other)
        severity = edge.attributes.get("severity") if edge else None
        if edge is not None and severity not in allowed:
            reason = f"{graph.name_of(drug)} interacts with {graph.name_of(other)} ({severity or 'severity not stated'})"
            yield Reason(reason, edges=(edge.triple,))
