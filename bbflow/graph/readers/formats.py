"""Choice of a reader by format name or by contents, and `GraphFile`, a graph file in a recipe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.readers import hpo, node_link, obo, tabular, umls, yaml_graph
from bbflow.graph.readers.graph_builder import GraphBuilder, OnError
from bbflow.graph.readers.lines import lines
from bbflow.graph.readers.mapping import Mapping, load_mapping


@dataclass(frozen=True)
class Reader:
    """A file format.

    Attributes:
        read: Reads a path into a draft, with the mapping if the format has one, and builds the graph.
        mapping: Default mapping; None: the format has none.
    """

    read: Callable[[Path, GraphBuilder, Mapping], KnowledgeGraph]
    mapping: str | None = None


READERS = {
    "yaml": Reader(lambda path, draft, _: yaml_graph.read(path, draft)),
    "node-link": Reader(lambda path, draft, _: node_link.read(path, draft)),
    "obo": Reader(obo.read, "obo"),
    "hpo": Reader(hpo.read, "obo"),
    "table": Reader(tabular.read, "plain"),
    "umls": Reader(umls.read, "umls"),
}
"""Format name to reader; `--format` accepts these names and those of the bundled table mappings."""

_TABLES = ("biocypher", "hetionet", "plain", "primekg")
_BIG = 3_000_000


def read_graph(path: str | Path, format: str | None = None, mapping: str | None = None, on_error: OnError = "refuse") -> KnowledgeGraph:
    """Read a graph from a file or folder.

    Args:
        path: File or folder.
        format: A key of `READERS`, or a bundled table mapping (`primekg`, ...); None chooses by name and contents.
        mapping: A bundled mapping, or a mapping file; by default `mapping.yaml` in the folder, else the one that fits the columns.
        on_error: `refuse` raises with all problems; `skip` omits and counts malformed rows and violations of the ontology.
            The counts are stored in the graph's `about`.

    Raises:
        InputError: The path does not exist, no reader recognises it, or it is malformed (every problem with file and line).
    """
    path = Path(path)
    if on_error not in ("refuse", "skip"):
        raise InputError(Problem(f"on_error is refuse or skip, not '{on_error}'", "--on_error"))
    if format is not None and format not in READERS and format not in _TABLES:
        raise InputError(Problem(f"unknown graph format '{format}'", "--format", did_you_mean(format, [*READERS, *_TABLES])))
    if not path.exists():
        raise InputError(Problem("no such graph file or folder", str(path)))
    if format in _TABLES:
        format, mapping = "table", mapping or format
    format = format or _guess(path, mapping)
    reader = READERS[format]
    if mapping is not None and reader.mapping is None:
        raise InputError(Problem(f"the format '{format}' takes no mapping", "--mapping"))
    with reading(path):
        graph = reader.read(path, GraphBuilder(on_error), _mapping(path, format, reader, mapping))
    if not len(graph):
        raise InputError(Problem("the graph is empty", str(path)))
    return graph


def _mapping(path: Path, format: str, reader: Reader, mapping: str | None) -> Mapping:
    beside = path / "mapping.yaml"
    if mapping is None and reader.mapping is not None and beside.is_file():
        return load_mapping(beside)
    if mapping is None and format == "table":
        found = tabular.guess(path, _TABLES)
        if found is None:
            hint = f"name one with --mapping ({', '.join(_TABLES)}, or a file of your own: docs/graphs.md)"
            raise InputError(Problem("no mapping that ships knows these columns", str(path), hint))
        return found
    return load_mapping(mapping or reader.mapping or "biolink")


def _guess(path: Path, mapping: str | None) -> str:
    if path.is_dir():
        return _guess_folder(path, mapping)
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in (".yaml", ".yml"):
        return "yaml"
    if suffix in (".obo", ".json"):
        return "obo" if suffix == ".obo" else "node-link"
    if suffix in tabular.SUFFIXES and (suffix != ".txt" or mapping is not None):
        return "table"
    first = next((line for _, line in lines(path, whole=False)), "")
    if first.startswith(("format-version:", "[Term]", "{")):
        return "node-link" if first.startswith("{") else "obo"
    raise InputError(Problem("no reader knows this file", str(path), f"formats: {', '.join(READERS)}; name one with --format"))


def _guess_folder(path: Path, mapping: str | None) -> str:
    if (path / "MRREL.RRF").exists():
        return "umls"
    if (path / "hp.obo").exists():
        return "hpo"
    if mapping is not None or (path / "mapping.yaml").exists():
        return "table"
    if any(path.glob("*.y*ml")):
        return "yaml"
    if tabular.guess(path, _TABLES) is not None:
        return "table"
    hint = f"formats: {', '.join(READERS)}; name one with --format"
    if any(file.suffix in tabular.SUFFIXES for file in path.iterdir()):
        hint = "tables need a mapping that says what their columns mean: mapping.yaml next to them, or --mapping (docs/graphs.md)"
    raise InputError(Problem("no reader knows this folder", str(path), hint))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Show on the terminal that a large graph is being read."""
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    if sum(file.stat().st_size for file in files) < _BIG:
        yield
        return
    from rich.console import Console
    from rich.errors import LiveError

    status = Console(stderr=True).status(f"reading {path.name or path}")
    try:
        status.start()
    except LiveError:  # another progress bar is active
        yield
        return
    try:
        yield
    finally:
        status.stop()


class GraphSource(ABC):
    """Source of a recipe's graph: a bundled pack, a file, or a custom class."""

    @abstractmethod
    def load(self) -> KnowledgeGraph:
        """Read the graph; called when the data module needs it, never while a recipe is parsed."""


class GraphFile(GraphSource):
    """A graph in a file or folder.

    Args:
        path: File or folder.
        format: A key of `READERS`, or a bundled table mapping; null chooses by contents.
        mapping: A bundled mapping, or a mapping file; null chooses the one that fits.
        on_error: `refuse`, or `skip` to omit and count malformed rows and violations of the ontology.
    """

    def __init__(self, path: str, format: str | None = None, mapping: str | None = None, on_error: OnError = "refuse") -> None:
        self.path, self.format, self.mapping, self.on_error = path, format, mapping, on_error

    def load(self) -> KnowledgeGraph:
        """Read the file."""
        return read_graph(self.path, self.format, self.mapping, self.on_error)
