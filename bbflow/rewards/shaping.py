"""Rewards for length, repetition and form. Each is 0 if the answer is wrong, so that form cannot replace content."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence

from bbflow.errors import Problem
from bbflow.records import Example
from bbflow.rewards.base import Score
from bbflow.rewards.correctness import CorrectAnswer


class Shaping(CorrectAnswer):
    """A score of the form in [0, 1] if the answer is right, else 0. Never abstains; subclasses define `shape`."""

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion in [0, 1]."""
        pairs = zip(examples, completions, strict=True)
        return [self.shape(text) if self.is_right(example, text) else 0.0 for example, text in pairs]

    @abstractmethod
    def shape(self, completion: str) -> float:
        """Return the score of the form of a right completion, in [0, 1]."""


_LONGEST = 24
"""Largest average length of a word and its space, in characters."""


class NotOverlong(Shaping):
    """1 up to a number of words, then down to 0 over a buffer (soft overlong punishment of DAPO, arXiv 2503.14476, eq. 13). Range: [0, 1].

    >>> from bbflow.testing import CHOICE, print_scores
    >>> print_scores(NotOverlong(words=4, buffer=4), CHOICE, ["Answer: B", "so I say that Answer: B", "Answer: A"])
    | completion | score |
    |---|---|
    | `Answer: B` | 1 |
    | `so I say that Answer: B` | 0.5 |
    | `Answer: A` | 0 |

    Args:
        words: Largest number of words without a penalty.
        buffer: Words over which the score falls to 0.
    """

    def __init__(self, words: int = 80, buffer: int = 40) -> None:
        self.words, self.buffer = words, buffer

    def problems(self, where: str) -> list[Problem]:
        """Refuse lengths below 1."""
        return [
            Problem(f"{n} must be at least 1, not {v}", f"{where}.{n}")
            for n, v in (("words", self.words), ("buffer", self.buffer))
            if v < 1
        ]

    def shape(self, completion: str) -> float:
        """Decrease linearly over the buffer; text without spaces counts as a word per `_LONGEST` characters."""
        words = max(len(completion.split()), len(completion) // _LONGEST)
        return min(1.0, max(0.0, 1 - (words - self.words) / self.buffer))


class NoRepetition(Shaping):
    """Share of distinct word n-grams (as TRL's repetition penalty, arXiv 2502.03373, but gated by correctness). Range: [0, 1].

    >>> from bbflow.testing import CHOICE, print_scores
    >>> print_scores(NoRepetition(n=2), CHOICE, ["amlodipine is safe. Answer: B", "it is it is it is Answer: B", "it is safe. Answer: A"])
    | completion | score |
    |---|---|
    | `amlodipine is safe. Answer: B` | 1 |
    | `it is it is it is Answer: B` | 0.571 |
    | `it is safe. Answer: A` | 0 |

    Args:
        n: Number of words of an n-gram.
    """

    def __init__(self, n: int = 3) -> None:
        self.n = n

    def problems(self, where: str) -> list[Problem]:
        """Refuse n-grams without a word."""
        return [] if self.n >= 1 else [Problem(f"n must be at least 1, not {self.n}", f"{where}.n")]

    def shape(self, completion: str) -> float:
        """Return the share; 1 for a text shorter than one n-gram."""
        words = completion.casefold().split()
        grams = [tuple(words[i : i + self.n]) for i in range(len(words) - self.n + 1)]
        return len(set(grams)) / len(grams) if grams else 1.0


class AnswerFormat(Shaping):
    """1 if a right completion ends in one final answer after one mark, else 0: no repeated and no nested mark. Range: 0 or 1.

    >>> from bbflow.testing import CHOICE, print_scores
    >>> print_scores(AnswerFormat(), CHOICE, ["It is safe. Answer: B", "B", "Answer: B Answer: B", "Answer: A"])
    | completion | score |
    |---|---|
    | `It is safe. Answer: B` | 1 |
    | `B` | 0 |
    | `Answer: B Answer: B` | 0 |
    | `Answer: A` | 0 |

    Args:
        mark: Text that announces the answer.
        reasoning: Whether text is required before the mark.
    """

    def __init__(self, mark: str = "Answer:", reasoning: bool = False) -> None:
        self.mark, self.reasoning = mark, reasoning

    def problems(self, where: str) -> list[Problem]:
        """Refuse an empty mark."""
        return [] if self.mark.strip() else [Problem("the mark is empty", f"{where}.mark")]

    def shape(self, completion: str) -> float:
        """Return 1 for exactly one mark with text after it and, with `reasoning`, before it; else 0."""
        mark = rf"{re.escape(self.mark[:-1].rstrip())}\s*:" if self.mark.endswith(":") else re.escape(self.mark)
        head, *tails = re.split(mark, completion, flags=re.IGNORECASE)
        return float(len(tails) == 1 and bool(tails[0].strip()) and (not self.reasoning or bool(head.strip())))
