"""`bbflow generate`: the examples of a recipe, as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.readers.graph_builder import OnError

if TYPE_CHECKING:
    from bbflow.data.sharding import Summary
    from bbflow.graph import KnowledgeGraph


def generate(
    config: str, out: str, num: int | None = None, workers: int = 1, graph: str | None = None, format: str | None = None,
    mapping: str | None = None, on_error: OnError = "refuse", shard_rows: int | None = None, explain: str | None = None,
) -> None:  # fmt: skip
    """Write the examples of a recipe's data module, with receipt, quarantine, dataset card and Croissant metadata.

    Args:
        config: A recipe; its `data` part decides, and is all that must be there.
        out: Folder to write; must not exist, or be empty.
        num: How many examples in all, divided over the splits as in the recipe; by default the recipe's sizes.
        workers: Processes; the examples are the same for any number of them.
        graph: A graph file or folder, `clinical`, `clinical-core` or `hpo`, to use instead of the recipe's.
        format: With --graph: how to read it; by default its contents decide.
        mapping: With --graph: what columns and words mean: a mapping that ships, or a YAML file.
        on_error: With --graph: `refuse`, or `skip` to leave out, and count, malformed rows and what breaks the ontology.
        shard_rows: Write Parquet shards of at most so many rows, in bounded memory; a run that was killed goes on with the same command.
        explain: Draw the graph around one example of the folder that was written before, by its `example_id`, as an SVG file next to it.
    """
    from bbflow.cli.training import load_data
    from bbflow.data import KnowledgeGraphData
    from bbflow.data.sharding import write_shards
    from bbflow.graph import graph_source
    from bbflow.io.atomic import atomic_directory
    from bbflow.io.progress import progress_bar
    from bbflow.records import SPLITS
    from bbflow.reporting.cards.dataset_card import summary_of

    folder = Path(out)
    _check_options(None if explain is not None else folder, out, workers, shard_rows)
    data = load_data(Path(config))
    if not isinstance(data, KnowledgeGraphData):
        raise InputError(Problem(f"the data of this recipe are a {type(data).__name__}, not a KnowledgeGraphData", config))
    if graph is not None:
        data.use_graph(graph_source(graph, format, mapping, on_error))
    if num is not None:
        if num < len(SPLITS):
            raise InputError(Problem(f"num must be at least {len(SPLITS)}, one for each split, not {num}", "--num"))
        data.resize(num)
    problems = data.problems()
    if problems:
        raise InputError(*problems)
    if explain is not None:
        _explain(data.graph, folder, explain)
        return
    try:
        if shard_rows is None:
            with atomic_directory(folder) as draft:
                made = summary_of(data.write(draft, workers), draft)
                _describe(draft, made, data.graph, config)
        else:
            with progress_bar("generating examples", sum(data.sizes.values())) as advance:
                made = write_shards(
                    data.plan(shard_rows), folder, workers, advance, lambda draft, made: _describe(draft, made, data.graph, config)
                )
    except OSError as error:
        raise InputError(Problem(f"cannot be written: {error.strerror or error}", f"--out {out}", str(error.filename or ""))) from error
    _report(folder, made)


def _check_options(new_folder: Path | None, out: str, workers: int, shard_rows: int | None) -> None:
    """Raise `InputError` for a folder that is not empty, or a number below 1."""
    if new_folder is not None and new_folder.exists() and (not new_folder.is_dir() or any(new_folder.iterdir())):
        raise InputError(Problem("the folder is there already and not empty", f"--out {out}", "name a new one"))
    if workers < 1:
        raise InputError(Problem(f"workers must be at least 1, not {workers}", "--workers"))
    if shard_rows is not None and shard_rows < 1:
        raise InputError(Problem(f"shard_rows must be at least 1, not {shard_rows}", "--shard_rows"))


def _describe(folder: Path, made: Summary, graph: KnowledgeGraph, config: str) -> None:
    from bbflow.reporting.cards.dataset_card import write_card

    receipt = folder / "receipt.json"
    write_card(folder, made, graph, json.loads(receipt.read_text()) if receipt.exists() else None, Path(config).name)


def _report(folder: Path, made: Summary) -> None:
    from rich.console import Console
    from rich.table import Table

    from bbflow.records import SPLITS

    table = Table(title=f"examples in {folder}")
    for column in ("task", *SPLITS):
        table.add_column(column, justify="left" if column == "task" else "right")
    for task in dict.fromkeys(task for task, _ in made.counts):
        table.add_row(task, *(str(made.counts[task, split]) for split in SPLITS))
    Console().print(table)
    for (task, split), missing in made.short.items():
        said = f"note: of {task}, {split} has {missing} fewer than asked: the graph offers no more, or they come in pairs"
        Console().print(said, markup=False, soft_wrap=True)


def _explain(graph: KnowledgeGraph, folder: Path, example_id: str) -> None:
    from rich.console import Console

    from bbflow.data.example_io import read_examples
    from bbflow.reporting.charts.example_graph import neighbourhood_svg

    examples = {e.example_id: e for e in read_examples(folder)}
    if example_id not in examples:
        raise InputError(Problem(f"there is no example '{example_id}' in {folder}", "--explain", did_you_mean(example_id, examples)))
    file = folder / f"{example_id}.svg"
    file.write_text(neighbourhood_svg(graph, examples[example_id]), encoding="utf-8")
    Console().print(f"{file}")
