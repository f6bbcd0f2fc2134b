"""Graphs shipped with bbflow or available through an optional package; the keys of `PACKS` are the names for `--graph`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from bbflow.graph.packs.clinical import ClinicalPack
from bbflow.graph.packs.hpo import HumanPhenotypeOntology
from bbflow.graph.readers.formats import GraphFile, GraphSource
from bbflow.graph.readers.graph_builder import OnError

PACKS: dict[str, Callable[[], GraphSource]] = {
    "clinical": ClinicalPack,
    "clinical-core": partial(ClinicalPack, core=True),
    "hpo": HumanPhenotypeOntology,
}


def graph_source(graph: str, format: str | None = None, mapping: str | None = None, on_error: OnError = "refuse") -> GraphSource:
    """Return the graph named on a command line: a key of `PACKS`, else a file or folder.

    >>> type(graph_source("clinical")).__name__
    'ClinicalPack'
    """
    if graph in PACKS and format is None and mapping is None and not Path(graph).exists():
        return PACKS[graph]()
    return GraphFile(graph, format, mapping, on_error)
