"""`ClinicalPack`: common adult drugs, diseases, findings and tests, hand-curated with a source on every edge.

Unverified and incomplete by design: it exists to generate training questions whose answers can be proved from it, and it is
no medical advice.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.readers.formats import GraphSource, read_graph

FOLDER = Path(__file__).parent


class ClinicalPack(GraphSource):
    """The graph that ships with bbflow.

    Args:
        core: Only the common part, named `clinical-core`: the nodes that `core.txt` lists and the edges between them. The bundled
            policy knows these; the whole is for larger ones.
    """

    def __init__(self, core: bool = False) -> None:
        self.core = core

    def load(self) -> KnowledgeGraph:
        """Reads the pack's YAML files."""
        return _load(self.core)


@lru_cache(maxsize=2)
def _load(core: bool) -> KnowledgeGraph:
    if not core:
        return read_graph(FOLDER, "yaml")
    lines = (FOLDER / "core.txt").read_text(encoding="utf-8").splitlines()
    return _load(False).induced({line for line in lines if line and not line.startswith("#")}, "clinical-core")
