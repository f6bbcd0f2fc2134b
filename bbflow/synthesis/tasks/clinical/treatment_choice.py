"""Treatment choice: the drug, if any, that is safe for a patient with conditions, allergies, medications or a pregnancy."""

from __future__ import annotations

import random
from itertools import combinations
from typing import ClassVar

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Triple
from bbflow.synthesis.items.item import NO, NONE_OF_THESE, YES, Item, Prescription
from bbflow.synthesis.items.patients import DrugSafetyIndex
from bbflow.synthesis.sense.people import with_patient
from bbflow.synthesis.sense.purposes import shared_purposes
from bbflow.synthesis.tasks.base import Task


class TreatmentChoice(Task):
    """Offer drugs that all treat the patient's disease for one purpose and differ in whether the patient may have them.

    Args:
        permission: Share of yes/no questions about one drug.
        none: Share of the choices in which no drug is safe and refusing is right.
        max_candidates: Largest number of drugs to choose from.
        max_context: Largest number of further conditions, allergies or medications of the patient.
        chain: Share of the references that write the reasoning; the others give the answer alone, as many collected demonstrations do.
    """

    name: ClassVar[str] = "treatment_choice"
    needs = "treats edges of drugs with an edge that forbids them and complete coverage, and nodes marked as risk"
    capabilities: ClassVar[tuple[str, ...]] = ("safety", "reasoning")
    fields: ClassVar[frozenset[str]] = frozenset({"options", "edges", "entities", "patient"})

    def __init__(
        self, permission: float = 0.25, none: float = 0.25, max_candidates: int = 3, max_context: int = 3, chain: float = 1.0
    ) -> None:
        self.permission, self.none, self.max_candidates, self.max_context = permission, none, max_candidates, max_context
        self.chain = chain

    def index(self, graph: KnowledgeGraph) -> int:
        """List, for each drug, the risk nodes that forbid it and those that are clear for it; then the offers of several drugs."""
        self.clinic = DrugSafetyIndex(graph)
        self.forbidding: dict[tuple[str, str], list[str]] = {}
        self.harmless: dict[tuple[str, str], frozenset[str]] = {}
        for edge in graph.edges("treats"):
            drug, disease = edge.subject, edge.object
            if drug in self.clinic.treated.get(disease, ()):
                self.forbidding[drug, disease] = self.clinic.ruling_out(drug, (), disease)
                self.harmless[drug, disease] = self.clinic.clear[drug] - {disease}
        self.single = [pair for pair, forbidding in self.forbidding.items() if forbidding and self.harmless[pair] - self.clinic.acute]
        self.offers: list[tuple[str, tuple[str, ...]]] = []
        for treated in (node.id for node in graph.nodes("Disease")):
            drugs = [drug for drug in graph.subjects("treats", treated) if (drug, treated) in self.single]
            for size in range(2, self.max_candidates + 1):
                self.offers += [(treated, offer) for offer in combinations(drugs, size) if self._is_fair(treated, offer)]
        return len(self.offers) + len(self.single)

    def _is_fair(self, disease: str, offer: tuple[str, ...]) -> bool:
        """Return whether each drug of an offer can be the only safe one.

        Only such offers are made, and the safe drug is drawn uniformly, so the options do not give the answer away.
        """
        if not shared_purposes(self.graph, offer, disease):
            return False
        return all(self._ways(disease, safe, [drug for drug in offer if drug != safe]) for safe in offer)

    def _ways(self, disease: str, safe: str | None, unsafe: list[str]) -> list[list[str]]:
        """Return, for each drug to forbid, the risk nodes that do so and are clear for the safe one; empty where a drug has none."""
        allowed = None if safe is None else self.harmless[safe, disease]
        ways = [[risk for risk in self.forbidding[drug, disease] if allowed is None or risk in allowed] for drug in unsafe]
        return ways if all(ways) else []

    def propose(self, rng: random.Random) -> Item | None:
        """Draw a question, its right answer, and a patient from which that follows."""
        if rng.random() < self.permission:
            drug, disease = rng.choice(self.single)
            answer = rng.choice((YES, NO))
            harmless = sorted(self.harmless[drug, disease] - self.clinic.acute)
            context = {rng.choice(self.forbidding[drug, disease] if answer == NO else harmless)}
            context.update(self.clinic.bystanders((drug,), disease, max(0, self.max_context - len(context)), rng))
            return self._item(disease, context, (drug,), answer, rng)
        disease, offer = rng.choice(self.offers)
        safe = None if rng.random() < self.none else rng.choice(offer)
        unsafe = [drug for drug in offer if drug != safe]
        context = {rng.choice(way) for way in self._ways(disease, safe, unsafe)}
        context.update(self.clinic.bystanders(offer, disease, max(0, self.max_context - len(context)), rng))
        return self._item(disease, context, offer, safe or NONE_OF_THESE, rng)

    def _item(self, disease: str, risks: set[str], candidates: tuple[str, ...], gold: str, rng: random.Random) -> Item | None:
        context = tuple(sorted(risks))
        options = [YES, NO] if len(candidates) == 1 else [*candidates, NONE_OF_THESE]
        rng.shuffle(options)
        order = [drug for drug in options if drug in candidates] or list(candidates)
        edges: list[Triple] = []
        for drug in order:
            reasons = self.clinic.reasons(drug, (disease, *context))
            if len(reasons) > 1:
                return None  # the proof would not be unique
            edges.append(reasons[0] if reasons else (drug, "treats", disease))
        query = Prescription(disease, context, tuple(order))
        about = candidates[0] if len(candidates) == 1 else disease
        item = Item(
            self.name, self.capabilities, query, gold, tuple(edges), about,
            options=tuple(options), chain=self.chain >= 1 or rng.random() < self.chain, level=1 + len(candidates),
        )  # fmt: skip
        return with_patient(self.graph, item, rng)
