"""Maximum doses: the figure of a `has_maximum_daily_dose` edge with the qualifiers under which it holds.

A drug may have several: an edge states the figure of lasting treatment, its attribute `otherwise` those of other indications,
formulations or phases. `bbflow.graph.dose_qualifiers` lists the qualifiers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from bbflow.graph.dose_qualifiers import PREDICATE, TEXTS
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Triple


@dataclass(frozen=True)
class MaximumDose:
    """One maximum of a drug.

    Attributes:
        drug: The drug.
        quantity: Node of the daily figure.
        daily: Daily figure.
        unit: Its unit (UCUM), such as `mg/d`.
        main: Whether the edge itself states the figure; the others are of its attribute `otherwise`.
        indications: Names of the conditions it is for, in the spelling of the file; empty for all.
        conditions: Nodes of those that the graph has.
        texts: Formulation, route, phase, setting and schedule, where given.
        single_dose: Largest single dose, in the unit of mass; None where the graph gives none.
        course: For how many days at most the figure holds; None where the graph gives none.
    """

    drug: str
    quantity: str
    daily: Fraction
    unit: str
    main: bool = True
    indications: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    single_dose: Fraction | None = None
    course: int | None = None

    @property
    def triple(self) -> Triple:
        """The edge that states the maximum."""
        return self.drug, PREDICATE, self.quantity

    @property
    def qualified(self) -> bool:
        """Whether the figure holds only under a condition, so that a question about it has to name the condition."""
        return bool(self.indications or self.texts or self.course)

    @property
    def wording(self) -> str:
        """The qualifiers in words, for a question or a message; empty for a figure that always holds."""
        parts = [self.texts[key] for key in ("formulation", "route") if key in self.texts]
        parts += [f"for {' or '.join(self.indications)}"] if self.indications else []
        parts += [self.texts[key] for key in ("phase", "setting", "schedule") if key in self.texts]
        parts += ["for one day only" if self.course == 1 else f"for at most {self.course} days"] if self.course else []
        return ", ".join(parts)


def maximum_doses(graph: KnowledgeGraph, drug: str, conditions: Collection[str] = ()) -> list[MaximumDose]:
    """Return the maxima of a drug, the highest first.

    Args:
        graph: The graph.
        drug: The drug.
        conditions: Conditions of the patient. Where figures are for one of them, figures for other conditions are left out.

    Returns:
        Every maximum that may hold; empty where the graph gives none.

    Raises:
        ValueError: The graph gives an amount without a value.

    >>> from bbflow.testing import GRAPH
    >>> [(float(one.daily), one.unit, one.qualified) for one in maximum_doses(GRAPH, "drug:ibuprofen")]
    [(2400.0, 'mg/d', False)]
    """
    found = [figure for quantity in graph.objects(drug, PREDICATE) for figure in _figures(graph, drug, quantity)]
    if any(set(conditions).intersection(one.conditions) for one in found):
        found = [one for one in found if not one.indications or set(conditions).intersection(one.conditions)]
    return sorted(found, key=lambda one: -one.daily)


def _figures(graph: KnowledgeGraph, drug: str, quantity: str) -> Iterator[MaximumDose]:
    """Yield the figure of an edge, then those of `otherwise`."""
    edge, amount = graph.edge(drug, PREDICATE, quantity), graph.node(quantity).attributes
    given: Mapping[str, Any] = edge.attributes if edge is not None else {}
    for i, figure in enumerate(({**given, "daily": amount.get("value")}, *given.get("otherwise", ()))):
        try:
            daily = Fraction(str(figure["daily"]))
        except ValueError:
            raise ValueError(f"the graph gives '{graph.name_of(quantity)}' no value") from None
        indications = figure.get("indication", ())
        indications = (indications,) if isinstance(indications, str) else tuple(indications)
        yield MaximumDose(
            drug, quantity, daily, str(amount.get("unit", "")), i == 0, indications,
            tuple(node for name in indications if (node := graph.resolve(name)) is not None),
            {key: str(figure[key]) for key in TEXTS if key in figure},
            Fraction(str(figure["single_dose"])) if "single_dose" in figure else None,
            int(figure["course"]) if "course" in figure else None,
        )  # fmt: skip
