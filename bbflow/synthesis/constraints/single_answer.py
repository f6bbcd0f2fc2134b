"""Demands on the form of an answer: how one is drawn, and how an answer is written to meet it.

Types are named as in IFEval (arXiv 2311.07911) where IFEval has them. The verifiers that judge completions live in
`bbflow.rewards.instructions` and share nothing with this file but the names.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from bbflow.records import Constraint

LETTER = Constraint(type="answer:letter", kwargs={})
"""The answer is the letter of an option and nothing else."""

_CLOSINGS = ("Ask your doctor.", "That is all.", "Stay well.", "Take care.", "Is there more?")
_KEYWORDS = ("patient", "known", "common", "clinical", "therapy")
_MARKERS = ("P.S.", "P.P.S")
_TITLES = "<<Summary>>"


class ConstraintWriter(ABC):
    """One type of demand.

    Attributes:
        type: Its name in records.
        slot: What it shapes; two demands on one slot exclude each other.
    """

    type: ClassVar[str]
    slot: ClassVar[str]

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """Draws arguments; None where the demand makes no sense for `count` names."""
        return {}

    @abstractmethod
    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Rewrites an answer so that it meets the demand."""


class Bullets(ConstraintWriter):
    """A list of exactly as many bullets as names."""

    type, slot = "detectable_format:number_bullet_lists", "body"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """As many bullets as names."""
        return {"num_bullets": count} if count > 1 else None

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """One bullet a name."""
        return "\n".join(f"* {name}" for name in names)


class NoComma(ConstraintWriter):
    """No comma anywhere."""

    type, slot = "punctuation:no_comma", "body"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Joins names by `and`."""
        return " and ".join(names)


class Keyword(ConstraintWriter):
    """A given word appears."""

    type, slot = "keywords:existence", "tail"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """One word."""
        return {"keywords": [rng.choice(_KEYWORDS)]}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Adds the word in brackets."""
        return f"{text} ({kwargs['keywords'][0]})"


class Title(ConstraintWriter):
    """A title in double angular brackets."""

    type, slot = "detectable_format:title", "head"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Puts a title on a line above."""
        return f"{_TITLES}\n{text}"


class Postscript(ConstraintWriter):
    """A postscript after a given marker."""

    type, slot = "detectable_content:postscript", "tail"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """One marker."""
        return {"postscript_marker": rng.choice(_MARKERS)}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Adds a postscript."""
        return f"{text}\n{kwargs['postscript_marker']} Stay well."


class EndPhrase(ConstraintWriter):
    """The answer ends with given words."""

    type, slot = "startend:end_checker", "end"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """One closing phrase."""
        return {"end_phrase": rng.choice(_CLOSINGS)}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Appends the phrase."""
        return f"{text}\n{kwargs['end_phrase']}"


class Quotation(ConstraintWriter):
    """The whole answer stands in double quotation marks."""

    type, slot = "startend:quotation", "wrap"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Wraps the answer."""
        return f'"{text}"'


CONSTRAINT_WRITERS: tuple[ConstraintWriter, ...] = (Bullets(), NoComma(), Keyword(), Title(), Postscript(), EndPhrase(), Quotation())
"""In the order in which an answer is written to meet several of them."""

_CONFLICTS = {
    *(frozenset(pair) for pair in (("end", "wrap"), ("end", "tail"), ("body", "wrap"), ("sections", "body"), ("sections", "wrap"))),
    *(frozenset(("whole", slot)) for slot in ("body", "sections", "head", "tail", "end", "wrap", "filler", "case")),
    *(frozenset(("filler", slot)) for slot in ("tail", "end", "wrap", "limit")),
    *(frozenset(("case", slot)) for slot in ("sections", "wrap")),
}
"""Slots that exclude each other: what stands outside the quotation marks or breaks the lines inside them, and the like."""


def draw_constraints(demands: Sequence[ConstraintWriter], number: int, count: int, rng: random.Random) -> tuple[Constraint, ...]:
    """Draws up to `number` demands that go together, for an answer of `count` names, in order of writing."""
    chosen: list[tuple[int, Constraint]] = []
    slots: set[str] = set()
    for i in rng.sample(range(len(demands)), len(demands)):
        if len(chosen) == number:
            break
        demand = demands[i]
        clash = demand.slot in slots or any(frozenset({demand.slot, s}) in _CONFLICTS for s in slots)
        kwargs = None if clash else demand.kwargs(count, rng)
        if kwargs is not None:
            chosen.append((i, Constraint(type=demand.type, kwargs=kwargs)))
            slots.add(demand.slot)
    return tuple(constraint for _, constraint in sorted(chosen, key=lambda pair: pair[0]))


def write_answer(names: Sequence[str], constraints: Sequence[Constraint], demands: Sequence[ConstraintWriter] = CONSTRAINT_WRITERS) -> str:
    """Writes names so that every demand is met; `demands` are the types that may occur.

    >>> write_answer(["aspirin", "ibuprofen"], [Constraint(type="startend:quotation", kwargs={})])
    '"aspirin, ibuprofen"'
    """
    by_type = {demand.type: demand for demand in demands}
    text = ", ".join(names)
    for constraint in constraints:
        text = by_type[constraint["type"]].write(text, names, constraint["kwargs"])
    return text
