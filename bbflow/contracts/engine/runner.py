"""Run rules over a table, chunk by chunk, so that the rules share the parsed cells of a row and memory stays small.

Large tables are shared among one process per core. Each process is a fresh interpreter that receives rows and returns findings; it
inherits no thread, lock or device of the calling process, which may be training. Table rules run in the calling process at the same
time. If a process ends early, every rule that it ran gets an error.
"""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from bbflow.contracts.engine.process_worker import RuleWorker, start_workers
from bbflow.contracts.engine.row import ATOMS, Finding, Row, plain
from bbflow.contracts.engine.rule import Call, Outcome, run_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 500
"""Rows of a chunk."""

_MANY = 20_000
"""Number of rows from which starting processes pays."""


class Table:
    """Row view of examples, mappings or a DataFrame; missing keys read as None.

    Args:
        data: Examples, mappings, or a DataFrame.

    Attributes:
        names: The columns.
        rows: How many rows there are.
    """

    def __init__(self, data: Sequence[Example] | Sequence[Mapping[str, Any]] | pd.DataFrame) -> None:
        self.rows = len(data)
        if isinstance(data, Sequence):
            records: Any = data
            examples = bool(data) and isinstance(data[0], Example)
            self.names = [f.name for f in fields(Example)] if examples else list(dict.fromkeys(itertools.chain.from_iterable(records)))
            self._values: Callable[[Any], tuple[Any, ...]] | None = attrgetter(*self.names) if examples else None
            self._data: Any = data
        else:
            self.names, self._values, self._data = list(data.columns), tuple, _Transposed(data)

    def column(self, name: str) -> list[Any]:
        """Return the cells of a column as they are; null where there is none."""
        return [row.get(name) for row in self.raw(0, self.rows)]

    def cells(self, start: int, end: int) -> list[dict[str, Any]]:
        """Return some rows as plain data."""
        return [{name: v if type(v) in ATOMS else plain(v) for name, v in row.items()} for row in self.raw(start, end)]

    def raw(self, start: int, end: int) -> list[Mapping[str, Any]]:
        """Return some rows with their cells as they are."""
        names, values = self.names, self._values
        if values is not None:
            return [dict(zip(names, values(row), strict=True)) for row in self._data[start:end]]
        return [row if len(row) == len(names) else {name: row.get(name) for name in names} for row in self._data[start:end]]


class _Transposed:
    """The rows of a DataFrame as tuples; a column becomes a list once, so that pandas changes no value."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.columns = [frame.iloc[:, i].tolist() for i in range(frame.shape[1])]
        self.rows = len(frame)

    def __getitem__(self, part: slice) -> list[tuple[Any, ...]]:
        return list(zip(*(column[part] for column in self.columns), strict=True)) or [()] * len(range(self.rows)[part])


def evaluate(calls: Sequence[Call], table: Table, graph: KnowledgeGraph, workers: int | None = None) -> list[Outcome | str]:
    """Run rules.

    Args:
        calls: Rules with their arguments.
        table: The rows.
        graph: The graph that rules look things up in.
        workers: Processes to share the rows among; None for as many as pay.

    Returns:
        For each call what the rule found, in order of rows; a sentence where that is not known.
    """
    with _without_collection():
        return _evaluate(calls, table, graph, workers)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Pause the garbage collector: rows hold no reference cycles, and scanning all data repeatedly would cost more than many rules."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _evaluate(calls: Sequence[Call], table: Table, graph: KnowledgeGraph, workers: int | None) -> list[Outcome | str]:
    by_row = [i for i, (rule, _) in enumerate(calls) if rule.one_row]
    by_table = [i for i, (rule, _) in enumerate(calls) if not rule.one_row]
    picked = [calls[i] for i in by_row]
    count = _workers(table.rows) if workers is None else workers
    helpers = start_workers(count) if count > 1 and picked and all(rule.ships for rule, _ in picked) else []
    shared = _Shared(picked, table, graph, helpers) if helpers else None
    outcomes = _together([calls[i] for i in by_table], by_table, table, graph)
    parts = shared.join() if shared else _in_chunks(picked, table, graph) if picked else []
    for k, i in enumerate(by_row):
        outcomes[i] = _joined([part[k] for part in parts])
    return [_checked(outcomes[i], table.rows) for i in range(len(calls))]


def _in_chunks(calls: Sequence[Call], table: Table, graph: KnowledgeGraph) -> list[list[Outcome | str]]:
    """Return the outcomes of each chunk of rows; a rule that has crashed is not run again."""
    parts: list[list[Outcome | str]] = []
    failed: set[int] = set()
    for start in range(0, table.rows, CHUNK):
        rows = [Row(start + i, cells, plain_already=True) for i, cells in enumerate(table.cells(start, start + CHUNK))]
        part = [run_rule(call, rows, graph) if i not in failed else "" for i, call in enumerate(calls)]
        failed |= {i for i, outcome in enumerate(part) if isinstance(outcome, str)}
        parts.append(part)
    return parts


def _workers(rows: int) -> int:
    """Return how many processes pay; one where this process is itself one of several that share work."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 8, 2 * rows // _MANY) if multiprocessing.parent_process() is None else 1


