"""Rewards for right answers that meet their constraints; the form alone (`bbflow.rewards.ifeval_verifiers`) earns nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from inspect import signature
from typing import ClassVar

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.records import Constraint, Example
from bbflow.rewards.base import Score
from bbflow.rewards.correctness import CorrectAnswer
from bbflow.rewards.ifeval_verifiers import VERIFIERS, Verifier, is_met, is_met_loosely, verifier

__all__ = ["VERIFIERS", "ConstraintReward", "FollowsInstructions", "Verifier", "is_met", "is_met_loosely", "verifier"]


class FollowsInstructions(CorrectAnswer):
    r"""1 if every constraint is met and the content is right, else 0; abstains without constraints. Range: 0 or 1.

    Form without content scores 0; otherwise any text of the right form would pass.

    >>> from bbflow.testing import LISTED, print_scores
    >>> print_scores(FollowsInstructions(), LISTED, ["* aspirin\n* ibuprofen", "aspirin and ibuprofen", "* aspirin\n* warfarin", ""])
    | completion | score |
    |---|---|
    | `* aspirin / * ibuprofen` | 1 |
    | `aspirin and ibuprofen` | 0 |
    | `* aspirin / * warfarin` | 0 |
    | (nothing) | 0 |

    Args:
        loose: Whether any of IFEval's eight edits of the completion may meet a constraint (its loose accuracy); the content must be
            right in the unchanged completion.
    """

    requires: ClassVar[tuple[str, ...]] = ("constraints",)

    def __init__(self, loose: bool = False) -> None:
        self.loose = loose

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion 0 or 1."""
        pairs = zip(examples, completions, strict=True)
        return [self._share(example, text, strict=True) if example.constraints else None for example, text in pairs]

    def _share(self, example: Example, completion: str, strict: bool) -> float:
        for constraint in example.constraints:  # before the content is judged, so that a wrong record is an error and not a score of 0
            if problem := _misfit(constraint):
                meant = "" if constraint["type"] in VERIFIERS else did_you_mean(constraint["type"], VERIFIERS)
                raise InputError(Problem(problem, f"example {example.example_id}: constraints", meant))
        if not completion.strip() or not self.is_right(example, completion):
            return 0.0
        check = is_met_loosely if self.loose else is_met
        met = [check(constraint, completion) for constraint in example.constraints]
        return float(all(met)) if strict else sum(met) / len(met)


def _misfit(constraint: Constraint) -> str:
    """Return why no completion can be verified: a type without a verifier, or arguments that it does not take; empty if neither."""
    check, given = VERIFIERS.get(constraint["type"]), frozenset(name for name, value in constraint["kwargs"].items() if value is not None)
    return f"unknown constraint type '{constraint['type']}'" if check is None else _misfit_of(check, constraint["type"], given)


@cache
def _misfit_of(check: Verifier, type: str, given: frozenset[str]) -> str:
    try:
        signature(check).bind("", **dict.fromkeys(given))
    except TypeError as error:
        return f"constraint '{type}' does not take its arguments: {error}"
    return ""


class ConstraintReward(FollowsInstructions):
    r"""Share of the constraints that are met if the content is right, else 0; abstains without constraints. Range: [0, 1].

    >>> from bbflow.testing import LISTED, print_scores
    >>> print_scores(ConstraintReward(), LISTED, ["* aspirin\n* ibuprofen", "aspirin and ibuprofen", "* aspirin\n* warfarin"])
    | completion | score |
    |---|---|
    | `* aspirin / * ibuprofen` | 1 |
    | `aspirin and ibuprofen` | 0.5 |
    | `* aspirin / * warfarin` | 0 |

    Args:
        loose: As for `FollowsInstructions`.
    """

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion in [0, 1]."""
        pairs = zip(examples, completions, strict=True)
        return [self._share(example, text, strict=False) if example.constraints else None for example, text in pairs]
