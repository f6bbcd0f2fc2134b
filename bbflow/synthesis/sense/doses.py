"""Doses: amounts that are marketed and prescribed, by the attributes `strengths` and `doses_per_day` of a drug and its maximum."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.maximum_dose import MaximumDose, maximum_doses

MOST_AT_ONCE = 2
"""Tablets of one strength that make up one dose, at most."""
MILLIGRAM = Fraction(1, 1000)


@dataclass(frozen=True)
class Marketed:
    """How a drug is sold and taken, in grams.

    Attributes:
        strengths: Mass of one tablet or capsule of each strength.
        times: Usual numbers of doses a day.
        most_at_once: Largest single dose.
    """

    strengths: tuple[Fraction, ...]
    times: tuple[int, ...]
    most_at_once: Fraction

    def is_dose(self, grams: Fraction) -> bool:
        """Return whether some tablets of one strength make up an amount that may be taken at once."""
        made_up = any((grams / strength).denominator == 1 and grams <= MOST_AT_ONCE * strength for strength in self.strengths)
        return made_up and grams <= self.most_at_once


def marketed(graph: KnowledgeGraph, drug: str, limit: Fraction) -> Marketed | None:
    """Return how a drug is sold and taken; None if the graph does not say it, or if its maximum is that of a single day.

    Args:
        graph: Source of the facts.
        drug: The drug.
        limit: Its maximum daily dose, in grams.
    """
    attributes, maximum = graph.node(drug).attributes, the_maximum(graph, drug)
    strengths = tuple(Fraction(str(s)) * MILLIGRAM for s in attributes.get("strengths") or ())
    times = tuple(attributes.get("doses_per_day") or ())
    if not strengths or not times or maximum is None or is_of_one_day(maximum):
        return None
    usual = limit / min(times)
    return Marketed(strengths, times, usual if maximum.single_dose is None else min(usual, maximum.single_dose * MILLIGRAM))


def the_maximum(graph: KnowledgeGraph, drug: str) -> MaximumDose | None:
    """Return the maximum of lasting treatment of a drug; None if it has none or several."""
    found = [maximum for maximum in maximum_doses(graph, drug) if maximum.main]
    return found[0] if len(found) == 1 else None


def is_of_one_day(maximum: MaximumDose) -> bool:
    """Return whether a maximum holds for a single day or a single dose, so that it is no daily maximum."""
    return maximum.course == 1 or "single" in maximum.texts.get("schedule", "")
