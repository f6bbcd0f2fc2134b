"""Doses stay within the graph's daily maximum."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bbflow.contracts.engine.patient_context import recommended_drugs
from bbflow.contracts.engine.row import MalformedCell, Reason, Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Triple
from bbflow.text.units import MILLIGRAMS


@row_rule(
    "recommended", when=lambda row: any(r.get("dose") is not None for r in row.records("recommended")), group="safety of recommendations"
)
def dose_within_maximum(row: Row, graph: KnowledgeGraph) -> Iterator[str]:
    """The daily dose of a recommended drug stays within the graph's maximum, whatever the unit of mass.

    Several recommendations of one drug, also under different names, are added up.

    Args:
        row: The row; one that gives no dose passes.
        graph: The graph.
    """
    drugs, unknown = recommended_drugs(row, graph)
    yield from unknown
    daily: dict[str, float] = {}
    for drug, recommendation in drugs:
        if recommendation.get("dose") is not None:
            per_dose = milligrams(recommendation.get("dose"), recommendation.get("unit"))
            daily[drug] = daily.get(drug, 0.0) + per_dose * _number(recommendation.get("per_day"), "per_day")
    for drug, dose in daily.items():
        limit, edge = daily_maximum(graph, drug)
        if limit is None or edge is None:
            yield f"the graph knows no maximum daily dose of {graph.name_of(drug)}"
        elif dose > limit * (1 + 1e-9):
            yield Reason(f"{graph.name_of(drug)} {dose:g} mg/d exceeds the maximum of {limit:g} mg/d", edges=(edge,))


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


def daily_maximum(graph: KnowledgeGraph, drug: str) -> tuple[float | None, Triple | None]:
    """Return the lowest maximum of the graph in mg per day, with its edge; (None, None) where it gives none."""
    limits = [(_limit(graph, quantity), quantity) for quantity in graph.objects(drug, "has_maximum_daily_dose")]
    if not limits:
        return None, None
    limit, quantity = min(limits)
    return limit, (drug, "has_maximum_daily_dose", quantity)


_LARGEST = 1e12
"""No dose and no frequency is larger; whole numbers beyond cannot even be converted."""


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf or value > _LARGEST:
        raise MalformedCell(f"'recommended.{name}' is {value}, not a positive number")
    return float(value)


def _limit(graph: KnowledgeGraph, quantity: str) -> float:
    """Return a maximum of the graph in mg per day; its unit is mass per day, such as `mg/d`."""
    attributes = graph.node(quantity).attributes
    mass, _, per = str(attributes.get("unit", "")).partition("/")
    if per != "d":
        raise MalformedCell(f"the graph gives the maximum '{graph.name_of(quantity)}' in no unit of mass per day")
    return milligrams(attributes.get("value"), mass)
