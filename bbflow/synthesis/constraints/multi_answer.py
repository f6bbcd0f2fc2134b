"""Further constraints, for the tasks that combine several: `InstructedAnswer` and `JointCase`.

Types and arguments are those of IFEval. The references of `JointCase` reason before they answer, so its constraints (`AFTERWORDS`)
only add something below the answer.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bbflow.records import Constraint
from bbflow.synthesis.constraints.base import ConstraintWriter
from bbflow.synthesis.constraints.single_answer import (
    CONSTRAINT_WRITERS,
    Bullets,
    EndPhrase,
    Keyword,
    NoComma,
    Postscript,
    Quotation,
    Title,
)

MARKED = Constraint(type="answer:marked", kwargs={})
"""The answer follows `Answer:`, once, so that reasoning can precede it and other constraints be satisfied below it."""

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
        """Mark every name."""
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
        """Repeat the word in brackets."""
        return f"{text} ({' '.join([kwargs['keyword']] * kwargs['frequency'])})"


class Placeholders(ConstraintWriter):
    """At least so many placeholders in square brackets."""

    type, slot = "detectable_content:number_placeholders", "tail"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """One to three."""
        return {"num_placeholders": rng.randint(1, len(_PLACEHOLDERS))}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Add them."""
        return " ".join([text, *_PLACEHOLDERS[: kwargs["num_placeholders"]]])


class AtLeastWords(ConstraintWriter):
    """At least so many words."""

    type, slot = "length_constraints:number_words", "filler"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """A length that filler can reach."""
        return {"relation": "at least", "num_words": rng.randint(8, 16)}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Add sentences until it is long enough."""
        for filler in _FILLERS:
            if len(re.findall(r"\w+", text)) >= kwargs["num_words"]:
                break
            text = f"{text}\n{filler}" if text.endswith("]") or filler == _FILLERS[0] else f"{text} {filler}"
        return text


class FewerWords(ConstraintWriter):
    """Fewer words than a limit; the reference is short anyway."""

    type, slot = "length_constraints:number_words", "limit"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """Ten words a name, and room for other constraints."""
        return {"relation": "less than", "num_words": 10 * count + rng.choice((20, 30, 40))}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Change nothing."""
        return text


class Forbidden(ConstraintWriter):
    """A given word does not occur."""

    type, slot = "keywords:forbidden_words", "forbidden"

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """One word of doubt."""
        return {"forbidden_words": [rng.choice(_FORBIDDEN)]}

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Change nothing."""
        return text


class Json(ConstraintWriter):
    """The whole answer is a JSON object."""

    type, slot = "detectable_format:json_format", "whole"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Put the names in a list."""
        return json.dumps({"answer": list(names)}, ensure_ascii=False)


class Lowercase(ConstraintWriter):
    """No capital letter."""

    type, slot = "change_case:english_lowercase", "case"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Lower everything, after a sentence that identifies the text as English."""
        return f"{_ENGLISH}\n{text}".lower()


class Capitals(ConstraintWriter):
    """Capital letters only."""

    type, slot = "change_case:english_capital", "case"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Raise everything, after a sentence that identifies the text as English."""
        return f"{_ENGLISH}\n{text}".upper()


class AnswerMarker(ConstraintWriter):
    """The answer follows `Answer:`, as in every reasoned reference."""

    type, slot = MARKED["type"], "marked"

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Change nothing."""
        return text


class TrailingKeyword(Keyword):
    """A given word appears, on a separate line."""

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Add the word in brackets below."""
        return f"{text}\n({kwargs['keywords'][0]})"


class TrailingPlaceholders(Placeholders):
    """At least so many placeholders, on a separate line."""

    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Add them below."""
        return "\n".join([text, " ".join(_PLACEHOLDERS[: kwargs["num_placeholders"]])])


MANY_CONSTRAINTS: tuple[ConstraintWriter, ...] = (
    Bullets(), NoComma(), Highlights(), Paragraphs(), Sections(), Keyword(), Frequency(), Placeholders(), AtLeastWords(), Title(),
    Postscript(), EndPhrase(), Quotation(), Json(), Forbidden(), FewerWords(), Lowercase(), Capitals(),
)  # fmt: skip
"""The writers for an answer that consists of names, in the order in which it is written to satisfy several constraints."""

AFTERWORDS: tuple[ConstraintWriter, ...] = (AnswerMarker(), TrailingKeyword(), TrailingPlaceholders(), Postscript(), EndPhrase())
"""The writers that leave a reasoned answer as it is and add something below it, in the order of writing."""

assert {writer.type for writer in CONSTRAINT_WRITERS} <= {writer.type for writer in MANY_CONSTRAINTS}


def append_constraints(text: str, constraints: Sequence[Constraint]) -> str:
    r"""Append to a reasoned answer what its constraints require; the answer itself stays as it is.

    >>> append_constraints("Answer: aspirin", [Constraint(type="startend:end_checker", kwargs={"end_phrase": "Take care."})])
    'Answer: aspirin\nTake care.'
    """
    by_type = {writer.type: writer for writer in AFTERWORDS}
    for constraint in constraints:
        text = by_type[constraint["type"]].write(text, (), constraint["kwargs"])
    return text


def write_answer(names: Sequence[str], constraints: Sequence[Constraint]) -> str:
    r"""Write names so that every constraint is satisfied; `relation` distinguishes a maximum from a minimum of words.

    >>> write_answer(["aspirin"], [Constraint(type="change_case:english_capital", kwargs={})])
    'THIS IS THE ANSWER TO THE QUESTION.\nASPIRIN'
    """
    by_type = {writer.type: writer for writer in MANY_CONSTRAINTS}
    text = ", ".join(names)
    for constraint in constraints:
        writer = by_type[constraint["type"]]
        if constraint["kwargs"].get("relation") == "at least" and isinstance(writer, FewerWords):
            writer = AtLeastWords()
        text = writer.write(text, names, constraint["kwargs"])
    return text
