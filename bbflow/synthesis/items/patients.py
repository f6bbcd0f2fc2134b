"""Drugs and patients: look-ups for the tasks that build cases. The solver proves their items by other means."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from itertools import combinations

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.severity import AGAINST, Weight, weight_of
from bbflow.records import Patient, Triple


class DrugSafetyIndex:
    """The drugs of a graph against the risk nodes of a patient's context.

    Terms:

    - A *risk node* is a condition, allergy, state or medication that the graph marks as relevant to the safety of drugs.
    - A risk node *rules out* a drug by an edge that forbids it (`bbflow.graph.severity`).
    - A risk node is *clear* for a drug where the graph has complete coverage and no edge against it but a negligible one; a missing edge
      alone is not.
    - A *fair pair* is two drugs for one disease such that either can be the safe one, depending on the patient: the options
      alone do not give the answer away.
    - A *bystander* is a risk node in a patient's context that is clear for every drug in question, and so decides nothing.

    Args:
        graph: Source of the facts.

    Attributes:
        risks: The risk nodes, in graph order, but for those that say `drawn: false`: no template words them.
        treated: Disease to the drugs that treat it and raise no concern in it.
        forbidding: Drug to the nodes that rule it out, each with the edge.
        clear: Drug to the risk nodes that are clear for it.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self.risks = tuple(node.id for node in graph.nodes() if node.attributes.get("risk") and node.attributes.get("drawn", True))
        concerns: dict[str, set[str]] = {}
        self.forbidding: dict[str, dict[str, Triple]] = {}
        for predicate in sorted(AGAINST):
            for edge in graph.edges(predicate):
                ends = [(edge.subject, edge.object)]
                ends += [(edge.object, edge.subject)] if predicate == "interacts_with" else []
                weight = weight_of(edge)
                for drug, node in ends if weight is not Weight.NEGLIGIBLE else ():
                    concerns.setdefault(drug, set()).add(node)
                    if weight is Weight.FORBIDS:
                        self.forbidding.setdefault(drug, {})[node] = (drug, predicate, node)
        self.clear: dict[str, frozenset[str]] = {}
        self.treated: dict[str, list[str]] = {}
        for edge in graph.edges("treats"):
            drug = edge.subject
            worry = concerns.get(drug, set())
            if drug not in self.clear:
                self.clear[drug] = frozenset(n for n in self.risks if n != drug and n not in worry and graph.covers(drug, n))
            if edge.object not in worry:
                self.treated.setdefault(edge.object, []).append(drug)

    def may_have(self, drug: str, disease: str, context: Iterable[str]) -> bool:
        """Return whether a drug is known to be safe for a disease in a context."""
        return drug in self.treated.get(disease, ()) and self.clear[drug].issuperset(context)

    def reasons(self, drug: str, context: Iterable[str]) -> list[Triple]:
        """Return the edges that rule a drug out in a context."""
        against = self.forbidding.get(drug, {})
        return [against[node] for node in context if node in against]

    def ruling_out(self, drug: str, sparing: Collection[str], disease: str) -> list[str]:
        """Return the risk nodes that rule one drug out and are clear for the drugs in `sparing`."""
        against = self.forbidding.get(drug, {})
        return [n for n in self.risks if n in against and n != disease and all(n in self.clear[other] for other in sparing)]

    def fair_pairs(self) -> list[tuple[str, str, str]]:
        """Return the fair pairs as (disease, drug, drug)."""
        found = []
        for disease, drugs in self.treated.items():
            for one, other in combinations(drugs, 2):
                if self.ruling_out(one, [other], disease) and self.ruling_out(other, [one], disease):
                    found.append((disease, one, other))
        return found

    def bystanders(self, drugs: Collection[str], disease: str, most: int, rng: random.Random) -> list[str]:
        """Draw up to `most` risk nodes that are clear for all of the drugs."""
        harmless = sorted(frozenset.intersection(*(self.clear[drug] for drug in drugs)) - {disease})
        return rng.sample(harmless, min(len(harmless), rng.randint(0, most)))


def draw_patient(graph: KnowledgeGraph, disease: str, context: Iterable[str], rng: random.Random) -> Patient:
    """Draw a patient with a disease and a context; age and sex fit a pregnancy and decide nothing."""
    kinds = {node: graph.node(node).kind for node in context}
    pregnant = any(kind == "PhysiologicalState" for kind in kinds.values())
    return Patient(
        age=rng.randint(20, 40) if pregnant else rng.randint(25, 85),
        sex="female" if pregnant else rng.choice(["female", "male"]),
        pregnant=pregnant,
        conditions=[disease, *(node for node, kind in kinds.items() if kind == "Disease")],
        medications=[node for node, kind in kinds.items() if kind == "Drug"],
        allergies=[node for node, kind in kinds.items() if kind == "Allergy"],
        egfr=None,
    )
