"""Doses in a text: the milligrams of a drug that it gives per day, in any unit, number and frequency.

English only. A dose without a frequency counts once. Of several doses the largest counts; doses at different times of the day, and doses
that `and` or `plus` joins, add up. A ceiling ("max 4 g a day") counts as one dose, a laboratory value, a body weight, a quantity that is
dispensed and a swallowed amount are no doses. A dose by body weight needs a weight, and one with a frequency that cannot be read is
reported as not understood.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from bbflow.text.doses.dose_units import KILOGRAMS, any_between, dose_units, end_of_unit, is_concentration, unit_of_dose, volumes_taken
from bbflow.text.doses.dose_words import (
    ADDITIONS,
    CEILINGS,
    FORMS,
    FREQUENCY_LIKE,
    ORDINARY_SHORT_WORDS,
    SEQUENCES,
    SWALLOWED,
    TABLETS,
    is_said_before,
)
from bbflow.text.doses.frequencies import Frequency, frequency, per_day
from bbflow.text.doses.numbers import amount_before, count, gap
from bbflow.text.doses.tablets import crossed, goes_on_with_tablets, tablets_after, tablets_before, tablets_in_front
from bbflow.text.tokenization import TokenizedText
from bbflow.text.units import MASS_WORDS

_LINKS, _JOINS = frozenset(("of", "the", "drug", "oral")), frozenset(("and", "or", "with", "plus"))
_REACH_BEHIND = 12
"""Words between a drug and the dose behind it."""
_REACH_BEFORE = 5
"""Words between a drug and the dose in front of it ("50 mg of")."""
_FREQUENCY_REACH = 10
"""Words behind a unit that can hold its frequency."""
_WORD_REACH = 4
"""Words before an amount that say what it is: a ceiling, a swallowed amount, a quantity that is dispensed."""


class DailyDose(NamedTuple):
    """The dose that a text gives of a drug.

    Attributes:
        daily_mg: Milligrams a day; None where it gives none.
        words: The words of the dose, first and end (exclusive).
        daily_mg_per_kg: Milligrams a day and kilogram of body weight, where it is given so; else None.
        weighted_words: The words of that dose.
        unread_words: The words of a dose whose frequency cannot be read, with those of the frequency; (0, 0) where there is none.
    """

    daily_mg: float | None
    words: tuple[int, int]
    daily_mg_per_kg: float | None = None
    weighted_words: tuple[int, int] = (0, 0)
    unread_words: tuple[int, int] = (0, 0)


_NO_DOSE = DailyDose(None, (0, 0))


class _Dose(NamedTuple):
    """A dose.

    Attributes:
        daily_mg: Milligrams per day, and per kilogram where it is given by weight.
        words: Its words, first and end.
        at_time_of_day: Whether a time of the day is given.
        adds: Whether it is given as well as the dose before it.
        by_weight: Whether it is given by body weight.
        ceiling: Whether it bounds the other doses.
        as_needed: Whether it is left open how often it is taken, up to the ceiling.
        unread_end: The end of a frequency that cannot be read; 0 where there is none.
    """

    daily_mg: float
    words: tuple[int, int]
    at_time_of_day: bool
    adds: bool
    by_weight: bool
    ceiling: bool
    as_needed: bool
    unread_end: int


def front_dose(text: TokenizedText, units: Sequence[int], drug: int, previous_end: int, previous_has_front: bool) -> tuple[int, int] | None:
    """Return the dose in front of a drug ("50 mg of"): the first word of its amount, and its unit; None where there is none.

    Args:
        text: The text.
        units: The words that are units of doses, in order.
        drug: The first word of the drug.
        previous_end: The word after the drug before it; 0 where there is none.
        previous_has_front: Whether that drug has a dose in front of it as well; else a dose between the two belongs to that drug.
    """
    low = max(previous_end, drug - _REACH_BEFORE)
    if not any_between(units, low, drug):
        return None
    words, sentence = text.words, text.sentence(drug)[0]
    start, unit = max(low, sentence), units[bisect_left(units, drug) - 1]
    if unit < start or not all(w in _LINKS or w in TABLETS for w in words[end_of_unit(words, unit) : drug]):
        return None
    amount, at = amount_before(words, start, unit_of_dose(words, unit)[0])
    alone = not previous_end or sentence >= previous_end
    own = alone or previous_has_front or "of" in words[unit:drug] or words[at - 1] in _JOINS
    return (at, unit) if amount is not None and own else None


def daily_dose(
    text: TokenizedText,
    first: int,
    end: int,
    drug: int | None = None,
    front: tuple[int, int] | None = None,
    units: Sequence[int] | None = None,
) -> DailyDose:
    """Return the dose that a text gives between two words.

    Args:
        text: The text.
        first: The word after the drug.
        end: The word at which the next drug or its dose, or the end of the text, begins.
        drug: The first word of the drug, to look for a number of tablets in front of it.
        front: The dose in front of the drug, as `front_dose` returns it.
        units: The words that are units of doses, in order, where they are known.

    >>> daily_dose(TokenizedText("0.5 g every 6 hours"), 0, 5)[0]
    2000.0
    >>> daily_dose(TokenizedText("two 10 mg tablets in the morning and one 10 mg tablet at night"), 0, 13)[0]
    30.0
    """
    words = text.words
    units = dose_units(words, [i for i, word in enumerate(words) if word in MASS_WORDS]) if units is None else units
    until = min(end, first + _REACH_BEHIND + 1)
    if front is None and not any_between(units, first, until):
        return _NO_DOSE
    until = min(until, text.bounds[bisect_left(text.bounds, first + 1)]) if first < len(words) else until
    found = list(units[bisect_left(units, first) : bisect_left(units, until)])
    tablets = 1.0
    if front is not None:
        found.insert(0, front[1])
    elif drug is not None:
        tablets = tablets_in_front(text, drug) or 1.0
    doses: list[_Dose] = []
    for i in found:
        dose = _Reader(text, i, first, end, units, tablets, drug).dose(doses[-1] if doses else None)
        if dose is not None:
            doses.append(dose)
    return _sum(doses) if doses else _NO_DOSE


def _sum(doses: Sequence[_Dose]) -> DailyDose:
    """Return the largest dose of several, those that add up added up."""
    if len(doses) == 1 and not doses[0].by_weight:  # as in nearly every text
        dose = doses[0]
        return DailyDose(dose.daily_mg, dose.words, None, (0, 0), (dose.words[0], dose.unread_end) if dose.unread_end else (0, 0))
    daily, words = _largest([dose for dose in doses if not dose.by_weight])
    per_kg, weighted = _largest([dose for dose in doses if dose.by_weight])
    unread = next(((dose.words[0], dose.unread_end) for dose in doses if dose.unread_end), (0, 0))
    return DailyDose(daily, words, per_kg, weighted, unread)


def _largest(doses: Sequence[_Dose]) -> tuple[float | None, tuple[int, int]]:
    if not doses:
        return None, (0, 0)
    bound = min((dose.daily_mg for dose in doses if dose.ceiling), default=None)
    if bound is not None:
        doses = [dose._replace(daily_mg=min(dose.daily_mg, bound)) if dose.as_needed else dose for dose in doses]
    totals, run = [sum(dose.daily_mg for dose in doses if dose.at_time_of_day)], 0.0
    for dose in doses:
        run = run + dose.daily_mg if dose.adds else dose.daily_mg
        totals.append(run)
    return max(totals), max(doses).words


class _Reader:
    """Reads one dose.

    Args:
        text: The text.
        unit: The word that is the unit.
        first: The word after the drug.
        end: The word at which the next drug, its dose or the end of the text begins.
        units: The words that are units of doses, in order.
        tablets: The number of tablets in front of the drug.
        drug: The first word of the drug.
    """

    __slots__ = ("after", "at", "drug", "end", "first", "following", "next_line", "tablets", "tail", "text", "unit", "units", "words")

    def __init__(
        self, text: TokenizedText, unit: int, first: int, end: int, units: Sequence[int], tablets: float, drug: int | None
    ) -> None:
        self.text, self.words, self.unit, self.first, self.end = text, text.words, unit, first, end
        self.units, self.tablets, self.drug = units, tablets, drug
        self.tail = end_of_unit(self.words, unit)

    def dose(self, previous: _Dose | None) -> _Dose | None:
        """Return the dose; None where the unit has no amount, or the amount is no dose."""
        words = self.words
        begins, milligrams = unit_of_dose(words, self.unit)
        amount, self.at = amount_before(words, max(0, begins - 5), begins)
        before = words[max(0, self.at - _WORD_REACH, previous.words[1] if previous else 0) : self.at]
        if amount is None or is_said_before(words, self.at, SWALLOWED):
            return None
        ceiling = not CEILINGS.isdisjoint(before) or before[-2:] in (["up", "to"], ["titrate", "to"], ["titrated", "to"])
        self._read_after()
        times, own = self._frequency(ceiling)
        daily_mg = amount * milligrams * self._units_taken() * (1.0 if times is None else times)
        adds = previous is not None and own and not ceiling and self._adds(previous)
        by_weight = not self._is_by_area() and not KILOGRAMS.isdisjoint(words[self.unit + 1 : self.tail])
        as_needed = not ceiling and self.following.as_needed
        unread_end = self._unread_end(times is not None)
        return _Dose(daily_mg, (self.at, self.tail), self.following.at_time_of_day, adds, by_weight, ceiling, as_needed, unread_end)

    def _is_by_area(self) -> bool:
        """Return whether the dose is given by the surface of the body (mg/m2)."""
        return self.tail > self.unit + 2 and self.words[self.tail - 2 : self.tail] == ["m", "2"]

    def _units_taken(self) -> float:
        """Return how many tablets, or volumes of a concentration, are taken at a time."""
        if is_concentration(self.words, self.unit):
            return volumes_taken(self.words, self.unit) or 1.0
        tablets = tablets_before(self.text, self.at, self.unit) or tablets_after(self.text, self.after, self.tail, self.units)
        return tablets or self.tablets

    def _read_after(self) -> None:
        """Set `after`, the words behind the dose up to the next dose or line, `following`, their frequency, and `next_line`."""
        words, stops = self.words, self.text.stops
        last = min(len(words), self.tail + _FREQUENCY_REACH)
        self.next_line = next((i for i in range(self.tail, last) if i in stops), last)
        stop = self.next_line
        at = bisect_left(self.units, self.unit + 1)
        if at < len(self.units) and self.units[at] < stop:
            stop = amount_before(words, self.tail, unit_of_dose(words, self.units[at])[0])[1]
        elif stop < len(words) and goes_on_with_tablets(words, stop):
            end = self.text.sentence(stop)[1]
            if end <= self.end and not any_between(self.units, stop, end):
                stop = min(end, stop + _FREQUENCY_REACH)
        self.after = words[self.tail : max(stop, self.tail)]
        self.following: Frequency = frequency(tuple(self.after))

    def _frequency(self, ceiling: bool) -> tuple[float | None, bool]:
        """Return how often a day the dose is given, if the text says so, and whether the dose says so itself."""
        words, after = self.words, self.after
        times = count(after[0]) if crossed(self.text, after, self.tail) else self.following.times
        if times is not None:
            return times, True
        if ceiling:
            return 1.0, False
        if self.unit > self.first:
            times = per_day(words[self.first : self.at])
        next_line = self.next_line
        if times is None and next_line - self.tail < _FREQUENCY_REACH and next_line < self.end:
            # A line may break between a dose and its frequency.
            times = per_day(words[next_line : next_line + 4], at_once=True)
        if times is None and self.drug is not None:
            sentence = self.text.sentence(self.drug)[0]
            lead = words[max(sentence, self.drug - 6) : min(self.drug, self.at)]
            times = per_day(lead) if MASS_WORDS.keys().isdisjoint(lead) else None
        return times, False

    def _adds(self, previous: _Dose) -> bool:
        """Return whether the dose is given as well as the one before it: `and`, `plus` or `+` joins the two."""
        words, at = self.words, self.at
        between = words[previous.words[1] : at]
        if not SEQUENCES.isdisjoint(between):
            return False
        if at and words[at - 1] in ("a", "another", "further", "additional"):
            at -= 1
        return words[at - 1] in ADDITIONS or bool(set(gap(self.text, at - 1)) & set("+&"))

    def _unread_end(self, counted: bool) -> int:
        """Return the end of a frequency that cannot be read; 0 where there is none, or none right behind a dose that is not counted."""
        words = self.words
        if self._is_by_area():
            return self.tail
        if self.following.unread:
            return self.tail + min(len(self.after), 4)
        if counted:
            return 0
        at = max(self.tail, self.first)
        while at < self.next_line and (words[at] in TABLETS or words[at] in FORMS):
            at += 1
        if at >= self.next_line or at >= self.end:
            return 0
        word = words[at]
        if word == "x":  # x 7 days
            return 0 if at + 1 < len(words) and count(words[at + 1]) else at + 1
        if word.isdecimal():
            fraction = at + 1 < self.next_line and words[at + 1].isdecimal() and gap(self.text, at) == "/"
            return at + 2 if fraction else 0
        odd = _is_odd(word)
        return at + 1 if odd or word in FREQUENCY_LIKE or (word[0] == "q" and word[:3] not in ("qua", "que", "qui")) else 0


def _is_odd(word: str) -> bool:
    """Return whether a word looks like an abbreviation that is not known."""
    return word not in ORDINARY_SHORT_WORDS and len(word) <= _LONGEST_ABBREVIATION and word[0].isalpha()


_LONGEST_ABBREVIATION = 3
"""Letters of the longest word that counts as an abbreviation where it is no ordinary word."""
