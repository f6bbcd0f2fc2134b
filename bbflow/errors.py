"""Exceptions of all packages: every package raises these, `bbflow.cli.errors` prints them.

`InputError` is a usage error (exit code 2) and may carry several problems; `Refused` is a failed check (exit code 1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A mistake in the input.

    Attributes:
        what: The mistake, in one sentence.
        where: File, line or key; empty if none is known.
        hint: The probable intention, or the remedy; may be empty.

    >>> print(Problem("unknown task 'fact_recal'", "data.tasks", "did you mean 'fact_recall'?"))
    data.tasks: unknown task 'fact_recal' (did you mean 'fact_recall'?)
    """

    what: str
    where: str = ""
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.hint})" if self.hint else text


class InputError(Exception):
    """The input is wrong. Carries every problem found, so that all can be corrected at once."""

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = [p if isinstance(p, Problem) else Problem(p) for p in problems]
        super().__init__("\n".join(str(p) for p in self.problems))


class Refused(Exception):
    """A check failed (a contract, a certificate): the input is well-formed, but must not be used."""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return a hint that names the nearest candidate, or lists the candidates if none is near.

    >>> did_you_mean("grph", ["graph", "tasks"])
    "did you mean 'graph'?"
    >>> did_you_mean("zzz", ["graph", "tasks"])
    'one of: graph, tasks'
    """
    candidates = sorted({str(c) for c in candidates})
    near = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    if not candidates:
        return ""
    shown = candidates[:20]
    return f"one of: {', '.join(shown)}{', ...' if len(candidates) > len(shown) else ''}"
