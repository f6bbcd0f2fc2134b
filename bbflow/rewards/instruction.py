"""Is the demand on the form met, and is the content right? The form alone, as `bbflow.rewards.verifiers` judges it, is worth nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bbflow.records import Example
from bbflow.rewards.base import Score
from bbflow.rewards.knowledge import CorrectAnswer
from bbflow.rewards.verifiers import VERIFIERS, Verifier, is_met, is_met_loosely, verifier

__all__ = ["VERIFIERS", "ConstraintReward", "FollowsInstructions", "Verifier", "is_met", "is_met_loosely", "verifier"]


class FollowsInstructions(CorrectAnswer):
    r"""1 where every demand is met and the content is right, else 0; abstains without demands. Range: 0 or 1.

    Form without content is worth nothing: otherwise any text of the right shape would pass.

    >>> from bbflow.rewards.worked import LISTED, table
    >>> table(FollowsInstructions(), LISTED, ["* aspirin\n* ibuprofen", "aspirin and ibuprofen", "* aspirin\n* warfarin", ""])
    | completion | score |
    |---|---|
    | `* aspirin / * ibuprofen` | 1 |
    | `aspirin and ibuprofen` | 0 |
    | `* aspirin / * warfarin` | 0 |
    | (nothing) | 0 |

    Args:
        loose: Whether any of IFEval's eight edits of the completion may meet a demand (its loose accuracy); the content must be right
            in the completion as it stands.
    """

    requires: ClassVar[tuple[str, ...]] = ("constraints",)

    def __init__(self, loose: bool = False) -> None:
        self.loose = loose

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Scores each completion 0 or 1."""
        pairs = zip(examples, completions, strict=True)
        return [self._share(example, text, strict=True) if example.constraints else None for example, text in pairs]

    def _share(self, example: Example, completion: str, strict: bool) -> float:
        if not completion.strip() or not self.is_right(example, completion):
            return 0.0
        check = is_met_loosely if self.loose else is_met
        met = [check(constraint, completion) for constraint in example.constraints]
        return float(all(met)) if strict else sum(met) / len(met)


class ConstraintReward(FollowsInstructions):
    r"""Share of the demands that are met, where the content is right; 0 where it is not; abstains without demands. Range: [0, 1].

    >>> from bbflow.rewards.worked import LISTED, table
    >>> table(ConstraintReward(), LISTED, ["* aspirin\n* ibuprofen", "aspirin and ibuprofen", "* aspirin\n* warfarin"])
    | completion | score |
    |---|---|
    | `* aspirin / * ibuprofen` | 1 |
    | `aspirin and ibuprofen` | 0.5 |
    | `* aspirin / * warfarin` | 0 |

    Args:
        loose: As for `FollowsInstructions`.
    """

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Scores each completion in [0, 1]."""
        pairs = zip(examples, completions, strict=True)
        return [self._share(example, text, strict=False) if example.constraints else None for example, text in pairs]
