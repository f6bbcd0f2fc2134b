"""Chooses a reader by format name or by contents, and turns raw nodes and edges into a checked graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.readers import node_link, yaml_graph
from bbflow.graph.readers.draft import Draft

READERS: dict[str, Callable[[Path, Draft], KnowledgeGraph]] = {"node-link": node_link.read, "yaml": yaml_graph.read}
"""Format name to reader; `--format` takes these names."""


def read_graph(path: str | Path, format: str | None = None) -> KnowledgeGraph:
    """Reads a graph from a file or folder.

    Args:
        path: What to read.
        format: A key of `READERS`; None chooses by suffix and contents.

    Raises:
        InputError: Nothing is there, no reader knows it, or it is malformed (every problem with file and line).
    """
    path = Path(path)
    if format is not None and format not in READERS:
        raise InputError(Problem(f"unknown graph format '{format}'", "--format", did_you_mean(format, READERS)))
    if not path.exists():
        raise InputError(Problem("no such graph file or folder", str(path)))
    graph = READERS[format or _guess(path)](path, Draft())
    if not len(graph):
        raise InputError(Problem("the graph is empty", str(path)))
    return graph


def _guess(path: Path) -> str:
    if path.is_dir() and any(path.glob("*.y*ml")):
        return "yaml"
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return "yaml"
    if suffix == ".json":
        return "node-link"
    raise InputError(Problem("no reader knows this file", str(path), f"formats: {', '.join(READERS)}; name one with --format"))


class GraphSource(ABC):
    """Where a recipe's graph comes from: a pack that ships, a file, or a class of one's own."""

    @abstractmethod
    def load(self) -> KnowledgeGraph:
        """Reads the graph; called when the data module needs it, never at parsing."""


class GraphFile(GraphSource):
    """A graph in a file or folder.

    Args:
        path: What to read.
        format: A key of `READERS`; null chooses by contents.
    """

    def __init__(self, path: str, format: str | None = None) -> None:
        self.path, self.format = path, format

    def load(self) -> KnowledgeGraph:
        """Reads the file."""
        return read_graph(self.path, self.format)
