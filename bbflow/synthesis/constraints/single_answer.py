"""Constraints on an answer of one or a few names, used by `ConstrainedAnswer`."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from bbflow.records import Constraint
from bbflow.synthesis.constraints.base import ConstraintWriter

LETTER = Constraint(type="answer:letter", kwargs={})
"""The answer is the letter of an option and nothing else."""

_CLOSINGS = ("Ask your doctor.", "That is all.", "Stay well.", "Take care.", "Is there more?")
_KEYWORDS = ("patient", "known", "common", "clinical", "therapy")
_MARKERS = ("P.S.", "P.P.S")
_TITLES = "<<Summary>>"


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
        """Join names by `and`."""
        return " and ".join(names)


class Keyword(ConstraintWriter):
    """A given word appears."""

    type, slot = "keywords:existence", "tail"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """One word."""
        return {"keywords": [rng.choice(_KEYWORDS)]}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Add the word in brackets."""
        return f"{text} ({kwargs['keywords'][0]})"


class Title(ConstraintWriter):
    """A title in double angular brackets."""

    type, slot = "detectable_format:title", "head"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Put a title on a line above."""
        return f"{_TITLES}\n{text}"


class Postscript(ConstraintWriter):
    """A postscript after a given marker."""

    type, slot = "detectable_content:postscript", "tail"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """One marker."""
        return {"postscript_marker": rng.choice(_MARKERS)}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Add a postscript."""
        return f"{text}\n{kwargs['postscript_marker']} Stay well."


class EndPhrase(ConstraintWriter):
    """The answer ends with given words."""

    type, slot = "startend:end_checker", "end"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """One closing phrase."""
        return {"end_phrase": rng.choice(_CLOSINGS)}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Append the phrase."""
        return f"{text}\n{kwargs['end_phrase']}"


class Quotation(ConstraintWriter):
    """The whole answer is in double quotation marks."""

    type, slot = "startend:quotation", "wrap"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Wrap the answer."""
        return f'"{text}"'


CONSTRAINT_WRITERS: tuple[ConstraintWriter, ...] = (Bullets(), NoComma(), Keyword(), Title(), Postscript(), EndPhrase(), Quotation())
"""The writers in the order in which an answer is written to satisfy several constraints."""
