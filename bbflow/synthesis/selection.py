"""Selection: which candidates are kept, and in which order, wherever they are stored.

Generation in memory (`bbflow/synthesis/pipeline.py`) and in shards (`bbflow/data/sharding.py`) take the same three steps and
differ only in where candidates are stored:

1. A `Plan` is divided into streams, one for each task and split.
2. A `Selector` goes over the candidates of one stream in order and keeps the first ones that no rule refuses. It compares rows
   by a `RowKey`, which is small, so the text of a million candidates need not be in memory.
3. `arrange` interleaves the streams of each split and drops training rows that offer the options of a held-out question.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import SPLITS, Split
from bbflow.synthesis.attempts import Attempt, StreamSpec
from bbflow.synthesis.curation import Curation
from bbflow.synthesis.curation.near_duplicates import NearDuplicates
from bbflow.synthesis.splits import TrainingStage
from bbflow.synthesis.tasks.base import Task

NO_ENTITY_OPTIONS = 0
"""Option-set key of a question that offers no names of the graph: without options, or with "yes" and "no", or with numbers."""


@dataclass(frozen=True)
class Plan:
    """Everything that determines the generated examples.

    Attributes:
        graph: Source of the facts.
        tasks: Name to task family.
        sizes: Number of examples of each split.
        mix: Name of a task to its share; 1 where not named.
        seed: Seed of the train split; validation and test always use 0.
        stage: Which of the training questions and template families are used.
        curation: Curation settings; None only drops exact duplicates.
        held_out_mix: Shares in the validation and test splits, as `mix`; None: those of `mix`.
    """

    graph: KnowledgeGraph
    tasks: Mapping[str, Task]
    sizes: Mapping[Split, int]
    mix: Mapping[str, float]
    seed: int
    stage: TrainingStage = "all"
    curation: Curation | None = None
    held_out_mix: Mapping[str, float] | None = None

    def prepare(self) -> None:
        """Index the graph for every task and read what curation needs.

        Raises:
            InputError: A task finds nothing in the graph to start from; all such tasks are named.
        """
        empty = [name for name, task in self.tasks.items() if task.prepare(self.graph) == 0]
        if empty:
            needs = {name: self.tasks[name].needs for name in empty}
            what = "graph '{}' has no edge that task '{}' could ask about"
            raise InputError(
                *(
                    Problem(what.format(self.graph.name, name), "data.init_args.tasks", f"it needs {n}" if n else "")
                    for name, n in needs.items()
                )
            )
        if self.curation is not None:
            self.curation.prepare(self.graph)

    def streams(self) -> list[StreamSpec]:
        """Return one stream for each split and task, with the number of examples that falls to it."""
        return [
            StreamSpec(self.graph, name, self.tasks[name], split, count, self.seed if split == "train" else 0, self.stage, self.curation)
            for split in SPLITS
            for name, count in allocate(self.sizes.get(split, 0), self._shares(split)).items()
        ]

    def _shares(self, split: Split) -> dict[str, float]:
        """Return the share of every task in a split, weights of capabilities included; some tasks are only trained on."""
        mix = self.mix if split == "train" or self.held_out_mix is None else self.held_out_mix
        weights = {name: 1.0 if self.curation is None else self.curation.weight(task.capabilities) for name, task in self.tasks.items()}
        return {name: mix.get(name, 1.0) * weights[name] for name, task in self.tasks.items() if task.held_out or split == "train"}


def allocate(size: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Divide a size by shares; the largest remainders are rounded up, so that the counts add up.

    >>> allocate(10, {"recall": 1.0, "dose": 1.0, "workflow": 1.0})
    {'recall': 4, 'dose': 3, 'workflow': 3}
    """
    total = sum(shares.values()) or 1.0
    exact = {name: size * share / total for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: size - sum(counts.values())]:
        counts[name] += 1
    return counts


class RowKey(NamedTuple):
    """The fields of a candidate row that decide whether it is kept.

    Attributes:
        identity: First 16 bytes of the hash of the question.
        answer: Canonical answer.
        level: Difficulty.
        cluster: Entity that the question is about.
        signature: MinHash signature; None if near duplicates are kept.
    """

    identity: bytes
    answer: str
    level: int
    cluster: str
    signature: np.ndarray | None


def row_keys(attempt: Attempt) -> list[RowKey]:
    """Return the keys of the rows of an attempt."""
    rows = zip(attempt.identities, attempt.examples, attempt.signatures, strict=True)
    return [RowKey(bytes.fromhex(identity)[:16], e.answer, e.level, e.cluster, signature) for identity, e, signature in rows]


