"""Examples as Parquet shards: bounded memory, any number of processes, and a killed run goes on where it stopped.

The attempts of every task and split are divided into blocks; a block depends on nothing but its number. One pass draws blocks,
one goes over their keys in order and decides which rows stay, one writes the shards, each checked by the contract. Blocks and
shards lie in a hidden folder beside the output until everything is there, so the same command continues, with the same bytes.
Each piece has its hash there too; one that has changed since it was written is made again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bbflow.contracts import load_contract, validate, write_receipt
from bbflow.data.example_io import arrow_schema
from bbflow.data.shard_verdicts import as_json, joined
from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.io.atomic import atomic_write
from bbflow.io.checksums import verify_checksum, write_checksum
from bbflow.records import SPLITS, Example, Split
from bbflow.synthesis.attempts import StreamSpec, apply_curation, max_attempts, run_attempts
from bbflow.synthesis.curation import Curation, Selector
from bbflow.synthesis.pipeline import allocate, option_set_key, prepare, split_mixes
from bbflow.synthesis.splits import TrainingStage
from bbflow.synthesis.tasks.base import Task

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 4096
"""Attempts in a block."""


@dataclass(frozen=True)
class Plan:
    """Everything that determines the shards.

    Attributes:
        graph: Where facts come from.
        tasks: Name to task family, indexed.
        sizes: Examples of each split.
        mix: Name of a task to its share.
        held_out_mix: The same for the validation and test splits; None: as `mix`.
        seed: Of the train split.
        stage: Which training questions.
        curation: Settings or None.
        contract: Contract file or None.
        rows: Rows of one shard.
        key: Hash of all this and of the code.
    """

    graph: KnowledgeGraph
    tasks: dict[str, Task]
    sizes: dict[Split, int]
    mix: dict[str, float]
    held_out_mix: dict[str, float] | None
    seed: int
    stage: TrainingStage
    curation: Curation | None
    contract: Path | None
    rows: int
    key: str

    def job(self, split: Split, name: str) -> StreamSpec:
        """Returns what is drawn for one task and split."""
        return StreamSpec(self.graph, self.tasks[name], split, self.seed if split == "train" else 0, self.stage, self.curation)


@dataclass
class Summary:
    """What a run made, without its examples.

    Attributes:
        counts: (task, split) to how many examples were handed to the contract.
        dropped: (task, reason) to how many draws ended there.
        short: (task, split) to how many are missing because the graph offers no more.
        sample: One example.
        files: By split, the Parquet files.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    short: dict[tuple[str, str], int] = field(default_factory=dict)
    sample: Example | None = None
    files: dict[Split, list[Path]] = field(default_factory=dict)


@dataclass
class _Stream:
    """The rows kept of one task and split: block and row of each, in order; the recipe calls the task `name`, its records `task`."""

    split: Split
    name: str
    task: str
    count: int
    blocks: array[int] = field(default_factory=lambda: array("i"))
    rows: array[int] = field(default_factory=lambda: array("i"))
    options: array[int] = field(default_factory=lambda: array("q"))
    done: int = 0
    exhausted: bool = False


_WORKER: dict[str, Any] = {}


def write_shards(
    plan: Plan,
    folder: Path,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
    describe: Callable[[Path, Summary], None] | None = None,
) -> Summary:
    """Writes all splits into a folder as `<split>-00000-of-00003.parquet`, with quarantine and receipt.

    Args:
        plan: What is made.
        folder: Final place; appears when everything is there.
        workers: Processes; the bytes are the same for any number.
        progress: Called with the number of new examples.
        describe: Called with the finished folder and what was made, before it takes its final name.

    Raises:
        InputError: The graph offers no example for a split.
        Refused: The contract refuses the data.
    """
    prepare(plan.graph, plan.tasks)
    if plan.curation is not None:
        plan.curation.prepare(plan.graph)
    work = folder.parent / f".{folder.name}.{plan.key[:12]}.partial"
    (work / "out").mkdir(parents=True, exist_ok=True)
    for left in work.rglob(".*.tmp"):  # of a run that was killed while it wrote
        left.unlink()
    summary = Summary()
    with _pool(plan, work, workers) as run:
        streams = _select(plan, work, run, workers, summary, progress or (lambda _: None))
        shards = _arrange(plan, streams, summary)
        results = list(run(_shard, shards))
    _finish(plan, work / "out", shards, results, summary)
    if describe is not None:
        describe(work / "out", summary)
    if folder.exists():
        folder.rmdir()
    (work / "out").replace(folder)
    shutil.rmtree(work)
    summary.files = {split: [folder / file.name for file in files] for split, files in summary.files.items()}
    return summary


