"""How often a day a text says that a dose is given. English, with the Latin of prescriptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from string import ascii_lowercase
from typing import NamedTuple

from bbflow.text.doses.numbers import NUMBER_WORDS, count, number

_ADVERBS = {"once": 1.0, "twice": 2.0, "thrice": 3.0, "semel": 1.0, "bis": 2.0, "ter": 3.0, "quater": 4.0}
_ABBREVIATIONS = {
    "qd": 1.0, "od": 1.0, "bid": 2.0, "bd": 2.0, "bds": 2.0, "tid": 3.0, "td": 3.0, "tds": 3.0, "qid": 4.0, "qds": 4.0, "qqh": 6.0,
    "qod": 1.0, "eod": 1.0, "daily": 1.0, "nightly": 1.0, "hourly": 24.0, "hrly": 24.0, "weekly": 1.0, "fortnightly": 1.0, "monthly": 1.0,
    "quotidie": 1.0, "stat": 1.0,
}  # fmt: skip
"""Latin abbreviation, or adverb of a period, to times a day; what is rarer than daily counts once."""
_TIMES_OF_DAY = {
    word: slot
    for slot, words in {
        "morning": "morning mornings mane am qam om breakfast breakfasttime waking rising",
        "noon": "noon midday lunch lunchtime qnoon",
        "afternoon": "afternoon afternoons teatime",
        "evening": "evening evenings vespere vesperi dinner dinnertime supper suppertime pm qpm",
        "night": "night nights nocte bedtime qhs hs qn midnight",
    }.items()
    for word in words.split()
}
"""Word to the time of the day that it names; different times are different doses."""
_CLOCK_MINUTES = frozenset(("00", "15", "30", "45"))
_MEALS = frozenset(("meal", "meals", "mealtime", "mealtimes", "cibum", "cibos", "ac", "pc"))
_EVERY_MEAL = 3.0
_INTERVALS = frozenset(("every", "each", "q"))
_SINGLE_INTERVALS = {"hour": 24.0, "h": 24.0, "hr": 24.0, "half": 48.0, "other": 12.0, "second": 12.0, "third": 8.0, "fourth": 6.0}
"""Word after `every` without a number to times a day: `every hour`, `every half hour`, `every other hour`."""
_HOURS = frozenset(("hours", "hour", "h", "hr", "hrs", "hourly", "hrly"))
_PERIODS = {**dict.fromkeys((*_HOURS, ""), 24.0), **dict.fromkeys(("minutes", "minute", "min", "mins"), 1440.0)}
"""Unit of an interval to how many make a day; an interval without a unit is in hours."""
_COUNT_NOUNS = frozenset(("times", "time", "x", "doses"))
_LONG_PERIODS = frozenset("week weeks weekly wk fortnight month months monthly".split())  # noqa: SIM905
_DURATIONS = _LONG_PERIODS | {"day", "days", "d"}
_LETTERED = frozenset(word for word in (*_ABBREVIATIONS, *_TIMES_OF_DAY, "ac", "pc") if 2 <= len(word) <= 3)
_FREQUENCY_STARTS = frozenset((*_INTERVALS, *_ADVERBS, "per", "in", *_ABBREVIATIONS, *ascii_lowercase))
_LARGEST_COUNT = 8
"""The largest number in a schedule such as 1-0-1."""
_LARGEST_OF_TWO = 3
"""The largest number in a schedule of two numbers (1+1), which could be other things as well."""


class Frequency(NamedTuple):
    """What the words behind a dose say of its frequency.

    Attributes:
        times: Times a day; None where the words do not say.
        at_time_of_day: Whether they name a time of the day.
        as_needed: Whether they leave it open how often the dose is taken.
        unread: Whether they speak of a frequency that cannot be counted.
    """

    times: float | None
    at_time_of_day: bool
    as_needed: bool
    unread: bool


@lru_cache(maxsize=10_000)
def frequency(words: tuple[str, ...]) -> Frequency:
    """Return the frequency of a dose from the words behind it; remembered, since few different words follow most doses.

    >>> frequency(("divided", "twice", "daily")).times, frequency(("in", "the", "morning")).at_time_of_day
    (1.0, True)
    """
    said = list(words)
    times = rate(said)
    if times is None:
        times = 1.0 if not {"divided", "split"}.isdisjoint(said) else per_day(said)
    return Frequency(times, names_time_of_day(said), is_as_needed(said), is_unread_frequency(said))


def per_day(words: Sequence[str], at_once: bool = False) -> float | None:
    """Return how often a day the words say; None where they do not.

    The first frequency counts, read by the first of `_FREQUENCIES` that knows it; without one, the times of the day are counted.

    Args:
        words: The words.
        at_once: Whether the frequency must begin at the first word.

    >>> per_day(["every", "4", "6", "hours"]), per_day(["mane", "et", "nocte"]), per_day(["1", "0", "1"])
    (6.0, 2.0, 2.0)
    """
    words = _with_joined_letters(words)
    last = len(words) - 1
    for i, word in enumerate(words[:1] if at_once else words):
        if word in _FREQUENCY_STARTS or word in NUMBER_WORDS or word[0].isdigit() or (i < last and words[i + 1] in _COUNT_NOUNS):
            for read in _FREQUENCIES:
                times = read(words, i)
                if times is not None:
                    return times
    if at_once:
        return None
    named, meals = _named_times(words), _meals(words)
    only_night = all(_TIMES_OF_DAY.get(word, "night") == "night" for word in words)
    return meals if named is None or (meals is not None and only_night) else named


def names_time_of_day(words: Sequence[str]) -> bool:
    """Return whether words name a time of the day."""
    return _named_times(_with_joined_letters(words)) is not None


def rate(words: Sequence[str]) -> float | None:
    """Return how often a day an amount counts that is given per unit of time ("mg/h", "mg a day"); None where none follows at once.

    >>> rate(["h"]), rate(["per", "day"]), rate(["24", "h"]), rate(["an", "hour", "ago"]), rate(["h", "for", "2", "hours"])
    (24.0, 1.0, 1.0, None, 2.0)
    """
    i = 1 if words[:1] and words[0] in ("per", "a", "an", "each", "every", "in", "dose") else 0
    period = words[i] if i < len(words) else ""
    if period == "24" and i + 1 < len(words) and words[i + 1] in _HOURS:
        return 1.0
    if period in ("day", "d", "diem") or (period in _LONG_PERIODS and i == 1):
        return 1.0
    if (
        period == "time"
        or period not in _PERIODS
        or not period
        or words[i + 1 : i + 2] in (["ago"], ["before"], ["later"], ["after"], ["prior"])
    ):
        return None
    if period in ("hours", "hourly", "hrly", "minutes"):
        return None
    lasts = count(words[i + 2]) if words[i + 1 : i + 2] == ["for"] and i + 3 < len(words) and words[i + 3] in _HOURS else None
    return min(lasts, 24.0) if lasts and period in _HOURS else _PERIODS[period]


def is_unread_frequency(words: Sequence[str]) -> bool:
    """Return whether words speak of a frequency that cannot be counted: `several times`, `every few hours`, `as often as`."""
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        if word in ("often", "repeatedly", "libitum", "frequently"):
            return True
        if word == "times" and before in ("several", "many", "multiple", "few", "numerous", "various", "countless", "some", "more"):
            return True
        if word in _INTERVALS and _interval(words, i) is None and not (_PERIODS.keys() - {"min"}).isdisjoint(words[i + 1 : i + 5]):
            return not {"day", "morning", "evening", "night", "week"} & set(words[i + 1 : i + 2])
    return False


def is_as_needed(words: Sequence[str]) -> bool:
    """Return whether words leave it open how often a dose is taken: `prn`, `as needed`, `every 4 to 6 hours`, `up to 4 times`."""
    if not {"prn", "needed", "required", "necessary"}.isdisjoint(words):
        return True
    for i, word in enumerate(words[:-1]):
        following = words[i + 1]
        if (word, following) == ("up", "to"):
            return True
        if count(word) and (count(following) if following not in ("to", "or") else i + 2 < len(words) and count(words[i + 2])):
            return True
    return False


def _with_joined_letters(words: Sequence[str]) -> Sequence[str]:
    """Return the words with abbreviations letter by letter (`b i d`) made one word."""
    if not any(len(word) == 1 for word in words):
        return words
    made, i = list[str](), 0
    while i < len(words):
        size = next(
            (n for n in (3, 2) if all(len(w) == 1 for w in words[i : i + n]) and "".join(words[i : i + n]) in _LETTERED), 1
        )  # fmt: skip
        made.append("".join(words[i : i + size]))
        i += size
    return made


def _interval(words: Sequence[str], i: int) -> float | None:
    """Read an interval: `every 6 hours`, `q8h`, `every 4 to 6 hours` (the shorter), `every half hour`, `every meal`."""
    following = words[i + 1 : i + 6]
    if words[i] not in _INTERVALS or not following:
        return None
    if not _MEALS.isdisjoint(following[:2]):
        return _meals(words)
    single = _SINGLE_INTERVALS.get(following[0])
    if single is not None:
        ordinal = following[0] in ("other", "second", "third", "fourth")
        return single if not ordinal or (len(following) > 1 and following[1] in _HOURS) else None
    length = count(following[0])
    unit = next((word for word in following[1:] if count(word) is None and word not in ("to", "or", "th", "nd", "rd")), "")
    if unit not in _PERIODS and words[i] == "q" and (unit not in _DURATIONS or len(following) == 1):
        unit = ""  # "q12 prn" is in hours
    return _PERIODS[unit] / length if length and unit in _PERIODS else None


def _hourly(words: Sequence[str], i: int) -> float | None:
    """Read `6-hourly`, `6 to 8 hourly` (the shorter), `at 6-hour intervals` and the fraction of a day `4/24`."""
    length = count(words[i])
    if not length:
        return None
    rest = words[i + 1 : i + 4]
    if rest[:1] == ["24"] and length <= 24 and rest[1:2] not in (["mg"], ["x"]):
        return 24.0 / length
    if rest and (rest[0] in ("to", "or") or count(rest[0])):
        rest = rest[1:] if count(rest[0]) else rest[2:]
    if rest and (rest[0] in ("hourly", "hrly") or (rest[0] in _HOURS and rest[1:2] in (["intervals"], ["interval"], ["apart"]))):
        return 24.0 / length
    return None


def _schedule(words: Sequence[str], i: int) -> float | None:
    """Read the tablets of each time of the day: `1-0-1`, `1+1+1`, and `1+1` where it comes first."""
    end = i
    while end < len(words) and (value := number(words[end])) is not None and value <= _LARGEST_COUNT and words[end] not in _CLOCK_MINUTES:
        end += 1
    size = end - i
    if size == 2 and any((number(word) or 0.0) > _LARGEST_OF_TWO for word in words[i:end]):
        return None  # 3/7 is three days
    follows = words[end] if end < len(words) else ""
    if follows in _COUNT_NOUNS or follows in _PERIODS.keys() - {""} or follows.startswith(("tab", "cap", "pill", "mg")):
        return None
    if 3 <= size <= 5 or (size == 2 and i == 0 and follows not in _DURATIONS):
        return sum(number(word) or 0.0 for word in words[i:end]) or None
    return None


def _repetition(words: Sequence[str], i: int) -> float | None:
    """Read a number of times: `three times`, `4 doses`, `2 x`; of a week they count once."""
    times = count(words[i]) if i + 1 < len(words) and words[i + 1] in _COUNT_NOUNS else None
    return None if times is None else _within(words, i + 2, times)


def _multiplication(words: Sequence[str], i: int) -> float | None:
    """Read a factor: `x 4`, unless it is a duration (`x 7 days`) or a number of tablets."""
    if words[i] != "x" or i + 1 >= len(words):
        return None
    follows = words[i + 2] if i + 2 < len(words) else ""
    if follows in _DURATIONS - {"d", "day"} or follows.startswith(("tab", "cap", "pill")) or number(follows or "x") is not None:
        return None
    return count(words[i + 1])


def _adverb(words: Sequence[str], i: int) -> float | None:
    """Read `once`, `twice`, `thrice`, `ter in die`; `once every 6 hours` is every six hours, and more times of the day count instead."""
    times = _ADVERBS.get(words[i])
    if times is None or (i and words[i - 1] == "not"):  # "not once but twice"
        return None
    times = _within(words, i + 1, times)
    return max(times, _named_times(words) or 0.0) if words.count(words[i]) > 1 else times


def _within(words: Sequence[str], i: int, times: float) -> float:
    """Return how often a day `times` is that go with what follows: `a day`, `every 6 hours`, `a week`."""
    if not _LONG_PERIODS.isdisjoint(words[i : i + 1]) or (words[i : i + 1] and words[i] in ("a", "per", "each", "every", "in") and not _LONG_PERIODS.isdisjoint(words[i + 1 : i + 3])):  # fmt: skip  # noqa: E501
        return 1.0
    if i < len(words) and words[i] in _INTERVALS:
        return times * (_interval(words, i) or 1.0)
    return times


def _abbreviation(words: Sequence[str], i: int) -> float | None:
    """Read a Latin abbreviation; more times of the day than it says count instead."""
    times = _ABBREVIATIONS.get(words[i])
    return None if times is None else max(times, _named_times(words) or 0.0)


def _period(words: Sequence[str], i: int) -> float | None:
    """Read `per day`, `a day` and `in 24 hours`, at the times of the day that are named."""
    if words[i] in ("per", "a", "in") and (words[i + 1 : i + 2] == ["day"] or (words[i + 1 : i + 2] == ["24"] and len(words) > i + 2)):
        return None if words[i] == "in" and words[i + 1] == "day" else _named_times(words) or 1.0
    return None


_FREQUENCIES: tuple[Callable[[Sequence[str], int], float | None], ...] = (
    _interval,
    _hourly,
    _schedule,
    _repetition,
    _multiplication,
    _adverb,
    _abbreviation,
    _period,
)
"""Readers of a frequency that begins at a word, in the order in which they are tried; each returns times a day, or None."""


def _named_times(words: Sequence[str]) -> float | None:
    """Return the number of different times of the day that are named, by word or by the clock; None for none.

    >>> _named_times("8 am and 2 pm and 8 pm".split()), _named_times("08 00 and 20 00".split()), _named_times("i am".split())
    (3.0, 2.0, None)
    """
    named, clock = set[str](), set[tuple[str, str]]()
    for i, word in enumerate(words):
        slot = _TIMES_OF_DAY.get(word)
        before = words[i - 1] if i else ""
        if word in ("am", "pm") and before and number(before) is not None:
            clock.add((before, word))
        elif word in _CLOCK_MINUTES and before.isdecimal() and len(before) <= 2 and int(before) <= 24:
            clock.add((before, "am" if int(before) < 12 else "pm"))
        elif slot is not None and not (word == "am" and before == "i"):
            named.add(slot)
    if clock:  # "at 8 am in the morning" is once
        named -= {"morning"} if any(half == "am" for _, half in clock) else set()
        later = sum(half == "pm" for _, half in clock)
        return float(len(clock) + max(0, len(named) - later))
    return float(len(named)) or None


def _meals(words: Sequence[str]) -> float | None:
    """Return how often a day `with each meal` or `after meals` is, times of the day apart from meals added; None without meals."""
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        if word in _MEALS:
            several = word.endswith("s") or word in ("ac", "pc", "cibum") or not {"each", "every"}.isdisjoint(words[max(0, i - 2) : i])
            if several:
                meals = 2.0 if before == "both" else count(before) if before and count(before) else _EVERY_MEAL
                return (meals or _EVERY_MEAL) + float(any(_TIMES_OF_DAY.get(w) == "night" for w in words))
    return None
