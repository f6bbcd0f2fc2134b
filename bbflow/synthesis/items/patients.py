"""Drugs and patients: look-ups for the tasks that build cases. The solver proves their items by other means."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.severity import AGAINST, Weight, weight_of
from bbflow.records import Triple
from bbflow.synthesis.sense.purposes import is_first_line, is_later, purposes, shared_purposes


class DrugSafetyIndex:
    """The drugs of a graph against the risk nodes of a patient's context.

    Terms:

    - A *risk node* is a condition, allergy, state or medication that the graph marks as relevant to the safety of drugs.
    - A risk node *rules out* a drug by an edge that forbids it (`bbflow.graph.severity`).
    - A risk node is *clear* for a drug where the graph has complete coverage and no edge against it but a negligible one; a missing edge
      alone is not.
    - A *fair pair* is two drugs for one purpose in one disease such that either can be the safe one, depending on the patient: the
      options alone do not give the answer away.
    - A *conflict* is a drug of a context that another node of the context, or the disease, rules out.
    - A *bystander* is a risk node in a patient's context that is clear for every drug in question, and so decides nothing.

    Args:
        graph: Source of the facts.

    Attributes:
        risks: The risk nodes, in graph order, but for those that say `drawn: false`: no template words them.
        treated: Disease to the drugs that treat it and raise no concern in it.
        forbidding: Drug to the nodes that rule it out, each with the edge.
        clear: Drug to the risk nodes that are clear for it.
        acute: The risk nodes that are treated at once; none of them is a bystander.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self.risks = tuple(node.id for node in graph.nodes() if node.attributes.get("risk") and node.attributes.get("drawn", True))
        self.acute = frozenset(node.id for node in graph.nodes() if node.attributes.get("acute"))
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
                fair = self.ruling_out(one, [other], disease) and self.ruling_out(other, [one], disease)
                if fair and shared_purposes(self.graph, (one, other), disease):
                    found.append((disease, one, other))
        return found

    def has_conflict(self, disease: str, context: Sequence[str]) -> bool:
        """Return whether what a patient takes is ruled out by the rest of the context, or by the disease."""
        everything = [*context, disease] if disease else context
        return any(self.forbidding.get(node, {}).keys() & set(everything) for node in context if node in self.forbidding)

    def alternatives(self, drug: str, disease: str, context: Collection[str]) -> list[str]:
        """Return the drugs for the same purpose that a patient may have instead of one: the first choices, if any, else all.

        A drug with several purposes has alternatives only if they serve them all.
        """
        wanted = set(purposes(self.graph, drug, disease))
        others = [d for d in self.treated.get(disease, ()) if d != drug and wanted <= set(purposes(self.graph, d, disease))]
        safe = [d for d in others if d not in context and self.may_have(d, disease, context)]
        return [d for d in safe if is_first_line(self.graph, d, disease)] or safe

    def first_choices(self, disease: str, context: Collection[str]) -> list[str]:
        """Return the drugs that a patient may have now for a disease, not later to prevent it: the first choices, if any, else all."""
        now = [d for d in self.treated.get(disease, ()) if not is_later(self.graph, d, disease)]
        safe = [d for d in now if d not in context and self.may_have(d, disease, context)]
        return [d for d in safe if is_first_line(self.graph, d, disease)] or safe

    def is_due(self, drug: str, disease: str, context: Collection[str]) -> bool:
        """Return whether a drug is a first choice for a purpose, or no first choice is known to be safe for the patient."""
        if is_first_line(self.graph, drug, disease):
            return True
        wanted = set(purposes(self.graph, drug, disease))
        first = (d for d in self.treated.get(disease, ()) if is_first_line(self.graph, d, disease))
        return not any(wanted & set(purposes(self.graph, d, disease)) and self.may_have(d, disease, context) for d in first)

    def bystanders(self, drugs: Collection[str], disease: str, most: int, rng: random.Random) -> list[str]:
        """Draw up to `most` risk nodes that are clear for all of the drugs."""
        harmless = sorted(frozenset.intersection(*(self.clear[drug] for drug in drugs)) - {disease} - self.acute)
        return rng.sample(harmless, min(len(harmless), rng.randint(0, most)))
