"""Decontamination: no generated question may repeat what a benchmark asks.

An example is contaminated when its prompt shares eight words in a row with a benchmark question, numbers masked and markup aside
(the window of Brown et al. 2020 is thirteen; medical questions are shorter), when it holds a whole question of fewer words, or
when it offers exactly the options of a benchmark question.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem
from bbflow.records import Example

WINDOW = 8
_SHORTEST = 4


def words_of(text: str) -> list[str]:
    """Splits a text into folded words, every number masked.

    >>> words_of("A 45-year-old takes 2.5 mg.")
    ['a', '#', 'year', 'old', 'takes', '#', 'mg']
    """
    return ["#" if word[0].isdigit() else word for word in re.findall(r"\d+(?:[.,]\d+)*|[^\W\d_]+", text.casefold())]


def option_key(options: Iterable[str]) -> str:
    """Returns options as a set in one text; empty where there are fewer than three, which is no set of its own."""
    folded = sorted({" ".join(words_of(option)) or option.strip() for option in options})
    return "\n".join(folded) if len(folded) >= 3 else ""


class Benchmarks:
    """What the named benchmark files ask.

    Args:
        paths: `.jsonl`, `.json`, `.csv`, `.tsv`, `.parquet` or `.txt` (one question a line). In tables every text cell counts, and
            every list of texts as a set of options.

    Raises:
        InputError: A file is missing, of another kind, or unreadable; all such files are named.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.windows: set[str] = set()
        self.whole: dict[int, set[str]] = {}
        self.options: set[str] = set()
        problems = []
        for path in map(Path, paths):
            try:
                for value in _values(path):
                    self._add(value)
            except InputError as error:
                problems += error.problems
            except (OSError, ValueError, csv.Error) as error:
                problems.append(Problem(f"the benchmark cannot be read: {error}", str(path)))
        if problems:
            raise InputError(*problems)

    def _add(self, value: Any) -> None:
        if isinstance(value, dict):
            texts = list(value.values())
            if len(texts) >= 3 and all(isinstance(text, str) and set(value) <= set("ABCDEFGH") for text in texts):
                self.options.add(option_key(texts))
            for each in texts:
                self._add(each)
        elif isinstance(value, (list, tuple)):
            if all(isinstance(text, str) for text in value):
                self.options.add(option_key(value))
            for each in value:
                self._add(each if not isinstance(each, str) or len(words_of(each)) >= WINDOW else None)
        elif isinstance(value, str):
            words = words_of(value)
            if len(words) >= WINDOW:
                self.windows.update(_windows(words, WINDOW))
            elif len(words) >= _SHORTEST:
                self.whole.setdefault(len(words), set()).add(" ".join(words))

    def objection(self, example: Example) -> str | None:
        """Says what an example shares with a benchmark; None where nothing."""
        if example.options and option_key(example.options) in self.options - {""}:
            return "contaminated: the options of a benchmark question"
        question = example.prompt.split("\nA)")[0]
        words = words_of(question)
        if not self.windows.isdisjoint(_windows(words, WINDOW)):
            return "contaminated: eight words in a row of a benchmark"
        if any(not texts.isdisjoint(_windows(words, size)) for size, texts in self.whole.items()):
            return "contaminated: a whole question of a benchmark"
        return None


def _windows(words: list[str], size: int) -> Iterator[str]:
    return (" ".join(words[i : i + size]) for i in range(len(words) - size + 1))


def _values(path: Path) -> Iterator[Any]:
    """Yields the rows of a file, as whatever they are."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(Problem("there is no such benchmark file", str(path)))
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        for batch in pq.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    elif suffix in (".csv", ".tsv"):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file, delimiter="\t" if suffix == ".tsv" else ","):
                yield from row
    elif suffix == ".json":
        data = json.loads(path.read_text(encoding="utf-8"))
        yield from data if isinstance(data, list) else [data]
    elif suffix in (".jsonl", ".txt"):
        with path.open(encoding="utf-8") as file:
            yield from (json.loads(line) if suffix == ".jsonl" else line for line in file if line.strip())
    else:
        raise InputError(Problem("not of a kind that benchmarks come in", str(path), "one of: .jsonl, .json, .csv, .tsv, .parquet, .txt"))
