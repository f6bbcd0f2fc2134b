"""Numbers of tablets in a text: in front of a drug, before a strength and behind it."""

from __future__ import annotations

from collections.abc import Sequence

from bbflow.text.doses.dose_units import any_between
from bbflow.text.doses.dose_words import ADMINISTRATIONS, FORMS, SUPPLIES, TABLETS, is_said_before
from bbflow.text.doses.frequencies import per_day
from bbflow.text.doses.numbers import NUMBER_WORDS, amount_before, count, count_before, gap, number, roman
from bbflow.text.tokenization import TokenizedText
from bbflow.text.units import MASS_WORDS

_MOST_TAKEN = 12
"""The largest number of tablets that counts as taken at a time without a verb such as `take`; more are a supply: "500 mg tds, 42 tabs"."""
_REACH = 4
"""Words before an amount that can hold a number of tablets."""
_REACH_BEFORE_DRUG = 5
"""Words before a drug that can hold a number of tablets."""
_CROSSES = frozenset("\u00d7\u2715*")  # multiplication signs
_NO_TABLETS = frozenset("to or hours h days weeks ml drops glasses minutes".split())  # noqa: SIM905
"""Words after a number that make it something else than a number of tablets."""
_DURATIONS = ("a", "per", "daily", "day", "days", "week", "weeks", "d")


def tablets_in_front(text: TokenizedText, drug: int) -> float | None:
    """Return the number of tablets in front of a drug ("2 tablets of X", "take two X"); None where there is none."""
    words = text.words
    start = max(0, drug - _REACH_BEFORE_DRUG, text.sentence(drug)[0])
    noun = next((i for i in range(drug - 1, start, -1) if words[i] in TABLETS), None)
    if noun is not None:
        return _taken(text, noun, start)
    if drug - 2 >= start and words[drug - 2] in ADMINISTRATIONS and gap(text, drug - 1).isspace():
        return count(words[drug - 1])
    return None


def tablets_before(text: TokenizedText, at: int, unit: int) -> float | None:
    """Return the number of tablets before the amount of a dose; None where there is none.

    Args:
        text: The text.
        at: The first word of the amount.
        unit: The word that is the unit.
    """
    words, start = text.words, max(0, at - _REACH)
    if not at:
        return None
    if words[at - 1] == "x" or (words[at - 1].isdecimal() and _CROSSES & set(gap(text, at - 1))):  # 2 x 10 mg
        return count(words[at - 1 if words[at - 1] != "x" else max(0, at - 2)])
    noun = at - 1
    while noun > start and words[noun] in ("of", "the", "your", "these"):
        noun -= 1
    if noun > start and words[noun] in TABLETS and (noun < at - 1 or gap(text, noun).isspace()):  # two tablets of 10 mg
        return _taken(text, noun, start)
    if noun < at - 1 and words[at - 1] != "of" and words[noun] in NUMBER_WORDS:  # two of the 10 mg tablets
        return count(words[noun])
    return None if is_said_before(words, at, SUPPLIES) else _adjacent(text, at, unit)


def _adjacent(text: TokenizedText, at: int, unit: int) -> float | None:
    """Return the number of tablets right before an amount: "two 10 mg", "2 10 mg tablets"; "5-10 mg" has none."""
    words = text.words
    if words[at - 1].isdecimal() and not gap(text, at - 1).isspace():
        return None
    if words[at - 1] in NUMBER_WORDS or (words[unit + 1 : unit + 2] and words[unit + 1] in TABLETS):
        return amount_before(words, max(0, at - 2), at)[0]
    return count(words[at - 1]) if at >= 2 and words[at - 1].isdecimal() and words[at - 2] in ADMINISTRATIONS else None


def tablets_after(text: TokenizedText, after: Sequence[str], tail: int, units: Sequence[int]) -> float | None:
    """Return the number of tablets behind a dose; None where there is none.

    Args:
        text: The text.
        after: The words behind the dose, up to the next dose.
        tail: The first of them.
        units: The words that are units of doses, in order.
    """
    for k, word in enumerate(after):
        if word in TABLETS and k and count_before(text, tail + k, tail)[0] is not None:
            return None if _belongs_to_next(text, tail + k, units) else _taken(text, tail + k, tail)
        if word in ADMINISTRATIONS and (taken := _bare(after[k + 1 :])):
            return taken
    return _directly_after(text, after, tail)


def _directly_after(text: TokenizedText, after: Sequence[str], tail: int) -> float | None:
    """Return the number right behind a dose that is one of tablets: "10 mg tablets: ii po daily", "10 mg x 2 bid"."""
    noun = bool(after) and after[0] in TABLETS
    rest = after[1:] if noun else after
    if rest[:1] == ["x"]:
        times = count(rest[1]) if len(rest) > 2 and rest[2] not in _DURATIONS and per_day(rest[2:]) is not None else None
        return times
    if len(rest) < 2 or crossed(text, after, tail) or per_day(rest[:4], at_once=True) is not None:
        return None
    taken = count(rest[0]) or roman(rest[0])
    follows = rest[1:]
    while follows and follows[0] in FORMS:
        follows = follows[1:]
    if not taken or not follows:
        return None
    frequency = follows[0] in ("d", "day") or per_day(follows, at_once=True) is not None
    frequency = frequency or (follows[0] in ("in", "at") and per_day(follows) is not None)
    return taken if frequency or (noun and not _is_other(follows[0])) else None


def _bare(words: Sequence[str]) -> float | None:
    """Return the number of tablets that words begin with, the noun left out ("take 2"); None for other numbers."""
    taken = count(words[0]) if words else None
    if not taken or per_day(words[:3], at_once=True) is not None:
        return None
    follows = words[1] if len(words) > 1 else ""
    return None if follows in TABLETS or _is_other(follows) else taken


def goes_on_with_tablets(words: Sequence[str], i: int) -> bool:
    """Return whether a sentence tells the number of tablets of the dose before it: "Take 3 tablets every 6 hours"."""
    if words[i] not in ADMINISTRATIONS or i + 2 >= len(words) or count(words[i + 1]) is None:
        return False
    return words[i + 2] in TABLETS or per_day(words[i + 2 : i + 6], at_once=True) is not None


def crossed(text: TokenizedText, after: Sequence[str], tail: int) -> bool:
    """Return whether a number follows a dose after a multiplication sign: `10 mg ×2`."""
    return bool(after) and number(after[0]) is not None and bool(_CROSSES & set(gap(text, tail - 1)))


def _taken(text: TokenizedText, noun: int, start: int) -> float | None:
    """Return how many tablets are taken; None where there is no number, or they are dispensed."""
    tablets, at = count_before(text, noun, start)
    supplied = tablets is not None and tablets > _MOST_TAKEN and not is_said_before(text.words, at, ADMINISTRATIONS)
    return None if supplied or is_said_before(text.words, at, SUPPLIES) else tablets


def _is_other(follows: str) -> bool:
    return follows in _NO_TABLETS or follows in MASS_WORDS


def _belongs_to_next(text: TokenizedText, noun: int, units: Sequence[int]) -> bool:
    """Return whether tablets are those of the dose that follows: 1000 mg, "2 tablets of 500 mg"; 5 mg tablets, "2 tablets (10 mg)"."""
    words, i = text.words, noun + 1
    if words[i : i + 1] == ["of"]:
        i += 1
    return i < text.sentence(noun)[1] and count(words[i]) is not None and any_between(units, i, i + 3)
