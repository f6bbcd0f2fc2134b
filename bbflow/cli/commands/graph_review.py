"""`bbflow graph review`: a sheet for a clinician, out and back in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bbflow.errors import InputError, Problem
from bbflow.graph import KnowledgeGraph

if TYPE_CHECKING:
    from rich.console import Console


def review(
    out: str, graph: str = "clinical", apply: str | None = None, items: int = 25, all_edges: bool = False, reviewer: str = "",
    format: str | None = None, mapping: str | None = None,
) -> None:  # fmt: skip
    """Write the edges of a graph and sample items as a sheet to accept, reject or comment; with --apply, read it back.

    Accepted edges become `verified`, rejected ones are dropped, comments are kept on the edge; the result is a new graph file.

    Args:
        out: The sheet to write (.csv or .yaml); with --apply, the graph to write (.json or .yaml). Must not exist.
        graph: File or folder, `clinical`, `clinical-core` or `hpo`.
        apply: A sheet that was filled in.
        items: How many sample items the sheet holds.
        all_edges: Also those that are verified already.
        reviewer: With --apply: who reviewed, kept on accepted edges.
        format: How to read the graph; by default its contents decide.
        mapping: What columns and words mean: a mapping that ships, or a YAML file.

    Raises:
        InputError: The graph or the sheet cannot be read, or the sheet is of another graph.
    """
    from rich.console import Console

    from bbflow.cli.commands.graph import load_graph
    from bbflow.graph.review import edge_rows, item_row, write_sheet

    path = Path(out)
    suffixes = (".csv", ".yaml", ".yml") if apply is None else (".json", ".yaml", ".yml")
    if path.exists() or path.suffix not in suffixes:
        what = "the file is there already" if path.exists() else f"the name ends with {', '.join(suffixes[:2])}"
        raise InputError(Problem(what, f"--out {out}", "name a new one" if path.exists() else ""))
    if items < 0:
        raise InputError(Problem(f"items must not be negative, not {items}", "--items"))
    loaded = load_graph(graph, format, mapping)
    console = Console(highlight=False, emoji=False)
    if apply is not None:
        _apply(loaded, Path(apply), path, reviewer, console)
        return
    edges = edge_rows(loaded, all_edges)
    if not edges:
        raise InputError(
            Problem("every edge is verified already, so there is nothing to review", graph, "--all_edges lists them all the same")
        )
    samples = [item_row(*sample) for sample in _samples(loaded, items)]
    _finished(path, lambda draft: write_sheet([*edges, *samples], draft))
    console.print(f"{path}: {len(edges):,} edges and {len(samples)} sample items to accept, reject or comment", soft_wrap=True)
    console.print(f"then: bbflow graph review --graph {graph} --apply {path} --out reviewed.json", soft_wrap=True, markup=False)


def _apply(graph: KnowledgeGraph, sheet: Path, out: Path, reviewer: str, console: Console) -> None:
    from bbflow.graph.readers import node_link, yaml_graph
    from bbflow.graph.review import apply_sheet, read_sheet

    reviewed = apply_sheet(graph, read_sheet(sheet), reviewer)
    write = node_link.write if out.suffix == ".json" else yaml_graph.write
    _finished(out, lambda draft: write(reviewed.graph, draft))
    counts = ", ".join(f"{count:,} {what}" for what, count in reviewed.counts.items() if count)
    console.print(f"{out}: {counts}; sha256 {reviewed.graph.sha256}", soft_wrap=True)
    for drug, axis in reviewed.lowered:
        name = graph.name_of(drug)
        console.print(f"{name}: coverage of '{axis}' is partial now, as an edge of it was rejected", soft_wrap=True, markup=False)
    for statement, comment in reviewed.remarks:
        console.print(f"{' '.join(statement.split())}: {comment}", soft_wrap=True, markup=False)


def _samples(graph: KnowledgeGraph, count: int) -> list[tuple[str, str, str, list[tuple[str, str, str]]]]:
    """Draw items of every task that the graph can feed, evenly."""
    from bbflow.synthesis import generate
    from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, MultiHop, TreatmentChoice

    made = []
    for make in (FactRecall, MultiHop, ConstrainedAnswer, TreatmentChoice):
        task = make()
        try:
            if count:
                made.append(generate(graph, {task.name: task}, {"train": count}, {}, seed=0).examples["train"])
        except InputError:  # the graph has no edge that this task could ask about
            continue
    mixed = [examples[i] for i in range(count) for examples in made if i < len(examples)][:count]
    return [(e.example_id, e.prompt, e.response, e.edges) for e in mixed]


def _finished(path: Path, write: Callable[[Path], None]) -> None:
    """Write a draft in the same folder and rename it, so that a file of the final name is complete."""
    draft = path.with_name(f".{path.stem}.draft{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(draft)
        draft.replace(path)
    except OSError as error:
        raise InputError(Problem(f"cannot be written: {error.strerror}", str(path))) from None
    finally:
        draft.unlink(missing_ok=True)
