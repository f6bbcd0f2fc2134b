"""Decontamination: what a text shares with benchmarks, by runs of words and by sets of options. Curation and the data contract use it.

A text is contaminated when it shares eight words in a row with a question, numbers masked and markup aside (the window of Brown et al. 2020
is thirteen; medical questions are shorter), or when it holds a whole question of fewer words. Numbers are masked since a generated question
fills templates: another age or dose makes no new question. Sets of options are compared with their numbers, which are the answers there.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from bbflow.errors import InputError, Problem
from bbflow.records import Example
from bbflow.text.normalization import normalized_words

WINDOW = 8
QUESTION_COLUMNS = ("question", "prompt", "text", "input", "sent1")
OPTION_COLUMNS = ("options", "choices")
_SHORTEST_CELL, _SHORTEST_QUESTION = 4, 3
"""Words that a text must have to count whole; a cell that no column names as a question may be a name."""


class SharedRun(NamedTuple):
    """A run of words that a text shares with a benchmark: its length, the name of the benchmark, whether it is a whole question."""

    words: int
    benchmark: str
    whole: bool


class Benchmarks:
    """The questions and sets of options of benchmark files.

    Args:
        files: Paths, or the names of benchmarks with theirs: `.jsonl`, `.json`, `.csv`, `.tsv`, `.parquet` or `.txt` (a question a line).
            Every text cell of a table counts, and every list of texts as a set of options. Texts too short for a run count whole in the
            columns `question`, `prompt`, `text`, `input` and `sent1`, or where no column is named.
        window: Words in a row that are too many.

    Raises:
        InputError: A file is missing, of another kind, or unreadable; all such files are named.

    Attributes:
        options: Sets of options to the name of their benchmark.
        questions: Name of a benchmark to its number of texts in columns of questions.
    """

    def __init__(self, files: Mapping[str, str] | Iterable[str], window: int = WINDOW) -> None:
        self.window = window
        self._runs: dict[tuple[str, str], dict[int, dict[tuple[str, ...], str]]] = {}  # by the first two words, and by length
        self.options: dict[frozenset[str], str] = {}
        self.questions: Counter[str] = Counter()
        problems = []
        named = files.items() if isinstance(files, Mapping) else ((Path(file).stem, file) for file in files)
        for name, path in named:
            try:
                for item in _items(Path(path)):
                    self._add(item, name, _SHORTEST_CELL)
            except InputError as error:
                problems += error.problems
            except (OSError, ValueError, csv.Error) as error:
                problems.append(Problem(f"the benchmark cannot be read: {error}", str(path)))
        if problems:
            raise InputError(*problems)

    def _add(self, value: Any, name: str, shortest: int) -> None:
        if isinstance(value, Mapping):
            texts = list(value.values())
            if all(isinstance(text, str) for text in texts) and set(value) <= set("ABCDEFGH"):
                self._add_options(texts, name)
            for column, each in value.items():
                question = column in QUESTION_COLUMNS and isinstance(each, str) and bool(each)
                self.questions[name] += question
                if column in OPTION_COLUMNS and isinstance(each, Mapping):
                    self._add_options(list(each.values()), name)
                self._add(each, name, _SHORTEST_QUESTION if question else self.window)
        elif isinstance(value, (list, tuple)):
            self._add_options(value, name)
            for each in value:
                self._add(each, name, self.window)
        elif isinstance(value, str):
            words = normalized_words(value, mask_numbers=True)
            size = min(self.window, len(words))
            for start in range(len(words) - size + 1 if size >= min(shortest, self.window) and size >= 2 else 0):
                runs = self._runs.setdefault((words[start], words[start + 1]), {})
                runs.setdefault(size, {})[tuple(words[start : start + size])] = name

    def _add_options(self, values: Iterable[Any], name: str) -> None:
        texts = list(values)
        if all(isinstance(text, str) for text in texts) and len(key := _option_key(tuple(texts))) >= 3:
            self.options[key] = name

    def shared_run(self, text: str) -> SharedRun | None:
        """Return the first run of words that a text shares with a benchmark; None if it shares none."""
        words, known = normalized_words(text, mask_numbers=True), self._runs
        for start in itertools.compress(range(len(words)), map(known.__contains__, itertools.pairwise(words))):
            for size, runs in known[words[start], words[start + 1]].items():
                name = runs.get(tuple(words[start : start + size]))
                if name is not None:
                    return SharedRun(size, name, size < self.window)
        return None

    def shared_options(self, options: Iterable[str]) -> str | None:
        """Return the benchmark that offers exactly these options; None if none does, or they are fewer than three."""
        return self.options.get(_option_key(tuple(options))) if self.options else None

    def objection(self, example: Example) -> str | None:
        """Return what an example shares with a benchmark; None if it shares nothing."""
        if example.options and self.shared_options(example.options) is not None:
            return "contaminated: the options of a benchmark question"
        shared = self.shared_run(example.prompt.split("\nA)")[0])
        if shared is None:
            return None
        return f"contaminated: {'a whole question' if shared.whole else f'{_spelled(shared.words)} words in a row'} of a benchmark"


def _spelled(number: int) -> str:
    return "eight" if number == WINDOW else str(number)


@lru_cache(maxsize=10_000)
def _option_key(options: tuple[str, ...]) -> frozenset[str]:
    return frozenset(" ".join(normalized_words(option)) or option.strip() for option in options)


def _items(path: Path) -> Iterator[Any]:
    """Yield the rows of a file: texts, or objects by column."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(Problem("there is no such benchmark file", str(path)))
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        for batch in pq.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    elif suffix in (".csv", ".tsv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter="\t" if suffix == ".tsv" else ",")
            header = next(rows, [])
            if {*QUESTION_COLUMNS, *OPTION_COLUMNS}.isdisjoint(header):
                yield from itertools.chain(header, *rows)
            else:
                yield from (dict(zip(header, row, strict=False)) for row in rows)
    elif suffix == ".json":
        data = json.loads(path.read_text(encoding="utf-8-sig"))
        yield from data if isinstance(data, list) else [data]
    elif suffix in (".jsonl", ".txt"):
        with path.open(encoding="utf-8-sig") as file:
            yield from (json.loads(line) if suffix == ".jsonl" else {"text": line} for line in file if line.strip())
    else:
        raise InputError(Problem("not of a kind that benchmarks come in", str(path), "one of: .jsonl, .json, .csv, .tsv, .parquet, .txt"))
