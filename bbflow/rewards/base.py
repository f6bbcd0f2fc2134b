"""`Reward`, the base class of all rewards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from bbflow.errors import Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example

Score = float | None
"""A score in [0, 1], or None if the reward does not apply and abstains."""


class Reward(ABC):
    """A function that scores completions. Pure: the same examples and completions give the same scores.

    Subclass it to add your own; a recipe names it by `class_path`.

    Attributes:
        requires: Fields of the record that the reward reads. A task that leaves one empty is refused before the run.
    """

    requires: ClassVar[tuple[str, ...]] = ()

    def problems(self, where: str) -> list[Problem]:
        """List the problems of the settings that can be found without loading anything; `where` is the reward's key in the recipe."""
        return []

    def prepare(self, graph: KnowledgeGraph | None) -> None:  # noqa: B027 (optional)
        """Receive the graph once, before the first call; most rewards need nothing."""

    def record_problems(self, examples: Sequence[Example]) -> list[Problem]:
        """List records that cannot be judged for any completion; called before a policy is loaded. None by default."""
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
