"""`bbflow generate`: the examples of a recipe, as files."""

from __future__ import annotations

import json
from pathlib import Path

from bbflow.errors import InputError, Problem
from bbflow.graph.readers.draft import OnError


def generate(
    config: str, out: str, num: int | None = None, workers: int = 1, graph: str | None = None, format: str | None = None,
    mapping: str | None = None, on_error: OnError = "refuse",
) -> None:  # fmt: skip
    """Writes the examples of a recipe's data module, with receipt, quarantine, dataset card and Croissant metadata.

    Args:
        config: A recipe; its `data` part decides.
        out: Folder to write; must not exist, or be empty.
        num: How many examples in all, divided over the splits as in the recipe; by default the recipe's sizes.
        workers: Processes; the examples are the same for any number of them.
        graph: A graph file or folder, `clinical`, `clinical-core` or `hpo`, to use instead of the recipe's.
        format: With --graph: how to read it; by default its contents decide.
        mapping: With --graph: what columns and words mean: a mapping that ships, or a YAML file.
        on_error: With --graph: `refuse`, or `skip` to leave out, and count, malformed rows and what breaks the ontology.
    """
    from rich.console import Console
    from rich.table import Table

    from bbflow.cli.training import load_recipe
    from bbflow.data import KnowledgeGraphData
    from bbflow.data.cache import completed
    from bbflow.data.card import write_card
    from bbflow.graph import graph_source
    from bbflow.records import SPLITS

    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(Problem("the folder is there already and not empty", f"--out {out}", "name a new one"))
    if workers < 1:
        raise InputError(Problem(f"workers must be at least 1, not {workers}", "--workers"))
    data = load_recipe(Path(config)).datamodule
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
    with completed(folder) as draft:
        made = data.write(draft, workers)
        receipt = draft / "receipt.json"
        write_card(draft, made, data.graph, json.loads(receipt.read_text()) if receipt.exists() else None, Path(config).name)
    table = Table(title=f"examples in {folder}")
    for column in ("task", *SPLITS):
        table.add_column(column, justify="left" if column == "task" else "right")
    for task in data.tasks:
        table.add_row(task, *(str(sum(e.task == task for e in made.examples[split])) for split in SPLITS))
    Console().print(table)
