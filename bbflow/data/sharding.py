"""Generate examples as Parquet shards: bounded memory, any number of processes, and a killed run resumes where it stopped.

The attempts of every task and split are divided into blocks, each determined by its number. A run generates blocks, goes over
the keys of their rows in order to select the rows that are kept (`bbflow/synthesis/selection.py`), and writes the shards, each
checked by the contract. Blocks and shards are kept in a hidden folder next to the output until all are complete, so the same
command resumes, with the same bytes. The hash of each piece is kept there too; a piece that has changed is made again.
"""

from __future__ import annotations

import json
import shutil
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bbflow.contracts import load_contract, validate, write_receipt
from bbflow.data.example_io import arrow_schema, quarantine_schema
from bbflow.data.shard_verdicts import as_json, joined
from bbflow.io.atomic import atomic_write
from bbflow.io.checksums import verify_checksum, write_checksum
from bbflow.records import SPLITS, Example, Split
from bbflow.synthesis.attempts import StreamSpec, apply_curation, max_attempts, run_attempts
from bbflow.synthesis.selection import Plan, RowKey, Selector, arrange, option_set_key, require_every_split, row_keys, shortfall

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 4096
"""Attempts in a block."""


@dataclass(frozen=True)
class ShardPlan:
    """Everything that determines the shards.

    Attributes:
        examples: Determines the examples.
        contract: Contract file or None.
        rows: Rows of one shard.
        key: Hash of all this and of the code.
    """

    examples: Plan
    contract: Path | None
    rows: int
    key: str


@dataclass
class Summary:
    """Counts and files of a run, without its examples.

    Attributes:
        counts: (task, split) to the number of examples handed to the contract.
        dropped: (task, reason) to the number of attempts that ended there.
        short: (task, split) to the number of examples that are missing because the graph offers no more.
        sample: One example.
        files: By split, the Parquet files.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    short: Mapping[tuple[str, Split], int] = field(default_factory=dict)
    sample: Example | None = None
    files: dict[Split, list[Path]] = field(default_factory=dict)


@dataclass
class _Kept:
    """The kept rows of one stream, in order: the block and row where each lies, and the key of its option set.

    Attributes:
        blocks: Number of the block of each row.
        rows: Number of each row in its block.
        option_sets: `option_set_key` of each row.
        read: Blocks that have been read.
    """

    blocks: array[int] = field(default_factory=lambda: array("i"))
    rows: array[int] = field(default_factory=lambda: array("i"))
    option_sets: array[int] = field(default_factory=lambda: array("q"))
    read: int = 0


_WORKER: dict[str, Any] = {}


def write_shards(
    plan: ShardPlan,
    folder: Path,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
    describe: Callable[[Path, Summary], None] | None = None,
) -> Summary:
    """Write all splits into a folder as `<split>-00000-of-00003.parquet`, with quarantine and receipt.

    Args:
        plan: Determines the shards.
        folder: Final path; appears when the output is complete.
        workers: Processes; the bytes are the same for any number.
        progress: Called with the number of new examples.
        describe: Called with the finished folder and the summary, before the folder takes its final name.

    Raises:
        InputError: The graph offers no example for a split.
        Refused: The contract refuses the data.
    """
    plan.examples.prepare()
    work = folder.parent / f".{folder.name}.{plan.key[:12]}.partial"
    (work / "out").mkdir(parents=True, exist_ok=True)
    for left in work.rglob(".*.tmp"):  # of a run that was killed while it wrote
        left.unlink()
    summary = Summary()
    with _pool(plan, work, workers) as run:
        shards = _shards(plan, *_select(plan.examples, work, run, workers, summary, progress or (lambda _: None)), summary)
        results = list(run(_write_shard, shards))
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
def _pool(plan: ShardPlan, work: Path, workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Yield a `map` over processes that hold the plan; with one worker, over this process."""
    if workers == 1:
        _start(plan, work)
        yield map
        return
    with ProcessPoolExecutor(workers, initializer=_start, initargs=(plan, work)) as pool:
        yield pool.map


def _start(plan: ShardPlan, work: Path) -> None:
    graph, curation = plan.examples.graph, plan.examples.curation
    streams = {(stream.split, stream.name): stream for stream in plan.examples.streams()}
    _WORKER.update(plan=plan, work=work, streams=streams, names=frozenset(node.name for node in graph.nodes()))
    if curation is not None:
        curation.prepare(graph)


