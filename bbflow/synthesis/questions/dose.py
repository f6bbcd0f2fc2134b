"""Dose calculation: an amount of a drug in a given unit, from its maximum daily dose, in exact arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.synthesis.items.item import NO, YES, Item, Question
from bbflow.synthesis.questions.qualifiers import qualified_name
from bbflow.text.units import UNITS

Asks = Literal["tablets", "single", "total", "remaining", "within"]
GRAMS = {unit: UNITS[unit].factor / UNITS["g"].factor for unit in ("g", "mg", "ug")}
"""UCUM units of mass, in grams; a microgram is written `mcg` in text, as hospital guidance requires."""
SHOWN = {"g": "g", "mg": "mg", "ug": "mcg"}


def format_mass(grams: Fraction, unit: str) -> str:
    """Format an amount exactly in a unit.

    >>> format_mass(Fraction(3, 2), "mg"), format_mass(Fraction(1, 8), "g")
    ('1500 mg', '0.125 g')
    """
    value = grams / GRAMS[unit]
    text = str(value.numerator) if value.denominator == 1 else f"{float(value):.6f}".rstrip("0").rstrip(".")
    return f"{text} {SHOWN[unit]}"


def parse_mass(text: str) -> Fraction | None:
    """Parse a mass as grams, or a number of tablets as it is; None for anything else.

    >>> parse_mass("0.5 g") == parse_mass("500 mg"), parse_mass("3 tablets")
    (True, Fraction(3, 1))
    """
    number, _, unit = text.partition(" ")
    units = {shown: GRAMS[code] for code, shown in SHOWN.items()} | {"tablets": Fraction(1), "tablet": Fraction(1)}
    try:
        return Fraction(number) * units[unit]
    except (ValueError, KeyError, ZeroDivisionError):
        return None


@dataclass(frozen=True)
class Dose(Question):
    """Ask for an amount.

    Attributes:
        drug: The drug.
        asks: `tablets`: the largest daily number of one strength; `single`: the largest equal dose, so many times a day; `total`: the
            sum of doses; `remaining`: the amount left for today; `within`: whether a prescription stays within the maximum.
        amount: Mass of one tablet or dose, a decimal number; empty for `single`.
        unit: Its unit (UCUM).
        times: How many doses a day.
        wanted: Unit of the answer (UCUM).
    """

    drug: str
    asks: Asks
    amount: str = ""
    unit: str = "mg"
    times: int = 1
    wanted: str = "mg"

    @property
    def kind(self) -> str:
        """Key of its templates."""
        return f"dose.{self.asks}"

    @property
    def key(self) -> object:
        """Every field."""
        return [self.drug, self.asks, self.amount, self.unit, self.times, self.wanted]

    @property
    def entities(self) -> tuple[str, ...]:
        """The drug."""
        return (self.drug,)

    def _maximum(self, graph: KnowledgeGraph) -> Fraction | None:
        """The graph's one maximum, in grams a day."""
        found = graph.objects(self.drug, "has_maximum_daily_dose")
        attributes = graph.node(found[0]).attributes if len(found) == 1 else {}
        mass, _, per = str(attributes.get("unit", "")).partition("/")
        return Fraction(str(attributes["value"])) * GRAMS[mass] if mass in GRAMS and per == "d" else None

    def objections(self, graph: KnowledgeGraph, item: Item) -> Iterator[str]:
        """Calculate the answer again; exactly one option may have its value."""
        limit = self._maximum(graph)
        if limit is None:
            yield f"the graph gives no one maximum daily dose of {self.drug} in a unit of mass"
            return
        dose = Fraction(self.amount) * GRAMS[self.unit] if self.amount else Fraction(0)
        if (dose <= 0) != (self.asks == "single") or self.times < 1:
            yield "the amounts make no sense"
            return
        if self.asks == "within":
            right = YES if dose * self.times <= limit else NO
            if item.gold != right or set(item.options or ()) != {YES, NO}:
                yield f"the answer is {right}, not {item.gold}"
        else:
            yield from self._amount_objections(item, self._result(limit, dose), limit)
        yield from self._unmarketed(graph, dose, limit)
        if item.edges != ((self.drug, "has_maximum_daily_dose", graph.objects(self.drug, "has_maximum_daily_dose")[0]),):
            yield "the proof is not the maximum daily dose"

    def _unmarketed(self, graph: KnowledgeGraph, dose: Fraction, limit: Fraction) -> Iterator[str]:
        """Yield why nobody takes such a dose: no marketed strengths make it up, or it is too much at once."""
        held = graph.node(self.drug).attributes
        sold = {Fraction(str(strength)) / 1000 for strength in held.get("strengths", ())}
        usual = list(held.get("doses_per_day", ()))
        edge = graph.edge(self.drug, "has_maximum_daily_dose", graph.objects(self.drug, "has_maximum_daily_dose")[0])
        about = {} if edge is None else edge.attributes
        if not sold or not usual:
            yield f"the graph does not say in which strengths {self.drug} is sold"
            return
        if about.get("course") == 1 or "single" in str(about.get("schedule", "")):
            yield f"the maximum of {self.drug} is that of a single day"
        at_once = limit / self.times if self.asks == "single" else dose
        whole = {strength * number for strength in sold for number in ((1,) if self.asks == "tablets" else (1, 2))}
        if at_once not in whole:
            yield f"{format_mass(at_once, 'mg')} of {self.drug} is not made up of marketed strengths"
        single = Fraction(str(about.get("single_dose", 1000 * limit))) / 1000
        if at_once > min(limit / min(usual), single):
            yield f"{format_mass(at_once, 'mg')} of {self.drug} is too much at once"
        most = max(usual) + (self.asks == "within")
        if (self.asks != "tablets" and self.times > most) or (self.asks == "single" and self.times not in usual):
            yield f"nobody takes {self.drug} so many times a day"

    def _result(self, limit: Fraction, dose: Fraction) -> Fraction:
        """Return the amount asked for: grams, or a number of tablets."""
        if self.asks == "tablets":
            return Fraction(limit // dose)
        if self.asks == "single":
            return limit / self.times
        return dose * self.times if self.asks == "total" else limit - dose * self.times

    def _amount_objections(self, item: Item, result: Fraction, limit: Fraction) -> Iterator[str]:
        """Check that every option is an amount and that the gold alone is the result."""
        options = item.options or ()
        values = [parse_mass(option) for option in options]
        if [option for option, value in zip(options, values, strict=True) if value == result] != [item.gold] or result <= 0:
            yield f"not exactly one option is the amount of {result}"
        if None in values or any((" tablet" in option) != (self.asks == "tablets") for option in options):
            yield "an option is no amount"
        if self.asks == "total" and result > limit:
            yield "the doses exceed the maximum"

    def slots(self, graph: KnowledgeGraph, item: Item) -> dict[str, str]:
        """Return `drug`, `dose` with its unit, `times`, and the `unit` of the answer."""
        dose = format_mass(Fraction(self.amount) * GRAMS[self.unit], self.unit) if self.amount else ""
        times = {1: "once", 2: "twice"}.get(self.times, f"{self.times} times")
        return {"drug": qualified_name(graph, self.drug), "dose": dose, "times": times, "unit": SHOWN[self.wanted]}

    def reasoning(self, graph: KnowledgeGraph, item: Item) -> list[str]:
        """Return the maximum and the calculation that leads from it to the answer."""
        limit = self._maximum(graph) or Fraction(0)
        most, dose = format_mass(limit, self.wanted), Fraction(self.amount or 0) * GRAMS[self.unit]
        each, daily = format_mass(dose, self.wanted), format_mass(dose * self.times, self.wanted)
        sums = {
            "tablets": f"{most} / {each} gives at most {item.gold}.",
            "single": f"{most} / {self.times} = {item.gold}.",
            "total": f"{self.times} x {each} = {item.gold}.",
            "remaining": f"{self.times} x {each} = {daily}. {most} - {daily} = {item.gold}.",
            "within": f"{self.times} x {each} = {daily}, which is {'within' if item.gold == YES else 'above'} {most}.",
        }
        return [*super().reasoning(graph, item), sums[self.asks]]
