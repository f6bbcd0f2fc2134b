"""Worker process for rule evaluation: the parent's handle and the child's main loop.

`multiprocessing` is no choice: spawned processes would run a script again that calls `validate` without a guard on `__main__`, and
forked ones would inherit the threads of a trainer. Messages are plain data, `marshal`led with their length in front, over the pipes of
the process; the graph is sent once, pickled. Nothing from outside is read this way.

joblib (loky) finds the same and is slower. Measured in pairs on a busy machine with two processes, clock and processor seconds
relative to this module: 1.24 and 1.04 for 30,000 rows; 1.10 and 1.12, 1.15 and 1.14 for 8,000 rows.
"""

from __future__ import annotations

import gc
import marshal
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import RULES, run_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph

_START = "from bbflow.contracts.engine.process_worker import main; main()"


def start_workers(count: int) -> list[RuleWorker]:
    """Start processes; none where this machine lets none be started."""
    workers: list[RuleWorker] = []
    try:
        for _ in range(count):
            workers.append(RuleWorker())  # noqa: PERF401 (those that were started must be ended)
    except OSError:
        for worker in workers:
            worker.__exit__()
        return []
    return workers


class RuleWorker:
    """The asking end; a context that ends the process.

    Raises:
        OSError: No process can be started.
    """

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.process = subprocess.Popen(  # noqa: S603 (this very interpreter)
            [sys.executable, "-P", "-c", _START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in, self._out = self.process.stdin, self.process.stdout

    def prepare(self, graph: KnowledgeGraph, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Send the graph, and the names of rules that ship with their arguments."""
        _write(self._in, pickle.dumps((graph, list(calls))))

    def __enter__(self) -> RuleWorker:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # it may have ended by itself
            self._in.close()
        self._out.close()
        self.process.wait()

    def send(self, start: int, rows: list[dict[str, Any]]) -> None:
        """Send rows, the first of which is at `start`."""
        try:
            message = b"m" + marshal.dumps((start, rows))
        except ValueError:  # a date, say, which marshal does not know
            message = b"p" + pickle.dumps((start, rows))
        _write(self._in, message)

    def receive(self) -> list[Any]:
        """Return for each call an error, or how many rows were evaluated and the findings, for the rows that were sent."""
        found: list[Any] = marshal.loads(_read(self._out))  # noqa: S302 (from the process that this one started)
        return found


def main() -> None:
    """The working end: reads rows until there are no more."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between the messages
    graph, calls = pickle.loads(_read(source))  # noqa: S301 (from the process that started this one)
    failed: dict[int, str] = {}
    gc.freeze()  # rows hold no cycles; walking over them and the graph again and again would cost more than the rules
    gc.set_threshold(100_000, 50, 1000)
    while True:
        try:
            message = _read(source)
        except EOFError:
            return
        start, cells = (marshal if message[:1] == b"m" else pickle).loads(message[1:])
        rows = [Row(start + i, row, plain_already=True) for i, row in enumerate(cells)]
        answers: list[Any] = []
        for number, (name, kwargs) in enumerate(calls):
            outcome = failed.get(number) or run_rule((RULES[name], kwargs), rows, graph)
            if isinstance(outcome, str):
                failed[number] = outcome
                answers.append(outcome)
            else:
                found = [(f.row, str(f.reason), f.column, f.span, list(f.edges), f.understood) for f in outcome.findings]
                answers.append((outcome.evaluated, found))
        _write(sink, marshal.dumps(answers))


def _write(stream: IO[bytes], message: bytes) -> None:
    stream.write(len(message).to_bytes(8, "little"))
    stream.write(message)
    stream.flush()


def _read(stream: IO[bytes]) -> bytes:
    size = _exactly(stream, 8)
    return _exactly(stream, int.from_bytes(size, "little"))


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("it ended before it had answered")
    return data
