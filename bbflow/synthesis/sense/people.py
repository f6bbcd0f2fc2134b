"""People: the sex and age that fit a case, by the attributes `sex`, `age_from` and `age_to` of nodes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.records import Patient
from bbflow.synthesis.items.item import Case, Item

SEXES = ("female", "male")
AGES = (25, 85)
"""Ages of patients where nothing narrows them, in years."""
FERTILE = (15, 50)
"""Ages at which a woman can become pregnant, in years."""


@dataclass(frozen=True)
class Bounds:
    """Who can have everything in a case.

    Attributes:
        sexes: The sexes that fit.
        low: Lowest age, in years.
        high: Highest age, in years.
    """

    sexes: frozenset[str] = frozenset(SEXES)
    low: int = 0
    high: int = 120

    @property
    def nobody(self) -> bool:
        """Whether no one fits."""
        return not self.sexes or self.low > self.high

    def narrowed(self, attributes: Mapping[str, object], begins: bool) -> Bounds:
        """Return the bounds with those of a node; `begins`: it begins now, so that its highest age counts."""
        sex, low, high = attributes.get("sex"), attributes.get("age_from"), attributes.get("age_to")
        if sex is low is high is None:
            return self
        return Bounds(
            self.sexes & {sex} if sex else self.sexes,  # type: ignore[arg-type]
            max(self.low, low) if isinstance(low, int) else self.low,
            min(self.high, high) if isinstance(high, int) and begins else self.high,
        )


def bounds(graph: KnowledgeGraph, case: Case) -> Bounds:
    """Return who can have the disease, the findings and what is mentioned now, the states at present, and the rest since any time."""
    found = Bounds()
    for node in (case.disease, *case.findings, *case.mentioned):
        if node:
            found = found.narrowed(graph.node(node).attributes, begins=True)
    for node in case.context:
        held = graph.node(node)
        found = found.narrowed(held.attributes, begins=held.kind == "PhysiologicalState")
    return found


@memoize_per_graph
def is_pregnancy(graph: KnowledgeGraph, node: str) -> bool:
    """Return whether a node of a context means that the patient is pregnant."""
    return graph.node(node).kind == "PhysiologicalState" and graph.node(node).name.casefold() == "pregnancy"


@memoize_per_graph
def harms_unborn(graph: KnowledgeGraph, drug: str) -> bool:
    """Return whether a woman who can become pregnant needs contraception with a drug, or must not have it once she is pregnant."""
    if graph.node(drug).attributes.get("needs_contraception"):
        return True
    concerns = [*graph.objects(drug, "contraindicated_in"), *graph.objects(drug, "caution_in")]
    fertile = any(graph.node(node).name == "childbearing potential" for node in concerns)
    return fertile or any(is_pregnancy(graph, node) for node in graph.objects(drug, "contraindicated_in"))


def can_become_pregnant(patient: Patient) -> bool:
    """Return whether a patient is a woman of childbearing age who is not said to be pregnant."""
    age = patient.get("age")
    fertile = age is None or FERTILE[0] <= age <= FERTILE[1]
    return patient.get("sex") != "male" and not patient.get("pregnant") and fertile


def with_patient(graph: KnowledgeGraph, item: Item, rng: random.Random) -> Item | None:
    """Return an item with a patient drawn for its case; None where no one fits."""
    drawn = draw_twins(graph, [item.query.case(item)], [item.query.endorsed(item)], rng)
    return None if drawn is None else replace(item, patient=drawn[0])


def draw_twins(graph: KnowledgeGraph, cases: Sequence[Case], endorsed: Sequence[Iterable[str]], rng: random.Random) -> list[Patient] | None:
    """Draw a patient for each of several cases, all of one sex and age, which decide nothing.

    Args:
        graph: Source of the attributes.
        cases: What each patient has.
        endorsed: Drugs that the answer gives to each: a woman who can become pregnant is not drawn for one that harms an unborn child.
        rng: Source of randomness.

    Returns:
        The patients; None where no one fits.
    """
    ways = dict.fromkeys(SEXES, AGES)
    for case, drugs in zip(cases, endorsed, strict=True):
        who = bounds(graph, case)
        harmful = any(harms_unborn(graph, drug) for drug in drugs) and not any(is_pregnancy(graph, node) for node in case.context)
        for sex, (low, high) in list(ways.items()):
            low, high = max(low, who.low, FERTILE[1] + 1 if harmful and sex == "female" else 0), min(high, who.high)
            if sex in who.sexes and low <= high:
                ways[sex] = (low, high)
            else:
                del ways[sex]
    if not ways:
        return None
    sex = rng.choice(list(ways))
    age = rng.randint(*ways[sex])
    return [_patient(graph, case, sex, age) for case in cases]


def _patient(graph: KnowledgeGraph, case: Case, sex: str, age: int) -> Patient:
    kinds = {node: graph.node(node).kind for node in case.context}
    pregnant = [node for node in case.context if is_pregnancy(graph, node)]
    held = [node for node, kind in kinds.items() if kind in ("Disease", "PhysiologicalState") and node not in pregnant]
    return Patient(
        age=age,
        sex=sex,
        pregnant=bool(pregnant),
        conditions=[*filter(None, [case.disease]), *held],
        medications=[node for node, kind in kinds.items() if kind == "Drug"],
        allergies=[node for node, kind in kinds.items() if kind == "Allergy"],
        egfr=None,
    )
