"""`bbflow graph`: what a knowledge graph holds, and whether it obeys the ontology."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from bbflow.errors import InputError, Problem, Refused
from bbflow.graph import KnowledgeGraph, graph_source
from bbflow.graph.packs import PACKS
from bbflow.graph.readers.graph_builder import OnError

if TYPE_CHECKING:
    from rich.table import Table

_SHOWN = 20


def info(graph: str = "clinical", format: str | None = None, mapping: str | None = None, on_error: OnError = "refuse") -> None:
    """Count the nodes of a knowledge graph by kind and its edges by predicate, and print its sources.

    Args:
        graph: File or folder, `clinical` (or its part `clinical-core`) for the graph that ships with bbflow, or `hpo`
            for the Human Phenotype Ontology.
        format: How to read it (`yaml`, `node-link`, `obo`, `hpo`, `table`, `umls`, `primekg`, `hetionet`, `biocypher`);
            by default its contents decide.
        mapping: What columns and words mean: a mapping that ships, or a YAML file.
        on_error: `refuse`, or `skip` to leave out, and count, malformed rows and what breaks the ontology.

    Raises:
        InputError: The graph cannot be read or breaks the ontology; every violation is named with file and line.
    """
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    loaded = load_graph(graph, format, mapping, on_error)
    console.print(f"[bold]{loaded.name}[/bold] {loaded.version}", soft_wrap=True)
    console.print(f"sha256 {loaded.sha256}", soft_wrap=True)
    for key, value in loaded.about.items():
        if key not in ("name", "version", "salt") and isinstance(value, (str, int, float)):
            console.print(f"{key}: {' '.join(str(value).split())}", soft_wrap=True, markup=False)
    for title, counts in loaded.counts().items():
        console.print(_table(title, "predicate" if title == "edges" else "kind", counts))
    for key, title in (("left_out", "rows left out on purpose"), ("skipped", "rows skipped, as --on_error=skip asks")):
        reasons = loaded.about.get(key)
        if isinstance(reasons, dict) and reasons:
            console.print(_table(title, "reason", dict(Counter(reasons).most_common())))
    if loaded.ambiguous:
        shared = f"{len(loaded.ambiguous):,} nodes have a name that means another node as well, so no text can name them"
        console.print(shared, soft_wrap=True)
    console.print("bbflow trains language models; it gives no medical advice.")


def validate(graph: str, format: str | None = None, mapping: str | None = None) -> None:
    """Check a knowledge graph against the ontology, and lists every violation with file and line.

    Ends 0 where there is none, 1 where the ontology refuses, 2 where the files are no graph: malformed rows, an edge to a
    node that is not there, nothing in it.

    Args:
        graph: File or folder, `clinical`, `clinical-core` or `hpo`.
        format: How to read it; by default its contents decide.
        mapping: What columns and words mean: a mapping that ships, or a YAML file.

    Raises:
        InputError: The files are no graph.
        Refused: It breaks the ontology.
    """
    from rich.console import Console

    from bbflow.graph.validation import RULES, GraphError

    console = Console(highlight=False, emoji=False)
    try:
        loaded = load_graph(graph, format, mapping)
    except GraphError as error:
        found = [*(("malformed", p) for p in error.malformed), *((v.rule, v.problem) for v in error.violations)]
    else:
        edges = sum(1 for _ in loaded.edges())
        console.print(
            f"{loaded.name} {loaded.version}: {len(loaded):,} nodes and {edges:,} edges obey all {len(RULES)} rules", soft_wrap=True
        )
        return
    for rule, problem in found:
        console.print(f"{rule}: {problem}", soft_wrap=True, markup=False)
    counts = Counter(rule for rule, _ in found)
    meaning = {"malformed": "every row can be read", **RULES}
    console.print(_table("violations", "rule", {f"{rule} ({meaning[rule]})": count for rule, count in counts.most_common()}))
    summary = f"{graph}: {len(found):,} violations of {len(counts)} rules, listed above"
    if counts["malformed"] or counts["dangling"]:
        first = [problem for rule, problem in found if rule in ("malformed", "dangling")]
        raise InputError(*first[:_SHOWN], Problem(summary))
    raise Refused(summary)


def load_graph(graph: str, format: str | None = None, mapping: str | None = None, on_error: OnError = "refuse") -> KnowledgeGraph:
    """Read the graph that a command line names: a pack (`clinical`, `clinical-core`, `hpo`), else a file or folder.

    Raises:
        InputError: The graph cannot be read or breaks the ontology.
    """
    return graph_source(graph, format, mapping, on_error).load()


def graph_for(graph: str | None, provenances: Iterable[object], format: str | None = None) -> KnowledgeGraph:
    """Read the graph that a command line names, else the pack that the data were made from.

    Raises:
        InputError: The graph cannot be read, or none is named and the data were made from one that does not ship.
    """
    return load_graph(graph or pack_of(provenances), format)


def pack_of(provenances: Iterable[object]) -> str:
    """Return the pack that all examples were made from, by their provenance; `clinical` where they name none, or several.

    Raises:
        InputError: They were made from another graph: what is true in one is unknown to the other, so nothing could be judged.

    >>> pack_of([{"graph": "clinical-core@2"}, {"graph": "clinical-core@2"}])
    'clinical-core'
    >>> pack_of([None])
    'clinical'
    """
    named = set(map(_graph_name, provenances))
    foreign = sorted(named - PACKS.keys() - {""})
    if foreign:
        quoted = " and ".join(f"'{name}'" for name in foreign[:3])
        raise InputError(Problem(f"the examples were made from the graph {quoted}", "--graph", "name its file or folder"))
    return named.pop() if len(named) == 1 and named <= PACKS.keys() else "clinical"


def _graph_name(provenance: object) -> str:
    """Return the name of the graph in a provenance, which tables may hold as JSON; empty without one."""
    if isinstance(provenance, str):
        with suppress(ValueError):
            provenance = json.loads(provenance)
    return str(provenance.get("graph") or "").partition("@")[0] if isinstance(provenance, dict) else ""


def _table(title: str, column: str, counts: dict[str, int]) -> Table:
    from rich.table import Table

    table = Table(title=f"{sum(counts.values())} {title}", title_justify="left")
    table.add_column(column)
    table.add_column("count", justify="right")
    for name, count in counts.items():
        table.add_row(name, str(count))
    return table
