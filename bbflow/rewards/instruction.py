"""Does the completion have the demanded form? Verifiers named as in IFEval (arXiv 2311.07911), written from its paper.

A verifier takes the completion and the arguments of the demand and says whether it is met; registering one under its type
is all that a new demand needs here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.records import Constraint, Example
from bbflow.rewards.base import Score
from bbflow.rewards.knowledge import CorrectAnswer

Verifier = Callable[..., bool]
VERIFIERS: dict[str, Verifier] = {}
"""Type of a demand to its verifier."""


def verifier(type: str) -> Callable[[Verifier], Verifier]:
    """Registers a verifier under the type that records name."""

    def register(function: Verifier) -> Verifier:
        VERIFIERS[type] = function
        return function

    return register


@verifier("answer:letter")
def letter_only(text: str) -> bool:
    """The completion is one option letter and nothing else.

    >>> letter_only("B"), letter_only("(b)."), letter_only("B) aspirin")
    (True, True, False)
    """
    return re.fullmatch(r"\(?[A-Ha-h]\)?\.?", text.strip()) is not None


@verifier("detectable_format:number_bullet_lists")
def number_bullet_lists(text: str, num_bullets: int) -> bool:
    r"""Exactly so many lines begin with a bullet, `*` or `-`.

    >>> number_bullet_lists("* a\n* b", num_bullets=2), number_bullet_lists("**a**\\n* b", num_bullets=2)
    (True, False)
    """
    return len(re.findall(r"^[ \t]*(?:\*(?!\*)|-)[ \t]*\S", text, re.MULTILINE)) == num_bullets


@verifier("punctuation:no_comma")
def no_comma(text: str) -> bool:
    """No comma stands anywhere.

    >>> no_comma("a and b"), no_comma("a, b")
    (True, False)
    """
    return "," not in text


@verifier("keywords:existence")
def keywords_existence(text: str, keywords: Sequence[str]) -> bool:
    """Every keyword occurs as a word, whatever its case.

    >>> keywords_existence("aspirin (Patient)", keywords=["patient"]), keywords_existence("outpatient", keywords=["patient"])
    (True, False)
    """
    return all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in keywords)


@verifier("detectable_format:title")
def title(text: str) -> bool:
    r"""A title that is not empty stands in double angular brackets.

    >>> title("<<Summary>>\naspirin"), title("<< >> aspirin")
    (True, False)
    """
    return any(inner.strip("<> \t") for inner in re.findall(r"<<([^\n]+?)>>", text))


@verifier("detectable_content:postscript")
def postscript(text: str, postscript_marker: str) -> bool:
    r"""A line begins with the marker, and something follows it.

    >>> postscript("aspirin\nP.S. Stay well.", postscript_marker="P.S."), postscript("aspirin P.S.", postscript_marker="P.S.")
    (True, False)
    """
    return re.search(rf"^[ \t]*{re.escape(postscript_marker)}[ \t]*\S", text, re.MULTILINE | re.IGNORECASE) is not None


@verifier("startend:end_checker")
def end_checker(text: str, end_phrase: str) -> bool:
    r"""The text ends with the phrase; case and closing quotation marks aside.

    >>> end_checker("aspirin\nTake care.", end_phrase="Take care."), end_checker("Take care. aspirin", end_phrase="Take care.")
    (True, False)
    """
    return text.strip().strip('"').casefold().endswith(end_phrase.strip().casefold())


@verifier("startend:quotation")
def quotation(text: str) -> bool:
    """The whole text stands in one pair of double quotation marks.

    >>> quotation('"aspirin"'), quotation('aspirin'), quotation('"')
    (True, False, False)
    """
    stripped = text.strip()
    return len(stripped) > 2 and stripped.startswith('"') and stripped.endswith('"')


def is_met(constraint: Constraint, completion: str) -> bool:
    """Tells whether a completion meets a demand.

    Raises:
        InputError: No verifier knows the type, or its arguments do not fit.
    """
    check = VERIFIERS.get(constraint["type"])
    if check is None:
        raise InputError(
            Problem(f"unknown constraint type '{constraint['type']}'", "constraints", did_you_mean(constraint["type"], VERIFIERS))
        )
    kwargs: dict[str, Any] = constraint["kwargs"]
    try:
        return check(completion, **kwargs)
    except TypeError as error:
        raise InputError(Problem(f"constraint '{constraint['type']}' does not take {kwargs}: {error}", "constraints")) from error


class FollowsInstructions(CorrectAnswer):
    """1 where every demand is met and the content is right, else 0; abstains without demands.

    Form without content is worth nothing: otherwise any text of the right shape would pass.
    """

    requires: ClassVar[tuple[str, ...]] = ("constraints",)

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Scores each completion 0 or 1."""
        pairs = zip(examples, completions, strict=True)
        return [self._share(example, text, strict=True) if example.constraints else None for example, text in pairs]

    def _share(self, example: Example, completion: str, strict: bool) -> float:
        if not completion.strip() or not self.is_right(example, completion):
            return 0.0
        met = [is_met(constraint, completion) for constraint in example.constraints]
        return float(all(met)) if strict else sum(met) / len(met)


class ConstraintReward(FollowsInstructions):
    """Share of the demands that are met, where the content is right; 0 where it is not; abstains without demands."""

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Scores each completion in [0, 1]."""
        pairs = zip(examples, completions, strict=True)
        return [self._share(example, text, strict=False) if example.constraints else None for example, text in pairs]
