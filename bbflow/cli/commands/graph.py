"""`bbflow graph`: what a knowledge graph holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bbflow.graph import ClinicalPack, KnowledgeGraph, read_graph

if TYPE_CHECKING:
    from rich.table import Table


def info(graph: str = "clinical", format: str | None = None) -> None:
    """Counts the nodes of a knowledge graph by kind and its edges by predicate, and tells where it comes from.

    Args:
        graph: File or folder, or `clinical` for the graph that ships with bbflow.
        format: How to read it (`yaml`, `node-link`); by default its contents decide.

    Raises:
        InputError: The graph cannot be read or breaks the ontology; every violation is named with file and line.
    """
    from rich.console import Console

    console = Console(highlight=False)
    loaded = load_graph(graph, format)
    console.print(f"[bold]{loaded.name}[/bold] {loaded.version}", soft_wrap=True)
    console.print(f"sha256 {loaded.sha256}", soft_wrap=True)
    for key, value in loaded.about.items():
        if key not in ("name", "version", "salt") and isinstance(value, (str, int, float)):
            console.print(f"{key}: {' '.join(str(value).split())}", soft_wrap=True, markup=False)
    for title, counts in loaded.counts().items():
        console.print(_table(title, counts))
    console.print("bbflow trains language models; it gives no medical advice.")


def load_graph(graph: str, format: str | None = None) -> KnowledgeGraph:
    """Reads the graph that a command line names: `clinical` for the pack, else a file or folder.

    Raises:
        InputError: The graph cannot be read or breaks the ontology.
    """
    if graph == "clinical" and format is None and not Path(graph).exists():
        return ClinicalPack().load()
    return read_graph(Path(graph), format)


def _table(title: str, counts: dict[str, int]) -> Table:
    from rich.table import Table

    table = Table(title=f"{sum(counts.values())} {title}", title_justify="left")
    table.add_column("predicate" if title == "edges" else "kind")
    table.add_column("count", justify="right")
    for name, count in counts.items():
        table.add_row(name, str(count))
    return table