_Block = tuple[Split, str, int]
"""Split, name of the task in the recipe, number of the block."""


def _block_path(work: Path, block: _Block) -> Path:
    split, name, number = block
    return work / "blocks" / f"{split}-{name}-{number:06d}.parquet"


def _block_schema() -> pa.Schema:
    import pyarrow as pa

    keys = {"_attempt": pa.int64(), "_identity": pa.binary(), "_options": pa.int64(), "_signature": pa.binary()}
    schema = arrow_schema()
    for name, kind in keys.items():
        schema = schema.append(pa.field(name, kind))
    return schema


def _write_block(block: _Block) -> None:
    """Generate one block if it is missing: proven, curated, rendered rows with the keys that selection compares."""
    import pyarrow as pa

    path = _block_path(_WORKER["work"], block)
    if verify_checksum(path, _seal(path)):
        return
    split, name, number = block
    stream: StreamSpec = _WORKER["streams"][split, name]
    dropped, seen, attempts = Counter[tuple[str, str]](), set[str](), []
    for attempt in run_attempts(stream, range(number * BLOCK, (number + 1) * BLOCK), seen, dropped):
        seen.update(attempt.identities)
        attempts.append(attempt)
    rows = []
    for attempt in apply_curation(stream, attempts, dropped):
        for key, example in zip(row_keys(attempt), attempt.examples, strict=True):
            keys = {
                "_attempt": attempt.number,
                "_identity": key.identity,
                "_options": option_set_key(example.options, _WORKER["names"]),
                "_signature": None if key.signature is None else key.signature.tobytes(),
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
    """Return the path of the hash of a piece."""
    work: Path = _WORKER["work"]
    return work / "sha256" / f"{path.relative_to(work)}.sha256"


def _select(
    plan: Plan, work: Path, run: Callable[..., Iterator[Any]], workers: int, summary: Summary, progress: Callable[[int], None]
) -> tuple[list[StreamSpec], list[_Kept]]:
    """Generate blocks until every stream is full or exhausted, and select rows from them in order."""
    streams = plan.streams()
    kept = [_Kept() for _ in streams]
    selectors = [Selector(stream, summary.dropped) for stream in streams]
    while wanted := [(i, number) for i in range(len(streams)) for number in _next_blocks(selectors[i], kept[i], workers)]:
        for _ in run(_write_block, [(streams[i].split, streams[i].name, number) for i, number in wanted]):
            pass
        for i, number in wanted:
            if selectors[i].has_room(1):
                before = selectors[i].kept
                _read_block(work, number, selectors[i], kept[i])
                progress(selectors[i].kept - before)
    summary.short = shortfall(streams, [selector.kept for selector in selectors])
    return streams, kept


def _next_blocks(selector: Selector, kept: _Kept, workers: int) -> range:
    """Return the numbers of the next blocks, estimated from the acceptance rate so far, up to the attempt limit."""
    last = -(-max_attempts(selector.stream) // BLOCK)
    if not selector.has_room(1) or kept.read >= last:
        return range(0)
    rate = selector.kept / kept.read if kept.read and selector.kept else BLOCK / 2
    missing = selector.stream.count - selector.kept
    return range(kept.read, min(last, kept.read + max(1, min(4 * workers, round(missing / rate)))))


def _read_block(work: Path, number: int, selector: Selector, kept: _Kept) -> None:
    """Select from the keys of one block; its text stays on disk."""
    import pyarrow.parquet as pq

    stream = selector.stream
    file = pq.ParquetFile(_block_path(work, (stream.split, stream.name, number)))
    selector.dropped.update({(task, why): n for task, why, n in json.loads((file.schema_arrow.metadata or {})[b"dropped"])})
    rows = file.read(["_attempt", "_identity", "_options", "_signature", "answer", "level", "cluster"]).to_pylist()
    kept.read = number + 1
    attempts = [list(group) for _, group in groupby(range(len(rows)), key=lambda row: rows[row]["_attempt"])]
    for position in selector.select([_row_key(rows[row]) for row in attempt] for attempt in attempts):
        chosen = attempts[position]
        kept.blocks.extend([number] * len(chosen))
        kept.rows.extend(chosen)
        kept.option_sets.extend(rows[row]["_options"] for row in chosen)


def _row_key(row: dict[str, Any]) -> RowKey:
    signature = None if row["_signature"] is None else np.frombuffer(row["_signature"], np.uint32)
    return RowKey(row["_identity"], row["answer"], row["level"], row["cluster"], signature)


_Shard = tuple[str, list[tuple[_Block, np.ndarray]], np.ndarray]
"""File name; blocks with the rows to read from each; the order of the rows read."""


def _shards(plan: ShardPlan, streams: list[StreamSpec], kept: list[_Kept], summary: Summary) -> list[_Shard]:
    """Arrange the kept rows and cut them into shards."""
    order = arrange(streams, [rows.option_sets for rows in kept], summary.dropped)
    require_every_split({split: len(rows) for split, rows in order.items()})
    shards: list[_Shard] = []
    for split, rows_N2 in order.items():
        summary.counts.update((streams[i].task.name, split) for i in rows_N2[:, 0])
        starts = range(0, len(rows_N2), plan.rows)
        for number, start in enumerate(starts):
            parts, row_order = _reads(streams, kept, rows_N2[start : start + plan.rows].tolist())
            shards.append((f"{split}-{number:05d}-of-{len(starts):05d}.parquet", parts, row_order))
    return shards


def _reads(
    streams: list[StreamSpec], kept: list[_Kept], wanted: list[tuple[int, int]]
) -> tuple[list[tuple[_Block, np.ndarray]], np.ndarray]:
    """Group the rows of one shard by block, so that each block is read once; also return the order that restores `wanted`."""
    reads: dict[_Block, list[tuple[int, int]]] = {}
    for position, (i, row) in enumerate(wanted):
        block = (streams[i].split, streams[i].name, kept[i].blocks[row])
        reads.setdefault(block, []).append((kept[i].rows[row], position))
    parts = [(block, np.array([row for row, _ in rows], np.int32)) for block, rows in reads.items()]
    positions = [position for rows in reads.values() for _, position in rows]
    return parts, np.argsort(positions).astype(np.int32)


def _write_shard(shard: _Shard) -> list[tuple[Any, ...]]:
    """Write one shard: read its rows, apply the contract, set quarantined rows aside; return the results of the rules."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    name, parts, order = shard
    plan: ShardPlan = _WORKER["plan"]
    work: Path = _WORKER["work"]
    path, aside_path, verdict_path = work / "out" / name, work / "quarantine" / name, work / "verdicts" / f"{name}.json"
    if all(verify_checksum(piece, _seal(piece)) for piece in (path, verdict_path, *([aside_path] if plan.contract else []))):
        return json.loads(verdict_path.read_text(encoding="utf-8"))
    names = arrow_schema().names
    tables = [pq.read_table(_block_path(work, block), columns=names).take(rows) for block, rows in parts]
    table = pa.concat_tables(tables).replace_schema_metadata(None).take(order)
    results: list[Any] = [table["example_id"].to_pylist(), []]
    if plan.contract is not None:
        rows = table.to_pylist()
        verdict = validate(
            load_contract(plan.contract), rows, plan.examples.graph, workers=1
        )  # the shards are shared among processes already
        results[1] = as_json(verdict)
        aside = verdict.quarantined_rows
        reasons = [{**rows[q.row], "rule": q.rule, "reason": q.reason, "outcome": q.outcome} for q in verdict.quarantine]
        _write(aside_path, pa.Table.from_pylist(reasons, schema=quarantine_schema()))
        table = table.take([i for i in range(len(rows)) if i not in aside])
    _write(path, table)
    with atomic_write(verdict_path) as draft:
        draft.write_text(json.dumps(results), encoding="utf-8")
    write_checksum(verdict_path, _seal(verdict_path))
    return results


def _finish(plan: ShardPlan, out: Path, shards: list[_Shard], results: list[list[Any]], summary: Summary) -> None:
    """Join the quarantine, write the receipt of all shards together, and keep one example for the dataset card."""
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
    verdict = joined(load_contract(plan.contract), plan.examples.graph, ((ids, rules) for ids, rules in results))
    (out / "receipt.json").unlink(missing_ok=True)
    write_receipt(out / "receipt.json", verdict, files, plan.examples.graph)
