"""`ClinicalPack`: common adult drugs, diseases, findings and tests, hand-curated with a source on every edge.

Unverified and incomplete by design: it exists to generate training questions whose answers can be proved from it, and it is
no medical advice.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.readers.read import GraphSource, read_graph

FOLDER = Path(__file__).parent


class ClinicalPack(GraphSource):
    """The graph that ships with bbflow."""

    def load(self) -> KnowledgeGraph:
        """Reads the pack's YAML files."""
        return _load()


@lru_cache(maxsize=1)
def _load() -> KnowledgeGraph:
    return read_graph(FOLDER, "yaml")
