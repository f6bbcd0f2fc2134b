"""`ClinicalPack`: common adult drugs, diseases, findings and tests, hand-curated with a source on every edge.

Unverified and incomplete by design: its purpose is to generate training questions whose answers can be proved from it. It
is not medical advice.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.readers.formats import GraphSource, read_graph

FOLDER = Path(__file__).parent


class ClinicalPack(GraphSource):
    """The graph shipped with bbflow.

    Args:
        core: Only the common part, named `clinical-core`: the nodes listed in `core.txt` and the edges between them. The
            bundled policy is trained on these; use the whole graph for larger policies.
    """

    def __init__(self, core: bool = False) -> None:
        self.core = core

    def load(self) -> KnowledgeGraph:
        """Read the pack's YAML files."""
        return _load(self.core)


@lru_cache(maxsize=2)
def _load(core: bool) -> KnowledgeGraph:
    if not core:
        return read_graph(FOLDER, "yaml")
    lines = (FOLDER / "core.txt").read_text(encoding="utf-8").splitlines()
    return _load(False).induced({line for line in lines if line and not line.startswith("#")}, "clinical-core")
