"""Doses in a text: how many milligrams a day it gives of a drug, in whatever unit, number and frequency it says so.

English only. A dose without a frequency counts once; of several doses the largest counts, and those at different times of the day add up.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from string import ascii_lowercase

from bbflow.text.tokenization import TokenizedText
from bbflow.text.units import MASS_WORDS, MILLIGRAMS

_ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SPOKEN = {word: i + 1 for i, word in enumerate(_ONES.split())} | {word: 10 * (i + 2) for i, word in enumerate(_TENS.split())}
_LARGE = {"hundred": 100, "thousand": 1000}
_TIMES = {"once": 1, "twice": 2, "thrice": 3, **_SPOKEN}
_LATIN = {"qd": 1, "od": 1, "bid": 2, "bd": 2, "tid": 3, "tds": 3, "qid": 4, "qds": 4, "daily": 1, "nightly": 1, "qhs": 1, "hourly": 24}
_DAYTIMES = frozenset("morning mornings noon midday afternoon evening evenings night nights bedtime breakfast lunch dinner supper".split())  # noqa: SIM905
_PIECES = frozenset("tablet tablets tab tabs pill pills capsule capsules caps ampoule ampoules vial vials puff puffs".split())  # noqa: SIM905
_LINKS, _JOINS = frozenset(("of", "the", "drug", "oral")), frozenset(("and", "or", "with", "plus"))
_OFTEN = (["times"], ["x"], ["doses"])
_HOW_OFTEN = frozenset(("every", "each", "once", "twice", "thrice", "per", *_LATIN, *ascii_lowercase))
"""Words that a frequency may begin with; letters, since `b.i.d.` is three words."""

_REACH = 12
"""A dose stands at most so many words behind its drug."""

_BEFORE = 5
"""And, where it stands in front ("50 mg of"), so many before it."""


def any_between(units: Sequence[int], first: int, end: int) -> bool:
    """Tells whether a unit stands between two words."""
    at = bisect_left(units, first)
    return at < len(units) and units[at] < end


def front_dose(text: TokenizedText, units: Sequence[int], drug: int, floor: int, taken: bool) -> tuple[int, int] | None:
    """Finds a dose that stands in front of a drug: "50 mg of".

    Args:
        text: The text.
        units: The words that are units of mass, in order.
        drug: First word of the drug.
        floor: Where the drug before it ends; 0 where there is none.
        taken: Whether that drug has a dose in front of it as well; else a dose between the two is the first one's.

    Returns:
        The first word of the amount, and its unit.
    """
    low = max(floor, drug - _BEFORE)
    if not any_between(units, low, drug):
        return None
    words, sentence = text.words, text.sentence(drug)[0]
    start, unit = max(low, sentence), units[bisect_left(units, drug) - 1]
    if unit < start or not all(w in _LINKS or w in _PIECES for w in words[unit + 1 : drug]):
        return None
    amount, at = _amount(words, start, _unit(words, unit)[0])
    alone = not floor or sentence >= floor
    own = alone or taken or "of" in words[unit:drug] or words[at - 1] in _JOINS
    return (at, unit) if amount is not None and own else None


def daily_dose(
    text: TokenizedText,
    first: int,
    end: int,
    drug: int | None = None,
    front: tuple[int, int] | None = None,
    units: Sequence[int] | None = None,
) -> tuple[float | None, tuple[int, int]]:
    """Returns the milligrams a day that a text gives between two words, and the words that say so; None where it gives none.

    Args:
        text: The text.
        first: The word after the drug.
        end: Where the next drug or its dose, or the text, begins.
        drug: First word of the drug, to look for a number of tablets in front of it.
        front: Its dose in front of it, as `front_dose` says.
        units: The words that are units of mass, in order, where they are known.

    >>> daily_dose(TokenizedText("0.5 g every 6 hours"), 0, 5)[0]
    2000.0
    >>> daily_dose(TokenizedText("two 10 mg tablets in the morning and one 10 mg tablet at night"), 0, 13)[0]
    30.0
    """
    words = text.words
    units = [i for i, word in enumerate(words) if word in MASS_WORDS] if units is None else units
    until = min(end, first + _REACH + 1)
    if front is None and not any_between(units, first, until):
        return None, (0, 0)
    until = min(until, text.bounds[bisect_left(text.bounds, first + 1)]) if first < len(words) else until
    found = list(units[bisect_left(units, first) : bisect_left(units, until)])
    count = 1.0
    if front is not None:
        found.insert(0, front[1])
    elif drug is not None:
        start = max(0, drug - _BEFORE, text.sentence(drug)[0])
        pieces = next((i for i in range(drug - 1, start, -1) if words[i] in _PIECES), None)
        if pieces is not None:
            count = _amount(words, start, pieces)[0] or 1.0
    doses = [dose for i in found if (dose := _dose(text, i, first, end, count)) is not None]
    if not doses:
        return None, (0, 0)
    amount, place, _ = max(doses)
    return max(amount, sum(milligrams for milligrams, _, clocked in doses if clocked)), place


def _dose(text: TokenizedText, unit: int, first: int, end: int, count: float) -> tuple[float, tuple[int, int], bool] | None:
    """Reads the dose whose unit is a word: milligrams a day, its words, and whether a time of the day is said."""
    words = text.words
    begins, milligrams = _unit(words, unit)
    amount, at = _amount(words, max(0, begins - 5), begins)
    if amount is None or words[unit + 1 : unit + 2] == ["kg"] or words[unit + 1 : unit + 3] == ["per", "kg"]:
        return None  # by weight: cannot be told
    if words[unit + 1 : unit + 2] and words[unit + 1] in _PIECES and at and _amount(words, max(0, at - 2), at)[0]:
        count = _amount(words, max(0, at - 2), at)[0] or count  # two 10 mg tablets
    elif at >= 2 and words[at - 1] == "of" and words[at - 2] in _PIECES:
        count = _amount(words, max(0, at - 4), at - 2)[0] or count  # two tablets of 10 mg
    after = _until_stop(text, unit + 1, min(len(words), unit + 11))
    following = len(after) if MASS_WORDS.keys().isdisjoint(after) else next(i for i, w in enumerate(after) if w in MASS_WORDS)
    times = per_day(after[:following])
    if times is None and unit > first:
        times = per_day(words[first:at])
    # A line may break between a dose and its frequency.
    if times is None and len(after) < 10 and unit + 1 + len(after) < end:
        times = per_day(words[unit + 1 + len(after) : unit + 5 + len(after)], at_once=True)
    clocked = not _DAYTIMES.isdisjoint(after[:following])
    return amount * milligrams * count * (times or 1.0), (at, unit + 1), clocked


def _unit(words: Sequence[str], unit: int) -> tuple[int, float]:
    """Returns where a unit begins, which may be torn ("50 m g"), and how many milligrams it is."""
    torn = "".join(words[unit - 1 : unit + 1]) if unit >= 2 and words[unit] == "g" else ""
    if torn in MILLIGRAMS and number(words[unit - 2]) is not None:
        return unit - 1, MILLIGRAMS[torn]
    return unit, MASS_WORDS[words[unit]]


def _until_stop(text: TokenizedText, first: int, last: int) -> list[str]:
    return text.words[first : _stop(text, first, last) or last]


def _stop(text: TokenizedText, first: int, last: int) -> int:
    """Returns the first word from one to before another that a sentence begins with; 0 where there is none."""
    stops = text.stops
    for i in range(first, last):
        if i in stops:
            return i
    return 0


def _amount(words: Sequence[str], first: int, unit: int) -> tuple[float | None, int]:
    """Reads the number that ends before a word, in digits or in words, and where it begins."""
    at = unit - 1
    if at < first:
        return None, unit
    value = number(words[at])
    if value is not None:
        if at - 2 >= first and words[at - 1] == "e" and number(words[at - 2]) is not None:
            return float(f"{number(words[at - 2]):g}e{value:g}"), at - 2  # 1e3
        thousand = words[at - 1] if at - 1 >= first else ""
        grouped = thousand.isdecimal() and len(thousand) <= 3 and words[at].isdecimal() and len(words[at]) == 3
        if grouped and not (unit + 1 < len(words) and words[unit + 1] in _PIECES):
            return float(thousand + words[at]), at - 1  # 1 000
        return value, at
    total, part, begin = 0.0, 0.0, unit
    for i in range(at, first - 1, -1):
        if words[i] not in _SPOKEN and words[i] not in _LARGE:
            break
        begin = i
    for word in words[begin:unit]:
        if word in _LARGE:
            part = (part or 1.0) * _LARGE[word]
            if word == "thousand":
                total, part = total + part, 0.0
        else:
            part += _SPOKEN[word]
    return (total + part if begin < unit else None), begin


def per_day(after: Sequence[str], at_once: bool = False) -> float | None:
    """Returns how often a day the words say; None where they do not.

    Args:
        after: The words.
        at_once: Only the first word may begin it.

    >>> per_day(["every", "4", "6", "hours"]), per_day(["morning", "and", "evening"])
    (6.0, 2.0)
    """
    for i, word in enumerate(after[:1] if at_once else after):
        if word not in _HOW_OFTEN and after[i + 1 : i + 2] not in _OFTEN:
            continue
        following = after[i + 1 : i + 4]
        if word in ("every", "q", "each") and following:
            if following[0] in ("hour", "h"):
                return 24.0
            if following[0] == "half":
                return 48.0
            hours = number(following[0]) or _SPOKEN.get(following[0])
            unit = next((w for w in following[1:] if number(w) is None and w not in ("to", "or")), "")
            if hours and unit in ("hours", "hour", "h", "hrs", "hourly", "", "minutes", "min"):
                return (24.0 if unit not in ("minutes", "min") else 1440.0) / hours
        if following[:1] in _OFTEN and (number(word) or _SPOKEN.get(word)):
            return float(number(word) or _SPOKEN[word])
        if word == "x" and following and number(following[0]):
            return float(number(following[0]) or 1)
        if word in ("once", "twice", "thrice"):
            return float(_TIMES[word])
        joined = next((w for w in ("".join(after[i : i + n]) for n in (3, 2)) if w in _LATIN and len(word) == 1), word)
        if joined in _LATIN:
            return max(float(_LATIN[joined]), _clock(after) or 0.0)
        if word in ("per", "a") and following[:1] == ["day"]:
            return _clock(after) or 1.0
    return None if at_once else _clock(after)


def _clock(after: Sequence[str]) -> float | None:
    """Counts the times of the day that are named together."""
    return float(len({w.rstrip("s") for w in after if w in _DAYTIMES})) or None


@lru_cache(maxsize=10_000)
def number(word: str) -> float | None:
    """Reads a number in digits; of two kinds of separators the last is the decimal one.

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
