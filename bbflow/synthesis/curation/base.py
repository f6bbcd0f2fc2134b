"""`CurationStage`, the base class of curation stages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from bbflow.errors import Problem, did_you_mean
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import SPLITS, Example
from bbflow.synthesis.items.item import Item


class CurationStage(ABC):
    """Pass rendered examples on, changed or not, or drop them with a reason.

    A stage must return the same for the same examples and seed, in any process. To add your own, subclass it and name it in a recipe.
    """

    def problems(self, where: str) -> list[Problem]:
        """List the mistakes in the settings; `where` is their key in the recipe."""
        return []

    def prepare(self, graph: KnowledgeGraph) -> None:  # noqa: B027 (optional)
        """Receive the graph, once in each process."""

    def objection(self, item: Item) -> str | None:
        """Return why an item is dropped before it is proven and rendered; by default None."""
        return None

    @abstractmethod
    def __call__(self, examples: Sequence[Example], seed: int) -> list[Example | str]:
        """Return for each example itself, a changed one, or the reason why it is dropped."""


def unknown_splits(splits: Sequence[str], where: str) -> list[Problem]:
    """List the names that are no split; a stage without a split would silently do nothing."""
    return [Problem(f"'{split}' is no split", f"{where}.splits", did_you_mean(split, SPLITS)) for split in splits if split not in SPLITS]
