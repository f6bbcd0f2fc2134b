"""Amounts and decisions in free text, read strictly: numbers with units that convert into one another, and yes, no or maybe."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from bbflow.text.units import unit_of

_MINUS = "\u2212\u2012\u2013\u2014\ufe63\uff0d"
"""Characters that look like a minus before a number."""
_UNIT = r"[a-zA-Zµμ%][a-zA-Zµμ]*(?:²|2(?!\d))?"
_QUANTITY = re.compile(
    rf"(?<![\w.,])(?P<sign>[-+{_MINUS}]?)(?P<number>[0-9]{{1,3}}(?:,[0-9]{{3}})+(?:\.[0-9]+)?|[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)(?![.,]?\d)"
    rf"\s*(?P<units>(?:{_UNIT})(?:\s*(?:/|\bper\b|\ba\b)\s*(?:[0-9]+(?:\.[0-9]+)?\s*)?{_UNIT})*(?:\s+(?:daily|hourly|weekly)\b)?)?"
)


@dataclass(frozen=True)
class Quantity:
    """A number in base units (mg, mL, mmol, min) and its dimension, such as `mass` or `mass/time`; a bare number has none."""

    value: float
    dimension: str = ""

    def equals(self, other: Quantity, tolerance: float = 1e-3) -> bool:
        """Return whether two amounts agree: same dimension, values within a relative tolerance.

        >>> a, b = quantities("500 mg"), quantities("0.5 g")
        >>> a[0].equals(b[0])
        True
        """
        return self.dimension == other.dimension and math.isclose(self.value, other.value, rel_tol=tolerance, abs_tol=1e-12)


def quantities(text: str) -> list[Quantity]:
    """Read every amount of a text; a word after a number that is no unit leaves a bare number. `0,5` and digits of other scripts are none.

    >>> quantities("Give 1,500 mg per day, that is 62.5 mg/h.")
    [Quantity(value=1.0416666666666667, dimension='mass/time'), Quantity(value=1.0416666666666667, dimension='mass/time')]
    >>> quantities("3 patients")
    [Quantity(value=3.0, dimension='')]
    """
    found = []
    for match in _QUANTITY.finditer(text):
        value = float(match["number"].replace(",", ""))
        if match["sign"] and match["sign"] != "+":
            value = -value
        found.append(_with_units(value, match["units"] or ""))
    return found


def _with_units(value: float, units: str) -> Quantity:
    parts = re.split(r"\s*/\s*|\s+per\s+|\s+a\s+", re.sub(r"\s+(daily|hourly|weekly)\b", r"/\1", units.strip()))
    dimensions = []
    for i, part in enumerate(parts):
        amount = re.match(r"\d+(?:\.\d+)?", part)
        unit = unit_of(part[amount.end() :].strip() if amount else part)
        if unit is None:
            break
        factor = float(unit.factor) * (float(amount[0]) if amount else 1.0)
        value = value * factor if i == 0 else value / factor
        dimensions.append(unit.dimension)
    return Quantity(value, "/".join(dimensions))


_BOUND = re.compile(
    r"(?<!no )(?<!not )\b(?:more|less|greater|fewer|higher|lower|larger|smaller|other|rather) than\b"
    r"|\b(?:over|under|above|below|exceed\w*|beyond)\s+[0-9]"
    r"|\b(?:not|never|except|without|isn't|no)\s+(?:(?:a|an|the|be|exactly|quite)\s+)*[0-9]|[<>\u2260\u00ac]|!=",
    re.IGNORECASE,
)
_MULTIPLIED = re.compile(r"\b(?:twice|thrice|doubled|tripled|(?:two|three|four|five|six|[0-9]+) times|x ?[0-9]+)\b", re.IGNORECASE)


def single_quantity(text: str, tolerance: float = 1e-3) -> Quantity | None:
    """Return the one amount that a text states; None if it states none, two that differ, or a bound (`more than`, `not`, `<`).

    A bound that includes its amount (`at most 500 mg`, `no more than 500 mg`) states it.

    >>> single_quantity("500 mg (0.5 g)"), single_quantity("500 mg or 1 g"), single_quantity("more than 500 mg")
    (Quantity(value=500.0, dimension='mass'), None, None)
    """
    if _BOUND.search(text) is not None:
        return None
    found = quantities(text)
    if any("time" in q.dimension for q in found) and _MULTIPLIED.search(text) is not None:  # `500 mg a day twice`
        return None
    return found[0] if found and all(q.equals(found[0], tolerance) for q in found) else None


DECISIONS = ("yes", "no", "maybe")
_AFTER_NO = "it|this|that|these|those|the|they|he|she|you|we|i|because|since|as|but|and|or|not|there|a|an|is|yes|maybe|answer"
_DECISION = re.compile(rf"\b(yes|maybe|no(?!\s+(?!(?:{_AFTER_NO})\b)[a-z]))\b")
_UNDECIDED = re.compile(
    r"(?:\b(?:not|never|hardly|cannot say|can't say)|n't)\s+(?:(?:a|an|the|be|say|really|exactly|necessarily)\s+)*(?:yes|no|maybe)\b"
)


def decision(text: str) -> str | None:
    """Return the one decision that a text gives; None if it gives none, or two that differ. `not yes` and `no doubt` are none.

    >>> decision("Yes."), decision("yes and no"), decision("perhaps"), decision("maybe"), decision("There is no doubt")
    ('yes', None, None, 'maybe', None)
    """
    folded = text.casefold()
    if _UNDECIDED.search(folded) is not None:
        return None
    found = set(_DECISION.findall(folded))
    return found.pop() if len(found) == 1 else None
