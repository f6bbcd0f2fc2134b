"""Doses in a text: the milligrams of a drug that it gives per day, in any unit, number and frequency.

English only. A dose without a frequency counts once. Of several doses the largest counts; doses at different times of the day add up.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from string import ascii_lowercase
from typing import NamedTuple

from bbflow.text.tokenization import TokenizedText
from bbflow.text.units import MASS_WORDS, MILLIGRAMS

_ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBER_WORDS = {word: i + 1.0 for i, word in enumerate(_ONES.split())} | {word: 10.0 * (i + 2) for i, word in enumerate(_TENS.split())}
_MULTIPLIERS = {"hundred": 100.0, "thousand": 1000.0}

_ADVERBS = {"once": 1.0, "twice": 2.0, "thrice": 3.0}
_ABBREVIATIONS = {
    "qd": 1.0, "od": 1.0, "bid": 2.0, "bd": 2.0, "tid": 3.0, "tds": 3.0, "qid": 4.0, "qds": 4.0, "qhs": 1.0, "daily": 1.0, "nightly": 1.0,
    "hourly": 24.0,
}  # fmt: skip
"""Latin abbreviation, or adverb of a period, to times a day."""
_TIMES_OF_DAY = frozenset(
    """
    morning mornings noon midday afternoon evening evenings night nights bedtime breakfast lunch dinner supper
    """.split()  # noqa: SIM905
)
_INTERVALS = frozenset(("every", "each", "q"))
_SINGLE_INTERVALS = {"hour": 24.0, "h": 24.0, "half": 48.0}
"""Word after `every` without a number to times a day: `every hour`, `every half hour`."""
_PERIODS = {"hours": 24.0, "hour": 24.0, "h": 24.0, "hrs": 24.0, "hourly": 24.0, "": 24.0, "minutes": 1440.0, "min": 1440.0}
"""Unit of an interval to how many make a day; an interval without a unit is in hours."""
_COUNT_NOUNS = frozenset(("times", "x", "doses"))
_FREQUENCY_STARTS = frozenset((*_INTERVALS, *_ADVERBS, "per", *_ABBREVIATIONS, *ascii_lowercase))
"""Words that a frequency can begin with; single letters, since `b.i.d.` is three words."""

_TABLETS = frozenset("tablet tablets tab tabs pill pills capsule capsules caps ampoule ampoules vial vials puff puffs".split())  # noqa: SIM905
_LINKS, _JOINS = frozenset(("of", "the", "drug", "oral")), frozenset(("and", "or", "with", "plus"))

_REACH_BEHIND = 12
"""Words between a drug and the dose behind it."""
_REACH_BEFORE = 5
"""Words between a drug and the dose in front of it ("50 mg of")."""
_FREQUENCY_REACH = 10
"""Words behind a unit that can hold its frequency."""


def any_between(units: Sequence[int], first: int, end: int) -> bool:
    """Return whether a unit lies between two words."""
    at = bisect_left(units, first)
    return at < len(units) and units[at] < end


def front_dose(text: TokenizedText, units: Sequence[int], drug: int, previous_end: int, previous_has_front: bool) -> tuple[int, int] | None:
    """Return the dose in front of a drug ("50 mg of"): the first word of its amount, and its unit; None where there is none.

    Args:
        text: The text.
        units: The words that are units of mass, in order.
        drug: The first word of the drug.
        previous_end: The word after the drug before it; 0 where there is none.
        previous_has_front: Whether that drug has a dose in front of it as well; else a dose between the two belongs to that drug.
    """
    low = max(previous_end, drug - _REACH_BEFORE)
    if not any_between(units, low, drug):
        return None
    words, sentence = text.words, text.sentence(drug)[0]
    start, unit = max(low, sentence), units[bisect_left(units, drug) - 1]
    if unit < start or not all(w in _LINKS or w in _TABLETS for w in words[unit + 1 : drug]):
        return None
    amount, at = _amount(words, start, _unit(words, unit)[0])
    alone = not previous_end or sentence >= previous_end
    own = alone or previous_has_front or "of" in words[unit:drug] or words[at - 1] in _JOINS
    return (at, unit) if amount is not None and own else None


class _Dose(NamedTuple):
    """A dose: milligrams per day, the words of its amount (first and end), and whether a time of the day is given."""

    daily_mg: float
    words: tuple[int, int]
    at_time_of_day: bool


def daily_dose(
    text: TokenizedText,
    first: int,
    end: int,
    drug: int | None = None,
    front: tuple[int, int] | None = None,
    units: Sequence[int] | None = None,
) -> tuple[float | None, tuple[int, int]]:
    """Return the milligrams per day that a text gives between two words, and the words of the dose; None where it gives none.

    Args:
        text: The text.
        first: The word after the drug.
        end: The word at which the next drug or its dose, or the end of the text, begins.
        drug: The first word of the drug, to look for a number of tablets in front of it.
        front: The dose in front of the drug, as `front_dose` returns it.
        units: The words that are units of mass, in order, where they are known.

    >>> daily_dose(TokenizedText("0.5 g every 6 hours"), 0, 5)[0]
    2000.0
    >>> daily_dose(TokenizedText("two 10 mg tablets in the morning and one 10 mg tablet at night"), 0, 13)[0]
    30.0
    """
    words = text.words
    units = [i for i, word in enumerate(words) if word in MASS_WORDS] if units is None else units
    until = min(end, first + _REACH_BEHIND + 1)
    if front is None and not any_between(units, first, until):
        return None, (0, 0)
    until = min(until, text.bounds[bisect_left(text.bounds, first + 1)]) if first < len(words) else until
    found = list(units[bisect_left(units, first) : bisect_left(units, until)])
    tablets = 1.0
    if front is not None:
        found.insert(0, front[1])
    elif drug is not None:
        start = max(0, drug - _REACH_BEFORE, text.sentence(drug)[0])
        noun = next((i for i in range(drug - 1, start, -1) if words[i] in _TABLETS), None)
        if noun is not None:
            tablets = _amount(words, start, noun)[0] or 1.0
    doses = [dose for i in found if (dose := _dose(text, i, first, end, tablets)) is not None]
    if not doses:
        return None, (0, 0)
    largest = max(doses)
    return max(largest.daily_mg, sum(dose.daily_mg for dose in doses if dose.at_time_of_day)), largest.words


def _dose(text: TokenizedText, unit: int, first: int, end: int, tablets: float) -> _Dose | None:
    """Return the dose with a unit; None where it has no amount, or one by body weight.

    Args:
        text: The text.
        unit: The word that is the unit.
        first: The word after the drug.
        end: The word at which the next drug, its dose or the end of the text begins.
        tablets: The number of tablets where the dose itself gives none.
    """
    words = text.words
    begins, milligrams = _unit(words, unit)
    amount, at = _amount(words, max(0, begins - 5), begins)
    if amount is None or words[unit + 1 : unit + 2] == ["kg"] or words[unit + 1 : unit + 3] == ["per", "kg"]:
        return None
    tablets = _number_of_tablets(words, unit, at) or tablets
    times, at_time_of_day = _frequency(text, unit, first, end, at)
    return _Dose(amount * milligrams * tablets * (times or 1.0), (at, unit + 1), at_time_of_day)


def _unit(words: Sequence[str], unit: int) -> tuple[int, float]:
    """Return the first word of a unit, which may be torn ("50 m g"), and how many milligrams it is."""
    torn = "".join(words[unit - 1 : unit + 1]) if unit >= 2 and words[unit] == "g" else ""
    if torn in MILLIGRAMS and number(words[unit - 2]) is not None:
        return unit - 1, MILLIGRAMS[torn]
    return unit, MASS_WORDS[words[unit]]


def _number_of_tablets(words: Sequence[str], unit: int, at: int) -> float | None:
    """Return the number of tablets of a dose whose amount begins at a word; None where it gives none."""
    if at and unit + 1 < len(words) and words[unit + 1] in _TABLETS:  # two 10 mg tablets
        tablets = _amount(words, max(0, at - 2), at)[0]
        if tablets:
            return tablets
    if at >= 2 and words[at - 1] == "of" and words[at - 2] in _TABLETS:  # two tablets of 10 mg
        return _amount(words, max(0, at - 4), at - 2)[0]
    return None


def _frequency(text: TokenizedText, unit: int, first: int, end: int, at: int) -> tuple[float | None, bool]:
    """Return how often a day a dose is given, if the text says so, and whether a time of the day follows the dose."""
    words = text.words
    last = min(len(words), unit + 1 + _FREQUENCY_REACH)
    after = words[unit + 1 : next((i for i in range(unit + 1, last) if i in text.stops), last)]
    same_dose = after
    if not MASS_WORDS.keys().isdisjoint(after):
        same_dose = after[: next(i for i, word in enumerate(after) if word in MASS_WORDS)]
    times = per_day(same_dose)
    if times is None and unit > first:
        times = per_day(words[first:at])
    next_line = unit + 1 + len(after)
    if times is None and len(after) < _FREQUENCY_REACH and next_line < end:  # a line may break between a dose and its frequency
        times = per_day(words[next_line : next_line + 4], at_once=True)
    return times, not _TIMES_OF_DAY.isdisjoint(same_dose)


def _amount(words: Sequence[str], first: int, unit: int) -> tuple[float | None, int]:
    """Return the number that ends before a word, in digits or in words, and its first word; None where there is no number.

    Args:
        words: The words of the text.
        first: The first word that may belong to the number.
        unit: The word after the number.
    """
    if unit - 1 < first:
        return None, unit
    value = number(words[unit - 1])
    if value is None:
        return _amount_in_words(words, first, unit)
    return _amount_of_several_words(words, first, unit, value) or (value, unit - 1)


def _amount_of_several_words(words: Sequence[str], first: int, unit: int, value: float) -> tuple[float, int] | None:
    """Return a number in digits that is cut into words (`1e3`, `1 000`), and its first word; None where the last word is all of it.

    >>> _amount_of_several_words(["1", "e", "3"], 0, 3, 3.0), _amount_of_several_words(["1", "000"], 0, 2, 0.0)
    ((1000.0, 0), (1000.0, 0))
    """
    last = unit - 1
    if last - 2 >= first and words[last - 1] == "e":
        mantissa = number(words[last - 2])
        if mantissa is not None and math.isfinite(mantissa) and value.is_integer():
            digits, _, shift = f"{mantissa:g}".partition("e")
            return float(f"{digits}e{int(shift or 0) + int(value)}"), last - 2
    thousand = words[last - 1] if last - 1 >= first else ""
    grouped = thousand.isdecimal() and len(thousand) <= 3 and words[last].isdecimal() and len(words[last]) == 3
    if grouped and not (unit + 1 < len(words) and words[unit + 1] in _TABLETS):
        return float(thousand + words[last]), last - 1
    return None


def _amount_in_words(words: Sequence[str], first: int, unit: int) -> tuple[float | None, int]:
    """Return the number in words that ends before a word, and its first word.

    >>> _amount_in_words("take two thousand five hundred".split(), 0, 5), _amount_in_words(["some"], 0, 1)
    ((2500.0, 1), (None, 1))
    """
    begin = unit
    while begin > first and (words[begin - 1] in _NUMBER_WORDS or words[begin - 1] in _MULTIPLIERS):
        begin -= 1
    total, part = 0.0, 0.0
    for word in words[begin:unit]:
        if word in _MULTIPLIERS:
            part = (part or 1.0) * _MULTIPLIERS[word]
            if word == "thousand":
                total, part = total + part, 0.0
        else:
            part += _NUMBER_WORDS[word]
    return (total + part if begin < unit else None), begin


def per_day(words: Sequence[str], at_once: bool = False) -> float | None:
    """Return how often a day the words say; None where they do not.

    The first frequency counts, read by the first of `_FREQUENCIES` that knows it; without one, the times of the day are counted.

    Args:
        words: The words.
        at_once: Whether the frequency must begin at the first word.

    >>> per_day(["every", "4", "6", "hours"]), per_day(["morning", "and", "evening"])
    (6.0, 2.0)
    """
    last = len(words) - 1
    for i, word in enumerate(words[:1] if at_once else words):
        if word in _FREQUENCY_STARTS or (i < last and words[i + 1] in _COUNT_NOUNS):
            for read in _FREQUENCIES:
                times = read(words, i)
                if times is not None:
                    return times
    return None if at_once else _named_times(words)


def _interval(words: Sequence[str], i: int) -> float | None:
    """Read an interval: `every 6 hours`, `q8h`, `every 4 to 6 hours` (the shorter), `every half hour`, `every 30 minutes`."""
    following = words[i + 1 : i + 4]
    if words[i] not in _INTERVALS or not following:
        return None
    if following[0] in _SINGLE_INTERVALS:
        return _SINGLE_INTERVALS[following[0]]
    length = _count(following[0])
    unit = next((word for word in following[1:] if number(word) is None and word not in ("to", "or")), "")
    return _PERIODS[unit] / length if length and unit in _PERIODS else None


def _repetition(words: Sequence[str], i: int) -> float | None:
    """Read a number of times: `three times`, `4 doses`, `2 x`."""
    return _count(words[i]) if i + 1 < len(words) and words[i + 1] in _COUNT_NOUNS else None


def _multiplication(words: Sequence[str], i: int) -> float | None:
    """Read a factor: `x 4`."""
    return number(words[i + 1]) or None if words[i] == "x" and i + 1 < len(words) else None


def _adverb(words: Sequence[str], i: int) -> float | None:
    """Read `once`, `twice`, `thrice`."""
    return _ADVERBS.get(words[i])


def _abbreviation(words: Sequence[str], i: int) -> float | None:
    """Read a Latin abbreviation, in one word or letter by letter (`b.i.d.`); more times of the day than it says count instead."""
    candidates = [words[i]]
    if len(words[i]) == 1:
        candidates = ["".join(words[i : i + 3]), "".join(words[i : i + 2]), words[i]]
    times = next((_ABBREVIATIONS[word] for word in candidates if word in _ABBREVIATIONS), None)
    return None if times is None else max(times, _named_times(words) or 0.0)


def _period(words: Sequence[str], i: int) -> float | None:
    """Read `per day` and `a day`, at the times of the day that are named."""
    if words[i] in ("per", "a") and words[i + 1 : i + 2] == ["day"]:
        return _named_times(words) or 1.0
    return None


_FREQUENCIES: tuple[Callable[[Sequence[str], int], float | None], ...] = (
    _interval,
    _repetition,
    _multiplication,
    _adverb,
    _abbreviation,
    _period,
)
"""Readers of a frequency that begins at a word, in the order in which they are tried; each returns times a day, or None."""


def _named_times(words: Sequence[str]) -> float | None:
    """Return the number of different times of the day that are named; None for none."""
    return float(len({word.rstrip("s") for word in words if word in _TIMES_OF_DAY})) or None


def _count(word: str) -> float | None:
    """Return the positive number that a word is, in digits or in letters; None where it is none."""
    return number(word) or _NUMBER_WORDS.get(word)


@lru_cache(maxsize=10_000)
def number(word: str) -> float | None:
    """Return the number that a word of digits is; of two kinds of separators the last is the decimal one. None for other words.

    >>> number("1,000"), number("0,5"), number("1.000,5"), number("x")
    (1000.0, 0.5, 1000.5, None)
    """
    if not word[0].isdigit():
        return None
    if "." in word and "," in word:
        thousands = "," if word.rindex(".") > word.rindex(",") else "."
        word = word.replace(thousands, "")
    elif word.count(".") > 1:
        word = word.replace(".", "")
    word = re.sub(r",(?=\d{3}(?:\D|$))", "", word).replace(",", ".")
    try:
        return float(word)
    except ValueError:
        return None
