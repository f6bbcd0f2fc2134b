"""Nothing that models are tested on is trained on."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from bbflow.contracts.engine.row import Reason, Row, as_texts, text_of
from bbflow.contracts.engine.rule import DataFile, row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.normalization import normalize

_WORD = re.compile(r"[^\W_]+")


@row_rule("messages", "options", group="evaluation")
def no_benchmark_contamination(row: Row, graph: KnowledgeGraph, *, benchmarks: dict[str, DataFile], n: int = 8) -> Iterator[str]:
    """No prompt shares a run of words with an item of a named benchmark, or its whole set of options.

    Case, punctuation and spacing do not count. A shorter item counts when the prompt holds all of it.

    Args:
        row: The row.
        graph: The graph.
        benchmarks: Name to file (.jsonl, .csv, .parquet, .txt: an item a line); texts in the columns `question`, `prompt`, `text`,
            `input` or `sent1`, options in `options` or `choices`. Relative to the contract.
        n: How many words in a row are too many.
    """
    grams, options = _index(tuple(sorted(benchmarks.items())), n)
    for i, message in enumerate(row.records("messages")):
        content = text_of(message.get("content"), "messages.content")
        words = _WORD.findall(normalize(content).lower())
        for start in itertools.compress(range(len(words)), map(grams.__contains__, itertools.pairwise(words))):
            sizes = grams[words[start], words[start + 1]]
            hit = next((name for size, found in sizes.items() if (name := found.get(tuple(words[start : start + size])))), None)
            if hit is not None:
                yield Reason(f"messages[{i}] shares {min(n, len(words) - start)} words in a row with an item of {hit}", f"messages[{i}]")
                break
    cell = row.cell("options")
    offered = [] if cell is None else as_texts(cell, "options")
    if len(offered) > 2:
        name = options.get(frozenset(map(_plain, offered))) if options else None
        if name is not None:
            yield f"offers the very options of an item of {name}"


@lru_cache(maxsize=10_000)
def _plain(text: str) -> str:
    return " ".join(_WORD.findall(normalize(text).lower()))


Grams = dict[tuple[str, str], dict[int, dict[tuple[str, ...], str]]]


@lru_cache(maxsize=4)
def _index(benchmarks: tuple[tuple[str, str], ...], n: int) -> tuple[Grams, dict[frozenset[str], str]]:
    """Indexes the runs of words by their first two words and length, and the option sets."""
    grams: Grams = {}
    options: dict[frozenset[str], str] = {}
    for name, path in benchmarks:
        count = 0
        for item in _items(Path(path)):
            texts = [str(item[key]) for key in ("question", "prompt", "text", "input", "sent1") if item.get(key)]
            count += bool(texts)
            for text in texts:
                words = _plain(text).split()
                size = min(n, len(words))
                for start in range(len(words) - size + 1 if size >= 3 else 0):
                    grams.setdefault((words[start], words[start + 1]), {}).setdefault(size, {})[tuple(words[start : start + size])] = name
            choices = item.get("options", item.get("choices"))
            values = list(choices.values()) if isinstance(choices, Mapping) else choices
            if isinstance(values, list) and len(values) > 2:
                options[frozenset(_plain(str(v)) for v in values)] = name
        if not count:
            raise ValueError(f"benchmark '{name}' ({path}) holds no item with a question, prompt, text, input or sent1")
    return grams, options


def _items(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        yield from pq.ParquetFile(path).read().to_pylist()
    elif path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)
    else:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                item = json.loads(line) if path.suffix in (".jsonl", ".json") else {"text": line}
                yield item if isinstance(item, dict) else {"text": str(item)}
