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

_ROWS_WORTH_PROCESSES = 20_000
"""Number of rows from which starting processes pays."""

_SKIPPED = ""
"""Outcome of a rule for a chunk after one in which it crashed."""


class Table:
    """Row view of examples, mappings or a DataFrame; missing keys read as None.

    Args:
        data: Examples, mappings, or a DataFrame.

    Attributes:
        names: The columns.
        row_count: The number of rows.
    """

    def __init__(self, data: Sequence[Example] | Sequence[Mapping[str, Any]] | pd.DataFrame) -> None:
        self.row_count = len(data)
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
        return [row.get(name) for row in self.raw(0, self.row_count)]

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
        graph: The graph that the rules read.
        workers: Number of processes; None chooses it by the number of rows and cores.

    Returns:
        The outcome of each call, its findings in order of rows; an error message for a rule that failed.
    """
    with _garbage_collection_paused():
        return _evaluate(calls, table, graph, workers)


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Pause the garbage collector: rows hold no reference cycles, and scanning all data repeatedly would cost more than many rules."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _evaluate(calls: Sequence[Call], table: Table, graph: KnowledgeGraph, workers: int | None) -> list[Outcome | str]:
    row_rules = [i for i, (rule, _) in enumerate(calls) if rule.one_row]
    table_rules = [i for i, (rule, _) in enumerate(calls) if not rule.one_row]
    row_calls = [calls[i] for i in row_rules]
    count = _worker_count(table.row_count) if workers is None else workers
    processes = start_workers(count) if count > 1 and row_calls and all(rule.ships for rule, _ in row_calls) else []
    parallel = _ParallelRun(row_calls, table, graph, processes) if processes else None
    outcomes = _run_table_rules([calls[i] for i in table_rules], table_rules, table, graph)
    parts = parallel.join() if parallel else _run_row_rules(row_calls, table, graph) if row_calls else []
    for k, i in enumerate(row_rules):
        outcomes[i] = _merge_chunks([part[k] for part in parts])
    return [_check_positions(outcomes[i], table.row_count) for i in range(len(calls))]


def _run_row_rules(calls: Sequence[Call], table: Table, graph: KnowledgeGraph) -> list[list[Outcome | str]]:
    """Return, for each chunk of rows, the outcome of each row rule; a rule that has crashed is not run again."""
    parts: list[list[Outcome | str]] = []
    failed: set[int] = set()
    for start in range(0, table.row_count, CHUNK):
        rows = [Row(start + i, cells, plain_already=True) for i, cells in enumerate(table.cells(start, start + CHUNK))]
        part = [run_rule(call, rows, graph) if i not in failed else _SKIPPED for i, call in enumerate(calls)]
        failed |= {i for i, outcome in enumerate(part) if isinstance(outcome, str)}
        parts.append(part)
    return parts


def _worker_count(row_count: int) -> int:
    """Return the number of processes for a table; 1 if this process is itself a worker of another."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 8, 2 * row_count // _ROWS_WORTH_PROCESSES) if multiprocessing.parent_process() is None else 1


def _run_table_rules(calls: Sequence[Call], numbers: Sequence[int], table: Table, graph: KnowledgeGraph) -> dict[int, Outcome | str]:
    """Return a dict from the number of a table rule to its outcome over all rows."""
    if not calls:
        return {}
    rows = [Row(i, row) for i, row in enumerate(table.raw(0, table.row_count))]
    return {i: run_rule(call, rows, graph) for i, call in zip(numbers, calls, strict=True)}


def _merge_chunks(parts: Sequence[Outcome | str]) -> Outcome | str:
    """Return the outcome of a rule over all chunks; an error in one of them is the error of the rule."""
    errors = [part for part in parts if isinstance(part, str)]
    if errors:
        return next((error for error in errors if error != _SKIPPED), "the rule crashed")
    outcomes = [part for part in parts if isinstance(part, Outcome)]
    return Outcome(sum(outcome.evaluated for outcome in outcomes), [finding for outcome in outcomes for finding in outcome.findings])


def _check_positions(outcome: Outcome | str, row_count: int) -> Outcome | str:
    """Return the outcome of a rule, or an error if a finding names a row outside the table."""
    if isinstance(outcome, Outcome) and any(f.row is not None and not 0 <= f.row < row_count for f in outcome.findings):
        return "the rule crashed: IndexError: a finding is about a row that is not there"
    return outcome


class _ParallelRun:
    """Run of row rules in worker processes, each fed with chunks by a thread; it starts at once and `join` returns its outcomes."""

    def __init__(self, calls: Sequence[Call], table: Table, graph: KnowledgeGraph, workers: Sequence[RuleWorker]) -> None:
        self.calls, self.table, self.graph = calls, table, graph
        self.starts: Iterator[int] = iter(range(0, table.row_count, CHUNK))
        self.parts: dict[int, list[Outcome | str]] = {}
        self.problem = ""
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._feed, args=(worker,), daemon=True) for worker in workers]
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
                    following = self._next()
                    rows = self.table.cells(following, following + CHUNK) if following is not None else []  # while the process works
                    part = [_outcome(answer) for answer in worker.receive()]
                    with self.lock:
                        self.parts[start] = part
                    start = following
        except Exception as error:
            self.problem = f"a process that ran the rule failed: {type(error).__name__}: {error}"

    def _next(self) -> int | None:
        with self.lock:
            return next(self.starts, None)

    def join(self) -> list[list[Outcome | str]]:
        """Return the outcomes of each chunk, in order of rows; one chunk of errors if a process failed."""
        for thread in self.threads:
            thread.join()
        incomplete = len(self.parts) < -(-self.table.row_count // CHUNK)
        if self.problem or incomplete:
            return [[self.problem or "a process that ran the rule failed"] * len(self.calls)]
        return [self.parts[start] for start in sorted(self.parts)]


def _outcome(answer: str | tuple[int, list[Any]]) -> Outcome | str:
    """Return the outcome in the answer of a worker process, or its error."""
    if isinstance(answer, str):
        return answer
    evaluated, found = answer
    return Outcome(evaluated, [Finding(row, reason, column, span, tuple(edges), read) for row, reason, column, span, edges, read in found])