def _together(calls: Sequence[Call], numbers: Sequence[int], table: Table, graph: KnowledgeGraph) -> dict[int, Outcome | str]:
    if not calls:
        return {}
    rows = [Row(i, row) for i, row in enumerate(table.raw(0, table.rows))]
    return {i: run_rule(call, rows, graph) for i, call in zip(numbers, calls, strict=True)}


def _joined(parts: Sequence[Outcome | str]) -> Outcome | str:
    """Join the outcomes of the chunks; any error is the error of the rule."""
    errors = [part for part in parts if isinstance(part, str)]
    if errors:
        return next((error for error in errors if error), "the rule crashed")
    found = [part for part in parts if isinstance(part, Outcome)]
    return Outcome(sum(part.evaluated for part in found), [finding for part in found for finding in part.findings])


def _checked(outcome: Outcome | str, rows: int) -> Outcome | str:
    if isinstance(outcome, Outcome) and any(f.row is not None and not 0 <= f.row < rows for f in outcome.findings):
        return "the rule crashed: IndexError: a finding is about a row that is not there"
    return outcome


class _Shared:
    """Share rows among processes, each fed by a thread."""

    def __init__(self, calls: Sequence[Call], table: Table, graph: KnowledgeGraph, helpers: Sequence[RuleWorker]) -> None:
        self.calls, self.table, self.graph = calls, table, graph
        self.starts: Iterator[int] = iter(range(0, table.rows, CHUNK))
        self.parts: dict[int, list[Outcome | str]] = {}
        self.problem = ""
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._feed, args=(helper,), daemon=True) for helper in helpers]
        for thread in self.threads:
            thread.start()

    def _feed(self, worker: RuleWorker) -> None:
        try:
            with worker:
                worker.prepare(self.graph, [(rule.name, dict(kwargs)) for rule, kwargs in self.calls])
                start = self._next()
                rows = self.table.cells(start, start + CHUNK) if start is not None else []
                while start is not None:
                    worker.send(start, rows)
                    after = self._next()
                    rows = self.table.cells(after, after + CHUNK) if after is not None else []  # made while the process works
                    part = [_outcome(found) for found in worker.receive()]
                    with self.lock:
                        self.parts[start] = part
                    start = after
        except Exception as error:
            self.problem = f"a process that ran the rule failed: {type(error).__name__}: {error}"

    def _next(self) -> int | None:
        with self.lock:
            return next(self.starts, None)

    def join(self) -> list[list[Outcome | str]]:
        """Return what was found, in order of rows."""
        for thread in self.threads:
            thread.join()
        lacking = len(self.parts) < -(-self.table.rows // CHUNK)
        if self.problem or lacking:
            return [[self.problem or "a process that ran the rule failed"] * len(self.calls)]
        return [self.parts[start] for start in sorted(self.parts)]


def _outcome(found: str | tuple[int, list[Any]]) -> Outcome | str:
    if isinstance(found, str):
        return found
    evaluated, findings = found
    return Outcome(evaluated, [Finding(row, reason, column, span, tuple(edges)) for row, reason, column, span, edges in findings])
