"""Doses stay within the graph's daily maximum."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from bbflow.contracts.engine.patient_context import context_of, recommended_drugs
from bbflow.contracts.engine.row import MalformedCell, Reason, Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.maximum_dose import maximum_doses
from bbflow.graph.memo import memoize_per_graph
from bbflow.records import Triple
from bbflow.text.units import MILLIGRAMS


@row_rule(
    "recommended", when=lambda row: any(r.get("dose") is not None for r in row.records("recommended")), group="safety of recommendations"
)
def dose_within_maximum(row: Row, graph: KnowledgeGraph) -> Iterator[str]:
    """The daily dose of a recommended drug, and each single dose, stay within the graph's maximum, whatever the unit of mass.

    Several recommendations of one drug, also under different names, are added up. Where a drug has a figure for a condition that
    the patient has, figures for other conditions do not count. Of the figures left, such as those of several formulations, the
    highest is the limit, because the row does not say which one is meant; a single dose has a limit where every figure has one.

    Args:
        row: The row; one that gives no dose passes.
        graph: The graph.
    """
    drugs, unknown = recommended_drugs(row, graph)
    yield from unknown
    daily: dict[str, float] = {}
    single: dict[str, float] = {}
    for drug, recommendation in drugs:
        if recommendation.get("dose") is not None:
            per_dose = milligrams(recommendation.get("dose"), recommendation.get("unit"))
            single[drug] = max(single.get(drug, 0.0), per_dose)
            daily[drug] = daily.get(drug, 0.0) + per_dose * _number(recommendation.get("per_day"), "per_day")
    conditions = patient_conditions(row, graph)
    for drug, dose in daily.items():
        limit = dose_limit(graph, drug, conditions)
        name = graph.name_of(drug)
        if limit is None:
            yield f"the graph knows no maximum daily dose of {name}"
        elif dose > limit.daily * _TOLERANCE:
            yield Reason(f"{name} {dose:g} mg/d exceeds the maximum of {limit.daily:g} mg/d{limit.wording}", edges=(limit.edge,))
        elif limit.single is not None and single[drug] > limit.single * _TOLERANCE:
            said = f"{name} {single[drug]:g} mg at once exceeds the largest single dose of {limit.single:g} mg{limit.wording}"
            yield Reason(said, edges=(limit.edge,))


_TOLERANCE = 1 + 1e-9


@dataclass(frozen=True)
class DoseLimit:
    """What a recommended dose is refused above.

    Attributes:
        daily: In mg per day.
        single: In mg at once; None where a figure gives none.
        wording: The qualifiers of the daily figure in brackets, or nothing.
        edge: The edge that states the daily figure.
    """

    daily: float
    single: float | None
    wording: str
    edge: Triple


@memoize_per_graph
def dose_limit(graph: KnowledgeGraph, drug: str, conditions: frozenset[str] = frozenset()) -> DoseLimit | None:
    """Return the limits of a drug for a patient of these conditions; None where the graph gives none.

    Raises:
        MalformedCell: The graph gives a maximum in no unit of mass per day.
    """
    found = []
    try:
        for maximum in maximum_doses(graph, drug, conditions):
            mass, _, per = maximum.unit.partition("/")
            if per != "d" or mass not in MILLIGRAMS:
                raise MalformedCell(f"the graph gives the maximum '{graph.name_of(maximum.quantity)}' in no unit of mass per day")
            found.append((float(maximum.daily) * MILLIGRAMS[mass], MILLIGRAMS[mass], maximum))
    except ValueError as error:
        raise MalformedCell(str(error)) from None
    if not found:
        return None
    plain = [entry for entry in found if not entry[2].qualified]  # two of these contradict each other: the lower one counts
    found = [entry for entry in found if entry[2].qualified] + ([min(plain, key=lambda entry: entry[0])] if plain else [])
    daily, _, highest = max(found, key=lambda entry: entry[0])
    singles = [float(maximum.single_dose) * factor for _, factor, maximum in found if maximum.single_dose is not None]
    single = max(singles) if len(singles) == len(found) else None
    return DoseLimit(daily, single, f" ({highest.wording})" if highest.wording else "", highest.triple)


def patient_conditions(row: Row, graph: KnowledgeGraph) -> frozenset[str]:
    """Return the conditions of the row's patient; none where there is no patient to read."""
    try:
        return frozenset(context_of(row, graph).conditions)
    except MalformedCell:  # other rules report it
        return frozenset()


def milligrams(amount: object, unit: object) -> float:
    """Converts a mass to milligrams.

    Raises:
        Malformed: The amount is no positive number, or the unit is no unit of mass.

    >>> milligrams(0.5, "g")
    500.0
    """
    if not isinstance(unit, str) or unit not in MILLIGRAMS:
        raise MalformedCell(f"the unit '{unit}' is no unit of mass: {', '.join(MILLIGRAMS)}")
    return _number(amount, "dose") * MILLIGRAMS[str(unit)]


_LARGEST = 1e12
"""No dose and no frequency is larger; whole numbers beyond cannot even be converted."""


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf or value > _LARGEST:
        raise MalformedCell(f"'recommended.{name}' is {value}, not a positive number")
    return float(value)
