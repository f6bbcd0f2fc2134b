"""Joint cases: findings, a patient, four drugs and constraints on the form; they need every capability at once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations, permutations, product
from typing import ClassVar

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Recommendation, Triple
from bbflow.synthesis.constraints.base import draw_constraints
from bbflow.synthesis.constraints.multi_answer import AFTERWORDS, MARKED
from bbflow.synthesis.items.item import Item
from bbflow.synthesis.items.patients import DrugSafetyIndex
from bbflow.synthesis.questions.joint import Joint
from bbflow.synthesis.sense.people import with_patient
from bbflow.synthesis.sense.presentations import Presentations
from bbflow.synthesis.sense.purposes import is_later
from bbflow.synthesis.splits import question_split, split_of
from bbflow.synthesis.tasks.base import Task

_MOST_SETS = 60
_TRIES = 60
"""Limits: sets of findings for one disease, and cases tried by one attempt."""


class JointCase(Task):
    """Name findings instead of the disease, and offer two drugs that treat it and two that treat another disease.

    One of the two is ruled out by the patient's context. The disease and the drug that is ruled out are both drawn uniformly, so
    each of the four drugs is right equally often. An offer of four drugs belongs to one split, as a question does.

    Args:
        max_demands: Largest number of constraints on the form, in addition to the answer mark.
        max_context: Largest number of conditions, allergies or medications of the patient.
    """

    name: ClassVar[str] = "joint_case"
    needs = "two diseases told apart by their findings, each with two drugs of which either can be the safe one"
    capabilities: ClassVar[tuple[str, ...]] = ("domain", "reasoning", "instruction", "safety")
    fields: ClassVar[frozenset[str]] = frozenset({"options", "edges", "entities", "patient", "constraints"})

    def __init__(self, max_demands: int = 2, max_context: int = 3) -> None:
        self.max_demands, self.max_context = max_demands, max_context

    def index(self, graph: KnowledgeGraph) -> int:
        """List the fair pairs of drugs for diseases that findings alone identify."""
        self.clinic = DrugSafetyIndex(graph)
        self.telling: dict[str, list[tuple[str, ...]]] = {}
        signs = Presentations(graph)
        for disease in self.clinic.treated:
            if disease in signs.emergencies:
                continue  # findings of an emergency ask for more than a drug
            findings = sorted(graph.objects(disease, "has_phenotype"))
            sets = (s for n in (2, 3) for s in combinations(findings, n) if signs.single_out(disease, s) and not signs.alarms(s))
            found = [s for s, _ in zip(sets, range(_MOST_SETS), strict=False)]
            if found:
                self.telling[disease] = found
        self.pairs: dict[str, list[tuple[str, str]]] = {}
        for disease, one, other in self.clinic.fair_pairs():
            if disease in self.telling and not is_later(graph, one, disease) and not is_later(graph, other, disease):
                self.pairs.setdefault(disease, []).append((one, other))
        self.offers = {couple: offers for couple in permutations(self.pairs, 2) if (offers := list(self._distinct(*couple)))}
        self.couples = list(self.offers)
        return len(self.couples)

    def _distinct(self, disease: str, other: str) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
        """Yield pairs of drugs for two diseases that have no drug in common and do not treat each other's disease."""
        for mine, theirs in product(self.pairs[disease], self.pairs[other]):
            if not set(mine) & set(theirs) and not self._treats(mine, other) and not self._treats(theirs, disease):
                yield mine, theirs

    def propose(self, rng: random.Random) -> Item | None:
        """Draw two diseases with a pair of drugs each, the right disease, and the drug that is ruled out."""
        disease, other = couple = rng.choice(self.couples)
        mine, theirs = rng.choice(self.offers[couple])
        options = [*mine, *theirs]
        good, bad = mine if rng.random() < 0.5 else mine[::-1]
        rng.shuffle(options)
        split = split_of(f"offer/{sorted(options)}", self.graph.salt)
        # Many tries: if some offers and diseases were given up sooner than others, the options would give the disease away.
        for _ in range(_TRIES):
            question = self._question(disease, other, good, bad, options, rng)
            if question is not None and question_split(question, self.graph.salt) == split:
                return self._item(question, good, bad, options, rng)
        return None

    def _question(self, disease: str, other: str, good: str, bad: str, options: list[str], rng: random.Random) -> Joint | None:
        """Draw findings and a context that rules out one drug for exactly one reason and is clear for the other."""
        risks = {rng.choice(self.clinic.ruling_out(bad, [good], disease))}
        risks |= {n for n in self.clinic.bystanders((good, bad), disease, self.max_context - 1, rng) if n != other}
        context = tuple(sorted(risks))
        one_reason = len(self.clinic.reasons(bad, (disease, *context))) == 1
        if not one_reason or not self.clinic.may_have(good, disease, context) or set(context) & set(options):
            return None
        if not self.clinic.is_due(good, disease, context):
            return None
        return Joint(disease, rng.choice(self.telling[disease]), context)

    def _item(self, question: Joint, good: str, bad: str, options: list[str], rng: random.Random) -> Item | None:
        disease, context = question.disease, question.context
        proof: list[Triple] = [(disease, "has_phenotype", finding) for finding in question.findings]
        proof += [*self.clinic.reasons(bad, (disease, *context)), (good, "treats", disease)]
        constraints = draw_constraints(AFTERWORDS[1:], rng.randint(1, self.max_demands), 1, rng)
        item = Item(
            self.name, self.capabilities, question, good, tuple(proof), disease, options=tuple(options),
            chain=True, constraints=(MARKED, *constraints), level=4 + len(context),
            recommended=(Recommendation(drug=good, dose=None, unit=None, per_day=None, route=None),),
        )  # fmt: skip
        return with_patient(self.graph, item, rng)

    def _treats(self, drugs: tuple[str, ...], disease: str) -> bool:
        return any(self.graph.has(drug, "treats", disease) for drug in drugs)
