"""The qualifiers of a `has_maximum_daily_dose` edge, given as its attributes.

| attribute | meaning |
|---|---|
| `indication` | name of a condition, or a list of names, that the figure is for |
| `formulation`, `route`, `phase`, `setting`, `schedule` | text; the route is by mouth where none is given |
| `single_dose` | largest single dose, a number in the unit of mass of the daily figure |
| `course` | for how many days at most the figure holds; 1 is a single day |
| `otherwise` | a list of further figures of the drug, each a mapping with `daily` and its own qualifiers |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from bbflow.errors import did_you_mean
from bbflow.graph.elements import Edge

PREDICATE = "has_maximum_daily_dose"
TEXTS = ("formulation", "route", "phase", "setting", "schedule")
QUALIFIERS = ("indication", *TEXTS, "single_dose", "course")
_REMARKS = ("qualifier", "comment", "verified_by", "sources")


def problems(edge: Edge) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the qualifiers of a maximum: the sentence after the edge, and a hint."""
    given = dict(edge.attributes)
    otherwise = given.pop("otherwise", [])
    yield from _figure_problems({key: value for key, value in given.items() if key not in _REMARKS})
    if not isinstance(otherwise, list) or not all(isinstance(figure, Mapping) for figure in otherwise):
        yield f": 'otherwise' is {otherwise!r:.60}", "a list of mappings with `daily` and qualifiers"
        return
    for figure in otherwise:
        if not _is_positive(figure.get("daily")):
            yield f": a figure of 'otherwise' has the daily dose {figure.get('daily')!r:.60}", "a positive number, in the unit of mass"
        yield from _figure_problems({key: value for key, value in figure.items() if key != "daily"})


def _figure_problems(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in given.items():
        if key not in QUALIFIERS:
            yield f": '{key}' is no qualifier of a maximum dose", did_you_mean(key, QUALIFIERS) or f"known: {', '.join(QUALIFIERS)}"
        elif key == "indication":
            names = [value] if isinstance(value, str) else value
            if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
                yield f": the indication is {value!r:.60}", "the name of a condition, or a list of names"
        elif key in TEXTS:
            if not isinstance(value, str) or not value.strip():
                yield f": the {key} is {value!r:.60}", "text"
        elif key == "course":
            if not _is_positive(value) or Fraction(str(value)).denominator != 1:
                yield f": the course is {value!r:.60}", "a whole number of days"
        elif not _is_positive(value):
            yield f": single_dose is {value!r:.60}", "a positive number, in the unit of mass"


def _is_positive(value: object) -> bool:
    try:
        return not isinstance(value, bool) and Fraction(str(value)) > 0
    except (ValueError, ZeroDivisionError):
        return False
