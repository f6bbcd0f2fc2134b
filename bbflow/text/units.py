"""The one table of units: what each measures, and how many of the base unit of its dimension it is.

Factors are exact. The base units are mg, mL, mmol and min; a unit that converts into no other one is a dimension by itself. The codes are
those of UCUM in lower case, with the common spellings of the microgram, since a patient's chart holds all of them.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Unit(NamedTuple):
    """The dimension of a unit, such as `mass`, and the factor to the base unit of that dimension."""

    dimension: str
    factor: Fraction


_KILO, _MILLI = Fraction(1000), Fraction(1, 1000)
_DIMENSIONS = {
    "mass": {
        "kg": _KILO**2, "g": _KILO, "mg": Fraction(1), "ug": _MILLI, "mcg": _MILLI, "µg": _MILLI, "μg": _MILLI, "ng": _MILLI**2,
    },
    "volume": {"l": _KILO, "dl": Fraction(100), "cl": Fraction(10), "ml": Fraction(1), "cc": Fraction(1), "ul": _MILLI},
    "amount": {"mol": _KILO, "mmol": Fraction(1), "umol": _MILLI, "nmol": _MILLI**2},
    "time": {"d": Fraction(1440), "h": Fraction(60), "min": Fraction(1), "s": Fraction(1, 60), "wk": Fraction(10080)},
    **{unit: {unit: Fraction(1)} for unit in ("%", "iu", "tablet", "drop", "puff", "m2", "mmhg", "meq", "bpm", "year")},
}  # fmt: skip

UNITS = {code: Unit(dimension, factor) for dimension, units in _DIMENSIONS.items() for code, factor in units.items()}
"""Code to unit."""

_WORDS_OF_MASS = {
    "kilogram": "kg", "gram": "g", "gramme": "g", "gm": "g", "milligram": "mg", "milligramme": "mg", "microgram": "ug", "microgramme": "ug",
    "nanogram": "ng",
}  # fmt: skip
SPELLINGS = {
    **_WORDS_OF_MASS,
    "liter": "l", "litre": "l", "milliliter": "ml", "millilitre": "ml", "day": "d", "daily": "d", "hour": "h", "hr": "h", "hourly": "h",
    "minute": "min", "week": "wk", "weekly": "wk", "percent": "%", "unit": "iu", "tab": "tablet", "m²": "m2", "yr": "year",
    "pill": "tablet",
}  # fmt: skip
"""Word, in the singular, to the code of its unit."""

MILLIGRAMS = {code: float(unit.factor) for code, unit in UNITS.items() if unit.dimension == "mass"}
"""Code of a unit of mass to milligrams."""

MASS_WORDS = MILLIGRAMS | {word: MILLIGRAMS[code] for word, code in _WORDS_OF_MASS.items()}
MASS_WORDS |= {f"{word}s": factor for word, factor in MASS_WORDS.items() if word in ("mg", "mcg") or word.endswith(("gram", "gramme"))}
"""Word of a text that is a unit of mass, plurals included, to milligrams."""


def unit_of(word: str) -> Unit | None:
    """Return the unit that a word means, in any case, singular or plural; None if it means none.

    >>> unit_of("Grams"), unit_of("ml"), unit_of("bananas")
    (Unit(dimension='mass', factor=Fraction(1000, 1)), Unit(dimension='volume', factor=Fraction(1, 1)), None)
    """
    folded = word.casefold()
    for form in (folded, folded.removesuffix("s")):
        unit = UNITS.get(SPELLINGS.get(form, form))
        if unit is not None:
            return unit
    return None
