"""Interaction check: a new drug against the medications of a patient."""

from __future__ import annotations

import random
from typing import ClassVar

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.severity import Weight, weight_of
from bbflow.records import Split
from bbflow.synthesis.items.item import NO, YES, Item
from bbflow.synthesis.questions.interaction import Interaction
from bbflow.synthesis.sense.people import with_patient
from bbflow.synthesis.splits import question_split
from bbflow.synthesis.tasks.base import Task, WrongSplit


class InteractionCheck(Task):
    """Ask which of the patient's medications a drug interacts with, or whether the drug may be added at all.

    Args:
        permission: Share of yes/no questions.
        max_medications: Largest number of medications of the patient.
    """

    name: ClassVar[str] = "interaction_check"
    needs = "interacts_with edges of drugs whose coverage of interactions is complete"
    capabilities: ClassVar[tuple[str, ...]] = ("safety", "domain")
    fields: ClassVar[frozenset[str]] = frozenset({"options", "edges", "entities", "patient"})

    def __init__(self, permission: float = 0.5, max_medications: int = 4) -> None:
        self.permission, self.max_medications = permission, max_medications

    def index(self, graph: KnowledgeGraph) -> int:
        """List, for each drug, the drugs that interact with it, and those for which the graph excludes an interaction."""
        drugs = [node.id for node in graph.nodes("Drug")]
        self.interacting: dict[str, list[str]] = {}
        self.major: dict[str, list[str]] = {}
        self.clear: dict[str, frozenset[str]] = {}
        self.against: dict[str, list[str]] = {}
        self.uses = {d: list(graph.objects(d, "treats")) for d in drugs}
        for drug in drugs:
            edges = {other: graph.edge(drug, "interacts_with", other) for other in graph.objects(drug, "interacts_with")}
            self.interacting[drug] = list(edges)
            self.major[drug] = [other for other, edge in edges.items() if edge is not None and weight_of(edge) is Weight.FORBIDS]
            self.clear[drug] = frozenset(
                other
                for other in drugs
                if other != drug and other not in edges and (graph.covers(drug, other) or graph.covers(other, drug))
            )
            for other in edges:
                self.against.setdefault(other, []).append(drug)
        self.askable = [drug for drug in drugs if self.interacting[drug] and len(self.clear[drug]) >= 2]
        self.judged = [drug for drug in drugs if self.major[drug] and self.clear[drug] and self.uses[drug]]
        return len(self.askable) + len(self.judged)

    def propose(self, rng: random.Random) -> Item | None:
        """Draw either kind of question."""
        return self._proposed(rng, None)

    def propose_in(self, rng: random.Random, split: Split) -> list[Item]:
        """Draw the same, but stop where the question belongs to another split."""
        item = self._proposed(rng, split)
        return [] if item is None else [item]

    def _proposed(self, rng: random.Random, wanted: Split | None) -> Item | None:
        if self.judged and (not self.askable or rng.random() < self.permission):
            return self._allowed(rng, wanted)
        return self._which(rng, wanted)

    def _split(self, question: Interaction, wanted: Split | None) -> Split:
        split = question_split(question, self.graph.salt)
        if wanted not in (None, split):
            raise WrongSplit
        return split

    def _which(self, rng: random.Random, wanted: Split | None) -> Item | None:
        """Draw medications, uniformly the one that interacts, and a drug that interacts with it alone."""
        drug = rng.choice(self.askable)
        size = rng.randint(3, self.max_medications)
        harmless = sorted(self.clear[drug])
        medications = [rng.choice(self.interacting[drug]), *rng.sample(harmless, min(len(harmless), size - 1))]
        if len(medications) < 3:
            return None
        rng.shuffle(medications)
        taken = tuple(sorted(medications))
        split = self._split(Interaction(drug, taken), wanted)
        ways: list[list[str]] = []
        for one in medications:
            if not (drugs := self._drugs(one, medications, split)):
                return None
            ways.append(drugs)
        i = rng.randrange(len(medications))
        added, gold = rng.choice(ways[i]), medications[i]
        edge = self.graph.edge(added, "interacts_with", gold)
        bars = edge is not None and weight_of(edge) is Weight.FORBIDS
        return Item(
            self.name, ("domain",), Interaction(added, taken, bars=bars), gold, ((added, "interacts_with", gold),), added,
            options=tuple(medications), chain=True, level=len(medications) - 1,
        )  # fmt: skip

    def _drugs(self, gold: str, medications: list[str], split: str) -> list[str]:
        others, taken = [m for m in medications if m != gold], tuple(sorted(medications))
        return [
            drug
            for drug in self.against.get(gold, ())
            if drug not in medications and self.clear[drug].issuperset(others)
            and question_split(Interaction(drug, taken), self.graph.salt) == split
        ]  # fmt: skip

    def _allowed(self, rng: random.Random, wanted: Split | None) -> Item | None:
        """Draw a drug, whether it may be added, and medications from which that follows."""
        drug = rng.choice(self.judged)
        gold = rng.choice((YES, NO))
        size = rng.randint(1, self.max_medications - 1)
        harmless = sorted(self.clear[drug])
        medications = rng.sample(harmless, min(len(harmless), size if gold == YES else size - 1))
        medications += [rng.choice(self.major[drug])] if gold == NO else []
        disease = rng.choice(self.uses[drug])
        rng.shuffle(medications)
        options = [YES, NO]
        rng.shuffle(options)
        proof = (
            (drug, "treats", disease) if gold == YES else (drug, "interacts_with", next(m for m in medications if m in self.major[drug]))
        )
        question = Interaction(drug, tuple(sorted(medications)), disease)
        self._split(question, wanted)
        item = Item(
            self.name, self.capabilities, question, gold, (proof,), drug,
            options=tuple(options), chain=True, level=size,
        )  # fmt: skip
        return with_patient(self.graph, item, rng)
