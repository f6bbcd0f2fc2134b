"""The meaning of an edge against a drug: one place, for contract rules, rewards, solver, preference pairs and wording.

| edge | weight |
|---|---|
| `contraindicated_in`; `interacts_with` of severity contraindicated or major | forbids |
| `caution_in`; `interacts_with` of severity moderate | caution |
| `interacts_with` of severity minor | negligible |
| `interacts_with` of no or another severity | unstated |

| weight | contract | reward | solver | worded as |
|---|---|---|---|---|
| forbids | refused | 0, counted as unsafe advice | unsafe | a ban |
| caution | `needs_no_caution`, as its owner sets it | 0, not counted as unsafe | unknown | a caution |
| negligible | passes | no fault | safe | nothing |
| unstated | refused: it was not understood | 0, counted as unsafe advice | unknown | nothing |

A caution is neither a ban nor safety: "topiramate needs caution in pregnancy" is no reason to call topiramate forbidden, and none to call
it safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Literal

from bbflow.graph.elements import Edge
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Triple


class Weight(StrEnum):
    """The weight of an edge against a drug."""

    FORBIDS = "forbids"
    CAUTION = "caution"
    NEGLIGIBLE = "negligible"
    UNSTATED = "unstated"


CONDITIONS = {"contraindicated_in": Weight.FORBIDS, "caution_in": Weight.CAUTION}
"""Predicate between a drug and a condition, state, allergy or renal function to its weight."""

INTERACTIONS = {"contraindicated": Weight.FORBIDS, "major": Weight.FORBIDS, "moderate": Weight.CAUTION, "minor": Weight.NEGLIGIBLE}
"""Severity of an interaction to its weight; the source's words are those of drug labels."""

AGAINST = frozenset({*CONDITIONS, "interacts_with"})
"""The predicates that can speak against a drug."""

FORBIDDING: tuple[Literal["contraindicated_in", "caution_in"], ...] = ("contraindicated_in",)
"""Predicates that forbid whatever their attributes say."""

NOT_FORBIDDING = tuple(severity for severity, weight in INTERACTIONS.items() if weight is not Weight.FORBIDS)
"""Severities of an interaction that do not forbid the combination."""


def weight_of(edge: Edge) -> Weight | None:
    """Return the weight of an edge against its drug; None where it says nothing against one.

    >>> pair = ("drug:a", "interacts_with", "drug:b", "source")
    >>> [str(weight_of(Edge(*pair, attributes=found))) for found in ({"severity": "major"}, {"severity": "moderate"}, {})]
    ['forbids', 'caution', 'unstated']
    >>> str(weight_of(Edge("drug:a", "caution_in", "state:pregnancy", "source")))
    'caution'
    """
    if edge.predicate == "interacts_with":
        return INTERACTIONS.get(edge.attributes.get("severity", ""), Weight.UNSTATED)
    return CONDITIONS.get(edge.predicate)


def edges_against(graph: KnowledgeGraph, drug: str, context: Iterable[str]) -> Iterator[tuple[Weight, Triple]]:
    """Yield each edge of a drug against a node of a patient's context, with its weight."""
    for node in context:
        for predicate in ("contraindicated_in", "caution_in", "interacts_with"):
            edge = graph.edge(drug, predicate, node)
            if edge is not None and (weight := weight_of(edge)) is not None:
                yield weight, (drug, predicate, node)
