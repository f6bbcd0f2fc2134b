"""What a reward is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from bbflow.errors import Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example

Score = float | None
"""A score in [0, 1], or None where the reward does not apply and so abstains."""


class Reward(ABC):
    """Score completions. Pure: the same examples and completions give the same scores.

    A reward of one's own is one subclass; a recipe names it by `class_path`.

    Attributes:
        requires: Fields of the record that the reward reads. A task that leaves one empty is refused before the run.
    """

    requires: ClassVar[tuple[str, ...]] = ()

    def problems(self, where: str) -> list[Problem]:
        """List what can be told wrong with the reward before anything is loaded; `where` is its key in the recipe."""
        return []

    def prepare(self, graph: KnowledgeGraph | None) -> None:  # noqa: B027 (optional)
        """Receive the graph once, before the first call; most rewards need nothing."""

    def record_problems(self, examples: Sequence[Example]) -> list[Problem]:
        """List records that could not be judged whatever a completion says; asked for before a policy is loaded. Nothing by default."""
        return []

    @abstractmethod
    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion against the example at the same place.

        Args:
            examples: N records, repeated for each completion of a group.
            completions: N texts, special tokens removed.

        Returns:
            N scores in [0, 1], or None to abstain.
        """
