"""Units of mass in a text that doses are given in, as distinct from laboratory values and body weights."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from bbflow.text.doses.dose_words import is_measurement
from bbflow.text.doses.numbers import count, number
from bbflow.text.units import MASS_WORDS, MILLIGRAMS

KILOGRAMS = frozenset(("kg", "kgs", "kilo", "kilos", "kilogram", "kilograms", "kilogramme", "kilogrammes"))
_POUNDS = frozenset(("lb", "lbs", "pound", "pounds"))
_POUND = 0.45359237
_VOLUMES = frozenset(("dl", "l", "ml", "cl", "liter", "litre", "deciliter", "decilitre", "milliliter", "millilitre", "mmol"))
_MILLILITRES = frozenset(("ml", "mls", "cc", "milliliter", "milliliters", "millilitre", "millilitres"))
_LIGHTEST = 0.3
"""Kilograms of the lightest body; a smaller mass in kilograms is a dose."""


def any_between(units: Sequence[int], first: int, end: int) -> bool:
    """Return whether a unit lies between two words."""
    at = bisect_left(units, first)
    return at < len(units) and units[at] < end


def dose_units(words: Sequence[str], units: Sequence[int]) -> list[int]:
    """Return the units of mass that doses are given in: not those of a body weight, a laboratory value or the weight in "mg/kg".

    >>> dose_units("creatinine 1.2 mg dl 70 kg 15 mg kg and 5 mg".split(), [2, 5, 7, 8, 11])
    [7, 11]
    """
    return [unit for unit in units if _measures_dose(words, unit)]


def _measures_dose(words: Sequence[str], unit: int) -> bool:
    if words[unit] in KILOGRAMS:
        if not unit or words[unit - 1] in MASS_WORDS or words[unit - 1] in ("per", "a") or words[unit - 1] == "min":
            return False
        value = count(words[unit - 1])
        return (value is not None and value < _LIGHTEST) or words[unit + 1 : unit + 2] == ["of"]
    after = _without_per(words, unit)
    if after and after[0] in _VOLUMES:
        return after[0] in _MILLILITRES and volumes_taken(words, unit) is not None
    return not is_measurement(words, unit - 1)


def body_weights(words: Sequence[str]) -> list[float]:
    """Return the body weights in kilograms that a text gives.

    >>> body_weights("she weighs 70 kg and gets 15 mg kg".split()), [round(w) for w in body_weights("154 lb".split())]
    ([70.0], [70])
    """
    found = []
    for i, word in enumerate(words):
        value = number(words[i - 1]) if i and (word in KILOGRAMS or word in _POUNDS) else None
        if value and value >= _LIGHTEST:
            found.append(value * (_POUND if word in _POUNDS else 1.0))
    return found


def unit_of_dose(words: Sequence[str], unit: int) -> tuple[int, float]:
    """Return the first word of a unit, which may be torn ("50 m g"), and how many milligrams it is."""
    torn = "".join(words[unit - 1 : unit + 1]) if unit >= 2 and words[unit] == "g" else ""
    if torn in MILLIGRAMS and number(words[unit - 2]) is not None:
        return unit - 1, MILLIGRAMS[torn]
    return unit, MASS_WORDS[words[unit]]


def end_of_unit(words: Sequence[str], unit: int) -> int:
    """Return the word after a unit, its "per kg", "per m2" and "per dose" included."""
    i = unit + 1
    if words[i : i + 1] == ["per"] and i + 1 < len(words) and (words[i + 1] in KILOGRAMS or words[i + 1 : i + 3] == ["m", "2"]):
        i += 1
    if words[i : i + 2] == ["m", "2"]:
        return i + 2
    if i < len(words) and words[i] in KILOGRAMS:
        i += 1
        if words[i : i + 3] == ["of", "body", "weight"]:
            return i + 3
        return i + 1 if words[i : i + 1] in (["dose"], ["bodyweight"], ["bw"]) else i
    return i


def volumes_taken(words: Sequence[str], unit: int) -> float | None:
    """Return how many times a concentration ("250 mg per 5 ml") is taken, by the millilitres told after it; None where none are."""
    at = next(i for i in range(unit + 1, unit + 4) if words[i] in _MILLILITRES)
    per = number(words[at - 1]) or 1.0
    for i in range(at + 2, min(at + 6, len(words))):
        if words[i] in _MILLILITRES and (taken := count(words[i - 1])):
            return taken / per
    return None


def is_concentration(words: Sequence[str], unit: int) -> bool:
    """Return whether a unit is that of an amount per volume ("mg per 5 ml")."""
    after = _without_per(words, unit)
    return bool(after) and after[0] in _MILLILITRES


def _without_per(words: Sequence[str], unit: int) -> Sequence[str]:
    """Return the words after a unit, "per" or a number left out."""
    after = words[unit + 1 : unit + 4]
    return after[1:] if after[:1] == ["per"] or (after[:1] and number(after[0]) is not None) else after