@contextmanager
def _pool(plan: Plan, work: Path, workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Gives a `map` over processes that know the plan; one worker is this process."""
    if workers == 1:
        _start(plan, work)
        yield map
        return
    with ProcessPoolExecutor(workers, initializer=_start, initargs=(plan, work)) as pool:
        yield pool.map


def _start(plan: Plan, work: Path) -> None:
    _WORKER.update(plan=plan, work=work, names=frozenset(node.name for node in plan.graph.nodes()))
    if plan.curation is not None:
        plan.curation.prepare(plan.graph)


def _block_path(work: Path, split: str, name: str, number: int) -> Path:
    return work / "blocks" / f"{split}-{name}-{number:06d}.parquet"


def _block_schema() -> pa.Schema:
    import pyarrow as pa

    keys = {"_identity": pa.binary(), "_draw": pa.int64(), "_options": pa.binary(), "_signature": pa.binary()}
    schema = arrow_schema()
    for name, kind in keys.items():
        schema = schema.append(pa.field(name, kind))
    return schema


def _block(wanted: tuple[Split, str, int]) -> None:
    """Draws one block unless it is there: proven, curated, rendered rows, and keys by which rows of other blocks are compared."""
    import pyarrow as pa

    split, name, number = wanted
    plan: Plan = _WORKER["plan"]
    path = _block_path(_WORKER["work"], split, name, number)
    if verify_checksum(path, _seal(path)):
        return
    job, dropped, seen, pending = plan.job(split, name), Counter[tuple[str, str]](), set[str](), []
    for made in run_attempts(job, range(number * BLOCK, (number + 1) * BLOCK), seen, dropped):
        seen.update(made.identities)
        pending.append(made)
    rows = []
    for made in apply_curation(job, pending, dropped):
        for identity, example, signed in zip(made.identities, made.examples, made.signatures, strict=True):
            offered = option_set_key(example.options, _WORKER["names"])
            keys = {
                "_identity": bytes.fromhex(identity)[:16],
                "_draw": made.attempt,
                "_options": None if offered is None else hashlib.sha256("\n".join(sorted(offered)).encode()).digest()[:16],
                "_signature": None if signed is None else signed.tobytes(),
            }
            rows.append({**example.to_row(), **keys})
    table = pa.Table.from_pylist(rows, schema=_block_schema())
    counts = json.dumps([[task, reason, count] for (task, reason), count in sorted(dropped.items())])
    _write(path, table.replace_schema_metadata({b"dropped": counts.encode()}))


def _write(path: Path, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    with atomic_write(path) as draft:
        pq.write_table(table, draft, compression="zstd")
    write_checksum(path, _seal(path))


def _seal(path: Path) -> Path:
    """Where the hash of a piece lies."""
    work: Path = _WORKER["work"]
    return work / "sha256" / f"{path.relative_to(work)}.sha256"


def _select(
    plan: Plan, work: Path, run: Callable[..., Iterator[Any]], workers: int, summary: Summary, progress: Callable[[int], None]
) -> list[_Stream]:
    """Draws blocks until every stream is full or exhausted, and keeps the first of what is told apart by nothing."""
    mixes = split_mixes(plan.tasks, plan.mix, plan.held_out_mix, plan.curation)
    streams = [
        _Stream(split, name, plan.tasks[name].name, count)
        for split in SPLITS
        for name, count in allocate(plan.tasks, plan.sizes.get(split, 0), mixes[split], split).items()
    ]
    selectors = {id(stream): (Selector(plan.curation, stream.count, stream.split), set[bytes]()) for stream in streams}
    while wanted := [(stream, number) for stream in streams for number in _next_blocks(plan, stream, workers)]:
        for _ in run(_block, [(stream.split, stream.name, number) for stream, number in wanted]):
            pass
        for stream, number in wanted:
            if len(stream.rows) < stream.count and not stream.exhausted:
                before = len(stream.rows)
                _read(work, stream, number, *selectors[id(stream)], summary)
                progress(len(stream.rows) - before)
    for stream in streams:
        if len(stream.rows) < stream.count:
            told = summary.short.get((stream.task, stream.split), 0)
            summary.short[stream.task, stream.split] = told + stream.count - len(stream.rows)
    return streams


def _next_blocks(plan: Plan, stream: _Stream, workers: int) -> range:
    """The blocks that a stream needs next, judged by what it got so far; the last one is where patience ends."""
    missing = stream.count - len(stream.rows)
    last = -(-max_attempts(plan.job(stream.split, stream.name), stream.count) // BLOCK)
    if missing <= 0 or stream.exhausted or stream.done >= last:
        return range(0)
    rate = len(stream.rows) / stream.done if stream.done and stream.rows else BLOCK / 2
    return range(stream.done, min(last, stream.done + max(1, min(4 * workers, round(missing / rate)))))


def _read(work: Path, stream: _Stream, number: int, selector: Selector, seen: set[bytes], summary: Summary) -> None:
    """Goes over the keys of one block; rows of one draw stay or go together."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(_block_path(work, stream.split, stream.name, number))
    summary.dropped.update({(task, why): n for task, why, n in json.loads((file.schema_arrow.metadata or {})[b"dropped"])})
    columns = ["_identity", "_draw", "_options", "_signature", "answer", "level", "cluster"]
    rows = file.read(columns).to_pylist()
    stream.done = number + 1
    start = 0
    while start < len(rows):
        end = start + 1
        while end < len(rows) and rows[end]["_draw"] == rows[start]["_draw"]:
            end += 1
        together = rows[start:end]
        if len(stream.rows) + len(together) > stream.count:
            stream.exhausted = True
            return
        reason = "duplicate" if any(row["_identity"] in seen for row in together) else None
        for row in together:
            signed = None if row["_signature"] is None else np.frombuffer(row["_signature"], np.uint32)
            reason = reason or selector.objection(row["answer"], row["level"], row["cluster"], signed)
        if reason is not None:
            summary.dropped[stream.task, reason] += 1
        else:
            seen.update(row["_identity"] for row in together)
            stream.blocks.extend([number] * len(together))
            stream.rows.extend(range(start, end))
            stream.options.extend(_short(row["_options"]) for row in together)
        start = end


_NO_OPTIONS = 0


def _short(options: bytes | None) -> int:
    """Eight bytes of the hash of a set of options, so that a million of them are small."""
    return _NO_OPTIONS if options is None else int.from_bytes(options[:8], "little", signed=True)


_Shard = tuple[str, list[tuple[tuple[str, str, int], np.ndarray]], np.ndarray]
"""File name; ((split, task, block), rows) to read; the order of what was read."""


def _arrange(plan: Plan, streams: list[_Stream], summary: Summary) -> list[_Shard]:
    """Interleaves the streams of each split evenly, leaves out training rows that offer a held-out option set, and cuts shards."""
    held_out = {key for stream in streams if stream.split != "train" for key in stream.options} - {_NO_OPTIONS}
    shards: list[_Shard] = []
    for split in SPLITS:
        mine = sorted((s for s in streams if s.split == split), key=lambda s: s.name)
        which = np.concatenate([np.full(len(s.rows), i) for i, s in enumerate(mine)] or [np.zeros(0, int)]).astype(int)
        index = np.concatenate([np.arange(len(s.rows)) for s in mine] or [np.zeros(0, int)]).astype(int)
        place = np.concatenate([(np.arange(len(s.rows)) + 0.5) / max(1, len(s.rows)) for s in mine] or [np.zeros(0)])
        order = np.lexsort((index, which, place))
        if split == "train":
            leaked = [i for i in order if mine[which[i]].options[index[i]] in held_out]
            summary.dropped.update((mine[which[i]].task, "offers the options of a held-out question") for i in leaked)
            order = np.setdiff1d(order, leaked, assume_unique=True)  # as they stood
        summary.counts.update((mine[which[i]].task, split) for i in order)
        if not len(order):
            raise InputError(Problem(f"the graph offers no example for {split}", "data.init_args.tasks"))
        cuts = range(0, len(order), plan.rows)
        for number, start in enumerate(cuts):
            reads: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
            for at, i in enumerate(order[start : start + plan.rows]):
                stream = mine[which[i]]
                reads.setdefault((split, stream.name, stream.blocks[index[i]]), []).append((stream.rows[index[i]], at))
            parts = [(block, np.array([row for row, _ in rows], np.int32)) for block, rows in reads.items()]
            places = [at for rows in reads.values() for _, at in rows]
            shards.append((f"{split}-{number:05d}-of-{len(cuts):05d}.parquet", parts, np.argsort(places).astype(np.int32)))
    return shards


def _shard(shard: _Shard) -> list[tuple[Any, ...]]:
    """Writes one shard: reads its rows, lets the contract judge them, sets aside what it quarantines; returns the rules' results."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    name, parts, order = shard
    plan, work = _WORKER["plan"], _WORKER["work"]
    path, aside_path, verdict_path = work / "out" / name, work / "quarantine" / name, work / "verdicts" / f"{name}.json"
    if all(verify_checksum(piece, _seal(piece)) for piece in (path, verdict_path, *([aside_path] if plan.contract else []))):
        return json.loads(verdict_path.read_text(encoding="utf-8"))
    names = arrow_schema().names
    tables = [pq.read_table(_block_path(work, *block), columns=names).take(rows) for block, rows in parts]
    table = pa.concat_tables(tables).replace_schema_metadata(None).take(order)
    results: list[Any] = [table["example_id"].to_pylist(), []]
    if plan.contract is not None:
        rows = table.to_pylist()
        verdict = validate(load_contract(plan.contract), rows, plan.graph, workers=1)  # the shards are shared among processes already
        results[1] = as_json(verdict)
        aside = verdict.quarantined_rows
        reasons = [{**rows[q.row], "rule": q.rule, "reason": q.reason} for q in verdict.quarantine]
        _write(aside_path, pa.Table.from_pylist(reasons, schema=quarantine_schema()))
        table = table.take([i for i in range(len(rows)) if i not in aside])
    _write(path, table)
    with atomic_write(verdict_path) as draft:
        draft.write_text(json.dumps(results), encoding="utf-8")
    write_checksum(verdict_path, _seal(verdict_path))
    return results


def quarantine_schema() -> pa.Schema:
    """Returns the columns of `quarantine.parquet`."""
    import pyarrow as pa

    return arrow_schema().append(pa.field("rule", pa.string())).append(pa.field("reason", pa.string()))


def _finish(plan: Plan, out: Path, shards: list[_Shard], results: list[list[Any]], summary: Summary) -> None:
    """Joins the quarantine, writes the receipt for all shards together, and keeps one example for the card."""
    import pyarrow.parquet as pq

    files = [out / name for name, *_ in shards]
    summary.files = {split: [file for file in files if file.name.startswith(f"{split}-")] for split in SPLITS}
    summary.sample = Example.from_row(next(pq.ParquetFile(summary.files["train"][0]).iter_batches(1)).to_pylist()[0])
    if plan.contract is None:
        return
    with pq.ParquetWriter(out / "quarantine.parquet", quarantine_schema(), compression="zstd") as writer:
        for name, _, _ in shards:
            table = pq.read_table(out.parent / "quarantine" / name)
            if len(table):
                writer.write_table(table)
    verdict = joined(load_contract(plan.contract), plan.graph, ((ids, rules) for ids, rules in results))
    (out / "receipt.json").unlink(missing_ok=True)
    write_receipt(out / "receipt.json", verdict, files, plan.graph)
