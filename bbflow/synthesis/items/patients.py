"""What a patient may be given: look-ups for the tasks that build cases. The solver judges their items by other means."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from itertools import combinations

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Patient, Triple

_CONCERNS = ("contraindicated_in", "caution_in", "interacts_with")


class DrugSafetyIndex:
    """The drugs of a graph against everything that may stand in a patient's context.

    Args:
        graph: Where the facts come from.

    Attributes:
        risks: Nodes that coverage of drugs is judged against, in graph order.
        treated: Disease to the drugs that treat it and raise no concern in it.
        forbidding: Drug to the nodes that rule it out, each with the edge that says so.
        clear: Drug to the nodes that the graph declares to be no matter for it.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self.risks = tuple(node.id for node in graph.nodes() if node.attributes.get("risk"))
        concerns: dict[str, set[str]] = {}
        self.forbidding: dict[str, dict[str, Triple]] = {}
        for predicate in _CONCERNS:
            for edge in graph.edges(predicate):
                ends = [(edge.subject, edge.object)]
                ends += [(edge.object, edge.subject)] if predicate == "interacts_with" else []
                major = predicate == "contraindicated_in" or edge.attributes.get("severity") == "major"
                for drug, node in ends:
                    concerns.setdefault(drug, set()).add(node)
                    if major and predicate != "caution_in":
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
        """Tells whether a drug is known to be safe for a disease in a context."""
        return drug in self.treated.get(disease, ()) and self.clear[drug].issuperset(context)

    def reasons(self, drug: str, context: Iterable[str]) -> list[Triple]:
        """Returns the edges that rule a drug out in a context."""
        against = self.forbidding.get(drug, {})
        return [against[node] for node in context if node in against]

    def ruling_out(self, drug: str, sparing: Collection[str], disease: str) -> list[str]:
        """Returns the risk nodes that rule one drug out and are no matter for the drugs to be spared."""
        against = self.forbidding.get(drug, {})
        return [n for n in self.risks if n in against and n != disease and all(n in self.clear[other] for other in sparing)]

    def fair_pairs(self) -> list[tuple[str, str, str]]:
        """Returns (disease, drug, drug) where a patient exists for whom the one is safe and the other not, and the reverse."""
        found = []
        for disease, drugs in self.treated.items():
            for one, other in combinations(drugs, 2):
                if self.ruling_out(one, [other], disease) and self.ruling_out(other, [one], disease):
                    found.append((disease, one, other))
        return found

    def bystanders(self, drugs: Collection[str], disease: str, most: int, rng: random.Random) -> list[str]:
        """Draws up to `most` risk nodes that are no matter for any of the drugs."""
        harmless = sorted(frozenset.intersection(*(self.clear[drug] for drug in drugs)) - {disease})
        return rng.sample(harmless, min(len(harmless), rng.randint(0, most)))


def draw_patient(graph: KnowledgeGraph, disease: str, context: Iterable[str], rng: random.Random) -> Patient:
    """Invents a patient with a disease and a context; age and sex fit a pregnancy, and decide nothing."""
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
