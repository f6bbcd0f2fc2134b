"""Doses of a text that no drug stands beside, and numbers without a unit in their place: "Step up to 300 mg daily", "warfarin 5 bd"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bbflow.text.doses.dose_parsing import daily_dose
from bbflow.text.doses.frequencies import per_day
from bbflow.text.doses.numbers import NUMBER_WORDS, number
from bbflow.text.drugs.drug_mentions import DrugMention, TextReading

_LINKS = frozenset("to at up from the is by goes go going raised increased dose doubled of now".split())  # noqa: SIM905
"""Words between a drug and a number without a unit."""
_FREQUENCY_REACH = 4
_CALCULATED = re.compile(r"[=>\u2192]|\b(?:too much|overdose|exceeds?|exceeding|ceiling)\b", re.IGNORECASE)
_REACH = 5
"""Words before a unit that hold its amount."""
_SHORTEST = 3
"""Words of a sentence that gives a number alone: "Answer: 4000 mg"."""
_LARGEST_COUNT = 8
"""The largest number of tablets that is taken for one: "two 100s"."""


def stray_doses(reading: TextReading) -> Iterator[tuple[list[str], float, tuple[int, int]]]:
    """Yield the drugs that a stray dose may be of, its milligrams a day, and its words; no drug where the text names none before it.

    >>> from bbflow.testing import GRAPH
    >>> from bbflow.text.drugs.drug_mentions import read_drug_stances
    >>> list(stray_doses(read_drug_stances("Warfarin suits him. Step up to 300 mg twice daily.", GRAPH)))
    [(['drug:warfarin'], 600.0, (6, 8))]
    >>> list(stray_doses(read_drug_stances("Warfarin 10 bd.", GRAPH)))
    [(['drug:warfarin'], 20.0, (1, 3))]
    """
    text, done = reading.text, set[int]()
    for unit in reading.units:
        start, end = text.sentence(unit)
        if start in done or any(start <= m.words[0] < end for m in (*reading.drug_mentions, *reading.class_mentions)):
            continue
        done.add(start)
        if end - start <= _SHORTEST or _CALCULATED.search(text.text[slice(*text.span(start, end))]):
            continue  # a result, a change of dose, or what is too much
        dose = daily_dose(text, max(start, unit - _REACH), end, units=reading.units)
        before = [m for m in reading.drug_mentions if m.words[0] < start]
        if dose.daily_mg is not None and not (before and before[-1].stance == "against"):
            yield [before[-1].drug] if before else [], dose.daily_mg, dose.words
    for mention in reading.drug_mentions:
        if mention.daily_mg is None and mention.daily_mg_per_kg is None and mention.stance != "against":
            yield from _without_unit(reading, mention)
    if not reading.drug_mentions:
        yield from _counted(reading)


def _without_unit(reading: TextReading, mention: DrugMention) -> Iterator[tuple[list[str], float, tuple[int, int]]]:
    """Yield a number right after a drug that a frequency follows, in milligrams."""
    words, end = reading.text.words, reading.text.sentence(mention.words[0])[1]
    i = mention.words[1]
    while i < end and words[i] in _LINKS:
        i += 1
    amount = number(words[i]) if i < end else None
    times = per_day(words[i + 1 : min(end, i + 1 + _FREQUENCY_REACH)], at_once=True) if amount is not None else None
    if amount is not None and times is not None:
        yield [mention.drug], amount * times, (i, min(end, i + 2))


def _counted(reading: TextReading) -> Iterator[tuple[list[str], float, tuple[int, int]]]:
    """Yield a number of tablets before a strength without a unit, in a text that names no drug: "two 100s"."""
    words = reading.text.words
    for i in range(len(words) - 1):
        count, strength = NUMBER_WORDS.get(words[i]), number(words[i + 1])
        if count is not None and strength is not None and count <= _LARGEST_COUNT < strength:
            yield [], count * strength, (i, i + 2)
