"""What a stage of curation is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from bbflow.errors import Problem, did_you_mean
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import SPLITS, Example


class CurationStage(ABC):
    """Looks at rendered examples and passes each on, changed or not, or drops it with a reason.

    A stage must give the same for the same examples and seed, in any process. One of your own is a subclass that a recipe names.
    """

    def problems(self, where: str) -> list[Problem]:
        """Lists what is wrong with the settings; `where` is their key in the recipe."""
        return []

    def prepare(self, graph: KnowledgeGraph) -> None:  # noqa: B027 (optional)
        """Receives the graph once in each process."""

    @abstractmethod
    def __call__(self, examples: Sequence[Example], seed: int) -> list[Example | str]:
        """Returns for each example itself, a changed one, or the reason why it is dropped."""


def unknown_splits(splits: Sequence[str], where: str) -> list[Problem]:
    """Lists the names that are no split: a stage that looks at none would do nothing and say so nowhere."""
    return [Problem(f"'{split}' is no split", f"{where}.splits", did_you_mean(split, SPLITS)) for split in splits if split not in SPLITS]
