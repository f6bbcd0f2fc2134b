"""Dose calculation with units, from the maximum daily doses of the graph."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from typing import ClassVar, get_args

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Split
from bbflow.synthesis.items.item import NO, YES, Item
from bbflow.synthesis.questions.dose import GRAMS, Asks, Dose, format_mass
from bbflow.synthesis.sense.doses import MOST_AT_ONCE, Marketed, marketed
from bbflow.synthesis.splits import question_split
from bbflow.synthesis.tasks.base import Task

_MOST_TABLETS = 24


class DoseCalculation(Task):
    """Ask five kinds of calculations, with doses that are marketed and usual.

    Options are results of other questions about the same drug; each can be the right one.

    Args:
        num_options: Number of amounts to choose from.
    """

    name: ClassVar[str] = "dose_calculation"
    needs = "has_maximum_daily_dose edges to amounts in mg/d or g/d, of drugs with `strengths` and `doses_per_day`"
    capabilities: ClassVar[tuple[str, ...]] = ("domain",)
    fields: ClassVar[frozenset[str]] = frozenset({"options", "edges", "entities"})

    def __init__(self, num_options: int = 4) -> None:
        self.num_options = num_options

    def index(self, graph: KnowledgeGraph) -> int:
        """List the questions about each drug that has one maximum in a unit of mass."""
        self.ways: dict[tuple[str, Asks, str], dict[str, list[tuple[Split, Dose]]]] = {}
        for edge in graph.edges("has_maximum_daily_dose"):
            attributes = graph.node(edge.object).attributes
            mass, _, per = str(attributes.get("unit", "")).partition("/")
            if mass in GRAMS and per == "d" and len(graph.objects(edge.subject, "has_maximum_daily_dose")) == 1:
                limit = Fraction(str(attributes["value"])) * GRAMS[mass]
                sold = marketed(graph, edge.subject, limit)
                if sold is not None:
                    self._index(edge.subject, limit, sold)
        self.ways = {key: results for key, results in self.ways.items() if len(results) >= (2 if key[1] == "within" else self.num_options)}
        self.keys = {asks: [key for key in self.ways if key[1] == asks] for asks in get_args(Asks)}
        self.keys = {asks: keys for asks, keys in self.keys.items() if keys}
        return len(self.ways)

    def _index(self, drug: str, limit: Fraction, sold: Marketed) -> None:
        for question, result in _sums(drug, limit, sold):
            split = question_split(question, self.graph.salt)
            results = self.ways.setdefault((drug, question.asks, question.wanted), {})
            results.setdefault(result, []).append((split, question))

    def propose(self, rng: random.Random) -> Item | None:
        """Draw a drug and a kind of calculation, results close to each other, the right one, and a question with that result."""
        key = rng.choice(self.keys[rng.choice(list(self.keys))])
        drug, asks, _ = key
        results = self.ways[key]
        if asks == "within":
            options = [YES, NO]
        else:
            ordered = list(results)
            at = rng.randrange(len(ordered))
            around = ordered[max(0, at - self.num_options) : at + self.num_options + 1]
            options = rng.sample(around, min(self.num_options, len(around)))
        rng.shuffle(options)
        split = rng.choice(results[rng.choice(options)])[0]
        ways = [[question for s, question in results[option] if s == split] for option in options]
        if len(options) < 2 or not all(ways):
            return None
        i = rng.randrange(len(options))
        proof = (drug, "has_maximum_daily_dose", self.graph.objects(drug, "has_maximum_daily_dose")[0])
        question = rng.choice(ways[i])
        level = 2 + (question.unit != question.wanted) + (asks == "remaining")
        return Item(self.name, self.capabilities, question, options[i], (proof,), drug, options=tuple(options), chain=True, level=level)


def _sums(drug: str, limit: Fraction, sold: Marketed) -> Iterator[tuple[Dose, str]]:
    """Yield questions about a drug with their results; the results of one kind are in ascending order."""
    found: list[tuple[Fraction, Dose, str]] = []
    units = ("mg", "g") if limit >= 1 else ("mg",)
    for times in sold.times:
        for wanted in units:
            each, question = limit / times, Dose(drug, "single", times=times, wanted=wanted)
            found += [(each, question, format_mass(each, wanted))] if _is_short(each, wanted) and sold.is_dose(each) else []
    amounts = sorted({strength * number for strength in sold.strengths for number in range(1, MOST_AT_ONCE + 1)})
    for grams in amounts:
        for unit in ("mg", "g"):
            amount = format_mass(grams, unit).split()[0]
            if not sold.is_dose(grams) or (unit == "g" and grams < Fraction(1, 10)):
                continue
            tablets = limit // grams
            if grams in sold.strengths and 1 <= tablets <= _MOST_TABLETS:
                question = Dose(drug, "tablets", amount, unit, 1, "mg")
                found.append((Fraction(tablets), question, f"{tablets} tablet{'s' * (tablets > 1)}"))
            found += _of_amount(drug, limit, sold, grams, amount, unit)
    found.sort(key=lambda entry: (entry[1].asks, entry[1].wanted, entry[0]))
    yield from ((question, result) for _, question, result in found)


def _of_amount(drug: str, limit: Fraction, sold: Marketed, grams: Fraction, amount: str, unit: str) -> Iterator[tuple[Fraction, Dose, str]]:
    """Yield the questions about one amount, taken so many times a day, each with its result in grams and in words."""
    most, units = max(sold.times), ("mg", "g") if limit >= 1 else ("mg",)
    for times in range(1, most + 2):
        total = grams * times
        for wanted in units:
            if total <= limit and times in sold.times and _is_short(total, wanted):
                yield total, Dose(drug, "total", amount, unit, times, wanted), format_mass(total, wanted)
            # What is left is of interest where another dose may follow.
            if total < limit and times < most and _is_short(limit - total, wanted):
                yield limit - total, Dose(drug, "remaining", amount, unit, times, wanted), format_mass(limit - total, wanted)
        if limit / 4 <= total <= limit * 4 and (times in sold.times or total > limit):
            yield total, Dose(drug, "within", amount, unit, times, "mg"), YES if total <= limit else NO


def _is_short(grams: Fraction, unit: str) -> bool:
    """Return whether an amount can be written exactly with at most three decimals."""
    return (grams / GRAMS[unit] * 1000).denominator == 1
