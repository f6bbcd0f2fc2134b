"""Nothing that models are tested on is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from bbflow.contracts.engine.row import Reason, Row, as_texts, text_of
from bbflow.contracts.engine.rule import DataFile, row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.decontamination import Benchmarks


@row_rule("messages", "options", group="evaluation")
def no_benchmark_contamination(row: Row, graph: KnowledgeGraph, *, benchmarks: dict[str, DataFile], n: int = 8) -> Iterator[str]:
    """No prompt shares a run of words with an item of a named benchmark, or its whole set of options.

    Case, punctuation, spacing and the values of numbers do not count. A shorter item counts when the prompt holds all of it.

    Args:
        row: The row.
        graph: The graph.
        benchmarks: Name to file (.jsonl, .json, .csv, .tsv, .parquet, .txt: an item a line); texts in the columns `question`, `prompt`,
            `text`, `input` or `sent1`, options in `options` or `choices`. Relative to the contract.
        n: Number of words in a row that are too many.
    """
    known = _benchmarks(tuple(sorted(benchmarks.items())), n)
    for i, message in enumerate(row.records("messages")):
        shared = known.shared_run(text_of(message.get("content"), "messages.content"))
        if shared is not None:
            yield Reason(f"messages[{i}] shares {shared.words} words in a row with an item of {shared.benchmark}", f"messages[{i}]")
    cell = row.cell("options")
    name = None if cell is None else known.shared_options(as_texts(cell, "options"))
    if name is not None:
        yield f"offers the very options of an item of {name}"


@lru_cache(maxsize=4)
def _benchmarks(files: tuple[tuple[str, str], ...], n: int) -> Benchmarks:
    known = Benchmarks(dict(files), n)
    for name, path in files:
        if not known.questions[name]:
            raise ValueError(f"benchmark '{name}' ({path}) holds no item with a question, prompt, text, input or sent1")
    return known