class Selector:
    """Decide, attempt by attempt in a fixed order, which rows of a stream are kept.

    Args:
        stream: The stream, with the number of rows it needs.
        dropped: Counts (task, reason) of rejected attempts; changed in place.

    Attributes:
        kept: Number of rows kept so far.
        closed: True once an attempt did not fit; nothing more is accepted.
    """

    def __init__(self, stream: StreamSpec, dropped: Counter[tuple[str, str]]) -> None:
        curation = stream.curation
        self.stream, self.dropped = stream, dropped
        self.kept, self.closed = 0, False
        self._identities: set[bytes] = set()
        self._near = None if curation is None or curation.near_duplicates is None else NearDuplicates(curation.near_duplicates)
        levels = None if curation is None else curation.levels
        total = sum(levels.values()) if levels else 1.0
        self._quota = None if levels is None else {level: math.ceil(stream.count * share / total) for level, share in levels.items()}
        self._per_cluster = None if curation is None or stream.split == "train" else curation.held_out_per_cluster
        self._levels: Counter[int] = Counter()
        self._clusters: Counter[str] = Counter()

    def has_room(self, rows: int) -> bool:
        """Return whether the stream still takes so many rows."""
        return not self.closed and self.kept + rows <= self.stream.count

    def select(self, attempts: Iterable[Sequence[RowKey]]) -> Iterator[int]:
        """Yield the positions of the attempts that are kept; the rows of one attempt are kept or dropped together.

        Stops, and closes the stream, at the first attempt without room.
        """
        for position, rows in enumerate(attempts):
            if not self.has_room(len(rows)):
                self.closed = True
                return
            reason = self.reject_reason(rows)
            if reason is None:
                self._keep(rows)
                yield position
            else:
                self.dropped[self.stream.task.name, reason] += 1

    def reject_reason(self, rows: Sequence[RowKey]) -> str | None:
        """Return why the rows of one attempt are not kept, or None; a rejected attempt leaves no trace in the counts."""
        if any(row.identity in self._identities for row in rows):
            return "duplicate"
        if self._per_cluster is not None:
            clusters = Counter(row.cluster for row in rows)
            if any(self._clusters[cluster] + count > self._per_cluster for cluster, count in clusters.items()):
                return "there are enough about its entity"
        if self._quota is not None:
            levels = Counter(row.level for row in rows)
            if any(self._levels[level] + count > self._quota.get(level, 0) for level, count in levels.items()):
                return "there are enough of its level"
        if self._near is not None and any(row.signature is not None and self._near.has(row.answer, row.signature) for row in rows):
            return "near duplicate"
        return None

    def _keep(self, rows: Sequence[RowKey]) -> None:
        self.kept += len(rows)
        for row in rows:
            self._identities.add(row.identity)
            self._levels[row.level] += 1
            self._clusters[row.cluster] += 1
            if self._near is not None and row.signature is not None:
                self._near.add(row.answer, row.signature)


def shortfall(streams: Sequence[StreamSpec], kept: Sequence[int]) -> dict[tuple[str, Split], int]:
    """Return, for each (task, split) that is short, how many of its examples are missing."""
    missing: Counter[tuple[str, Split]] = Counter()
    for stream, count in zip(streams, kept, strict=True):
        missing[stream.task.name, stream.split] += stream.count - count
    return {key: count for key, count in missing.items() if count}


def option_set_key(options: Sequence[str] | None, names: Container[str]) -> int:
    """Return 64 bits of the hash of a question's options as a set, the same for questions that offer the same things.

    `NO_ENTITY_OPTIONS` where no name of the graph is offered: "yes" and "no", or numbers, do not give a question away.

    >>> option_set_key(["warfarin", "aspirin"], {"aspirin"}) == option_set_key(["aspirin", "warfarin"], {"aspirin"})
    True
    >>> option_set_key(["yes", "no"], {"aspirin"})
    0
    """
    if not options or not any(option in names for option in options):
        return NO_ENTITY_OPTIONS
    digest = hashlib.sha256("\n".join(sorted(set(options))).encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def arrange(
    streams: Sequence[StreamSpec], option_sets: Sequence[Sequence[int]], dropped: Counter[tuple[str, str]]
) -> dict[Split, np.ndarray]:
    """Put the kept rows of all streams in order.

    The streams of a split are interleaved evenly, so that every prefix has about the same mix of tasks. Training rows that
    offer exactly the options of a held-out question are left out.

    Args:
        streams: The streams.
        option_sets: For each stream, the `option_set_key` of every kept row.
        dropped: Counts (task, reason) of the rows left out; changed in place.

    Returns:
        For each split an integer array of shape [rows, 2]: number of the stream, number of the row in it.
    """
    held_out = {key for stream, keys in zip(streams, option_sets, strict=True) if stream.split != "train" for key in keys}
    held_out.discard(NO_ENTITY_OPTIONS)
    order: dict[Split, np.ndarray] = {}
    for split in SPLITS:
        numbers = sorted((i for i, stream in enumerate(streams) if stream.split == split), key=lambda i: streams[i].name)
        rows_S = np.array([len(option_sets[i]) for i in numbers], int)
        stream_N = np.repeat(np.array(numbers, int), rows_S)
        turn_N = np.repeat(np.arange(len(numbers)), rows_S)
        row_N = np.concatenate([np.zeros(0, int), *(np.arange(rows) for rows in rows_S)])
        order_N = np.lexsort((row_N, turn_N, (row_N + 0.5) / np.repeat(rows_S, rows_S)))
        if split == "train":
            key_N = np.concatenate([np.zeros(0, int), *(np.asarray(option_sets[i], int) for i in numbers)])
            leaks_N = np.isin(key_N, np.array(sorted(held_out), int))
            dropped.update((streams[i].task.name, "offers the options of a held-out question") for i in stream_N[leaks_N])
            order_N = order_N[~leaks_N[order_N]]
        order[split] = np.stack([stream_N[order_N], row_N[order_N]], axis=1)
    return order


def require_every_split(rows: Mapping[Split, int]) -> None:
    """Raise where a split has no row.

    Raises:
        InputError: Names the empty splits.
    """
    empty = [split for split in SPLITS if not rows.get(split)]
    if empty:
        raise InputError(Problem(f"the graph offers no example for {', '.join(empty)}", "data.init_args.tasks"))
