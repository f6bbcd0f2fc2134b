"""What a stage of curation is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example


class Stage(ABC):
    """Looks at rendered examples and passes each on, changed or not, or drops it with a reason.

    A stage must give the same for the same examples and seed, in any process. One of your own is a subclass that a recipe names.
    """

    def prepare(self, graph: KnowledgeGraph) -> None:  # noqa: B027 (optional)
        """Receives the graph once in each process."""

    @abstractmethod
    def __call__(self, examples: Sequence[Example], seed: int) -> list[Example | str]:
        """Returns for each example itself, a changed one, or the reason why it is dropped."""
