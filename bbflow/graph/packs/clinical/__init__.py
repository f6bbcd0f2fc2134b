"""`ClinicalPack`: common adult drugs, diseases, findings and tests, hand-curated with a source on every edge.

Unverified and incomplete by design: its purpose is to generate training questions whose answers can be proved from it. It
is not medical advice.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from bbflow.graph.elements import Node
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
    whole = _load(False)
    lines = (FOLDER / "core.txt").read_text(encoding="utf-8").splitlines()
    part = whole.induced({line for line in lines if line and not line.startswith("#")}, "clinical-core")
    nodes = [replace(node, attributes=_with_others(whole, part, node)) for node in part.nodes()]
    return KnowledgeGraph(nodes, part.edges(), part.name, part.version, part.salt, part.about)


def _with_others(whole: KnowledgeGraph, part: KnowledgeGraph, node: Node) -> dict[str, Any]:
    """Return the attributes of a node and, of a finding, `also_found_in`: the diseases outside the part that present with it."""
    others = [disease for disease in whole.subjects("has_phenotype", node.id) if disease not in part]
    return {**node.attributes, "also_found_in": others} if others else dict(node.attributes)
