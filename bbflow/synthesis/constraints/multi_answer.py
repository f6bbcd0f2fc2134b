"""Further demands on the form of an answer, for the tasks that ask for many; types and arguments are those of IFEval."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bbflow.records import Constraint
from bbflow.synthesis.constraints.single_answer import (
    CONSTRAINT_WRITERS,
    Bullets,
    ConstraintWriter,
    EndPhrase,
    Keyword,
    NoComma,
    Postscript,
    Quotation,
    Title,
)

MARKED = Constraint(type="answer:marked", kwargs={})
"""The answer stands after `Answer:`, once, so that reasoning may come before it and demands be met after it."""

_WORDS = ("patient", "known", "common", "clinical", "therapy")
_FORBIDDEN = ("maybe", "perhaps", "probably", "possibly", "unsure")
_PLACEHOLDERS = ("[name]", "[date]", "[ward]")
_ENGLISH = "This is the answer to the question."
_FILLERS = ("This is what the record says.", "There may be more to say.", "Please ask when in doubt.", "That is the whole answer.")


class Highlights(ConstraintWriter):
    """Each name between single asterisks."""

    type, slot = "detectable_format:number_highlighted_sections", "body"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """As many highlights as names."""
        return {"num_highlights": count}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Marks every name."""
        return ", ".join(f"*{name}*" for name in names)


class Paragraphs(ConstraintWriter):
    """Paragraphs, divided by three asterisks."""

    type, slot = "length_constraints:number_paragraphs", "body"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """As many paragraphs as names."""
        return {"num_paragraphs": count} if count > 1 else None

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """One paragraph a name."""
        return "\n***\n".join(names)


class Sections(ConstraintWriter):
    """Numbered sections."""

    type, slot = "detectable_format:multiple_sections", "sections"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """As many sections as names."""
        return {"section_spliter": rng.choice(("Section", "SECTION")), "num_sections": count} if count > 1 else None

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """One section a name."""
        return "\n".join(f"{kwargs['section_spliter']} {i}\n{name}" for i, name in enumerate(names, start=1))


class Frequency(ConstraintWriter):
    """A word occurs at least so often."""

    type, slot = "keywords:frequency", "tail"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """One word, two or three times."""
        return {"keyword": rng.choice(_WORDS), "frequency": rng.randint(2, 3), "relation": "at least"}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Repeats the word in brackets."""
        return f"{text} ({' '.join([kwargs['keyword']] * kwargs['frequency'])})"


class Placeholders(ConstraintWriter):
    """At least so many placeholders in square brackets."""

    type, slot = "detectable_content:number_placeholders", "tail"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """One to three."""
        return {"num_placeholders": rng.randint(1, len(_PLACEHOLDERS))}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Adds them."""
        return " ".join([text, *_PLACEHOLDERS[: kwargs["num_placeholders"]]])


class AtLeastWords(ConstraintWriter):
    """At least so many words."""

    type, slot = "length_constraints:number_words", "filler"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """A length that filler can reach."""
        return {"relation": "at least", "num_words": rng.randint(8, 16)}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Adds sentences until it is long enough."""
        for filler in _FILLERS:
            if len(re.findall(r"\w+", text)) >= kwargs["num_words"]:
                break
            text = f"{text}\n{filler}" if text.endswith("]") or filler == _FILLERS[0] else f"{text} {filler}"
        return text


class FewerWords(ConstraintWriter):
    """Fewer words than a limit; the reference is short anyway."""

    type, slot = "length_constraints:number_words", "limit"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """Room for ten words a name and what other demands add."""
        return {"relation": "less than", "num_words": 10 * count + rng.choice((20, 30, 40))}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Changes nothing."""
        return text


class Forbidden(ConstraintWriter):
    """A given word does not occur."""

    type, slot = "keywords:forbidden_words", "forbidden"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """One word of doubt."""
        return {"forbidden_words": [rng.choice(_FORBIDDEN)]}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Changes nothing."""
        return text


class Json(ConstraintWriter):
    """The whole answer is a JSON object."""

    type, slot = "detectable_format:json_format", "whole"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Puts the names in a list."""
        return json.dumps({"answer": list(names)}, ensure_ascii=False)


class Lowercase(ConstraintWriter):
    """No capital letter."""

    type, slot = "change_case:english_lowercase", "case"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Lowers everything, after a few words by which the text is told to be English."""
        return f"{_ENGLISH}\n{text}".lower()


class Capitals(ConstraintWriter):
    """Capital letters only."""

    type, slot = "change_case:english_capital", "case"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Raises everything, after a few words by which the text is told to be English."""
        return f"{_ENGLISH}\n{text}".upper()


class AnswerMarker(ConstraintWriter):
    """The answer stands after `Answer:`, as every reasoned reference has it."""

    type, slot = MARKED["type"], "marked"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Changes nothing."""
        return text


class TrailingKeyword(Keyword):
    """A given word appears, on a line of its own."""

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Adds the word in brackets below."""
        return f"{text}\n({kwargs['keywords'][0]})"


class TrailingPlaceholders(Placeholders):
    """At least so many placeholders, on a line of their own."""

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Adds them below."""
        return "\n".join([text, " ".join(_PLACEHOLDERS[: kwargs["num_placeholders"]])])


MANY_CONSTRAINTS: tuple[ConstraintWriter, ...] = (
    Bullets(), NoComma(), Highlights(), Paragraphs(), Sections(), Keyword(), Frequency(), Placeholders(), AtLeastWords(), Title(),
    Postscript(), EndPhrase(), Quotation(), Json(), Forbidden(), FewerWords(), Lowercase(), Capitals(),
)  # fmt: skip
"""Every demand on an answer that consists of names, in the order in which an answer is written to meet several of them."""

AFTERWORDS: tuple[ConstraintWriter, ...] = (AnswerMarker(), TrailingKeyword(), TrailingPlaceholders(), Postscript(), EndPhrase())
"""Demands that leave a reasoned answer as it is and add something below it, in the order of writing."""

assert {demand.type for demand in CONSTRAINT_WRITERS} <= {demand.type for demand in MANY_CONSTRAINTS}


def append(text: str, constraints: Sequence[Constraint]) -> str:
    r"""Meets demands that leave a reasoned answer as it is: what they add comes after it.

    >>> append("Answer: aspirin", [Constraint(type="startend:end_checker", kwargs={"end_phrase": "Take care."})])
    'Answer: aspirin\nTake care.'
    """
    by_type = {demand.type: demand for demand in AFTERWORDS}
    for constraint in constraints:
        text = by_type[constraint["type"]].write(text, (), constraint["kwargs"])
    return text


def write_many(names: Sequence[str], constraints: Sequence[Constraint]) -> str:
    r"""Writes names so that every demand is met; a limit of words is told from a least number by its relation.

    >>> write_many(["aspirin"], [Constraint(type="change_case:english_capital", kwargs={})])
    'THIS IS THE ANSWER TO THE QUESTION.\nASPIRIN'
    """
    by_type = {demand.type: demand for demand in MANY_CONSTRAINTS}
    text = ", ".join(names)
    for constraint in constraints:
        demand = by_type[constraint["type"]]
        if constraint["kwargs"].get("relation") == "at least" and isinstance(demand, FewerWords):
            demand = AtLeastWords()
        text = demand.write(text, names, constraint["kwargs"])
    return text
