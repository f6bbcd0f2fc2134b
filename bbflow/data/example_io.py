"""Files of examples: Parquet and JSONL to `Example` records or Hugging Face datasets and back, with the same bytes every time.

The types of all columns are fixed here, so that a column of nulls still has its type and any two files can be joined.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbflow.errors import InputError, Problem
from bbflow.io.atomic import atomic_write
from bbflow.records import SPLITS, Example

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import DatasetDict

    from bbflow.contracts import Verdict

_SUFFIXES = (".parquet", ".jsonl")
_PROBLEMS_SHOWN = 20


@cache
def arrow_schema() -> pa.Schema:
    """Return the column types of a Parquet file of examples, in the order of `Example`'s fields."""
    import pyarrow as pa

    text, texts, number = pa.string(), pa.list_(pa.string()), pa.float64()
    patient = {
        "age": pa.int64(),
        "sex": text,
        "pregnant": pa.bool_(),
        "conditions": texts,
        "medications": texts,
        "allergies": texts,
        "egfr": number,
    }
    recommendation = {"drug": text, "dose": number, "unit": text, "per_day": number, "route": text}
    provenance = {"graph": text, "graph_sha256": text, "template": text, "generator": text, "seed": pa.int64()}
    return pa.schema(
        {
            "example_id": text,
            "task": text,
            "capabilities": texts,
            "messages": pa.list_(pa.struct({"role": text, "content": text})),
            "response": text,
            "answer": text,
            "options": texts,
            "constraints": pa.list_(pa.struct({"type": text, "kwargs": text})),
            "patient": pa.struct(patient),
            "recommended": pa.list_(pa.struct(recommendation)),
            "workflow": texts,
            "entities": texts,
            "edges": pa.list_(texts),
            "open_book": pa.bool_(),
            "hops": pa.int64(),
            "level": pa.int64(),
            "cluster": text,
            "split": text,
            "provenance": pa.struct(provenance),
            "accepted": texts,
        }
    )


def read_examples(path: str | Path) -> list[Example]:
    """Read examples.

    Args:
        path: A `.parquet` or `.jsonl` file, or a folder with one such file for each split, or its Parquet shards.

    Raises:
        InputError: The file is missing or unreadable, or rows are no examples; file and row of each are named.
    """
    examples: list[Example] = []
    problems: list[Problem] = []
    for where, row in _rows(Path(path), problems):
        try:
            examples.append(Example.from_row(row, where))
        except InputError as error:
            problems += error.problems
    refuse(problems, path)
    return examples


def read_dataset(path: str | Path) -> DatasetDict:
    """Read examples as Hugging Face datasets.

    Args:
        path: As of `read_examples`.

    Returns:
        Typed datasets as of `as_dataset`.

    Raises:
        InputError: As of `read_examples`.
    """
    return as_dataset(read_examples(path))


def as_dataset(examples: Sequence[Example]) -> DatasetDict:
    """Return examples as Hugging Face datasets with typed features, one for each split; `Example.from_row` reads a row back."""
    import pyarrow as pa
    from datasets import Dataset, DatasetDict

    rows = {split: [example.to_row() for example in examples if example.split == split] for split in SPLITS}
    return DatasetDict({split: Dataset(pa.Table.from_pylist(rows[split], schema=arrow_schema())) for split in SPLITS})


def files_of(path: Path) -> list[Path]:
    """List the files of a folder of examples in order of splits, or the file itself.

    Raises:
        InputError: The folder holds none.
    """
    if not path.is_dir():
        return [path]
    files = [file for split in SPLITS for suffix in _SUFFIXES if (file := path / f"{split}{suffix}").is_file()]
    files = files or [file for split in SPLITS for file in sorted(path.glob(f"{split}-*-of-*.parquet"))]
    if not files:
        raise InputError(Problem("the folder holds no train, validation or test file", str(path), "*.parquet or *.jsonl"))
    return files


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """Read rows as they are, valid examples or not, for a contract to judge.

    Raises:
        InputError: The file is missing, unreadable, or holds what is no table row.
    """
    return [row for _, row in located_rows(path)]


def located_rows(path: str | Path) -> list[tuple[str, dict[str, Any]]]:
    """Read rows as they are, each with its place: file and line, or file and row of a table.

    Raises:
        InputError: As of `read_rows`.
    """
    problems: list[Problem] = []
    rows = list(_rows(Path(path), problems))
    refuse(problems, path)
    return rows


def write_examples(path: str | Path, examples: Sequence[Example]) -> None:
    """Write examples to a `.parquet` or `.jsonl` file, completely or not at all.

    Raises:
        InputError: The suffix is another one, or an example does not fit the columns' types.
    """
    path = Path(path)
    rows = [example.to_row() for example in examples]
    if _suffix(path) == ".jsonl":
        with atomic_write(path) as draft:
            draft.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    else:
        _write_parquet(path, rows, arrow_schema())


def write_quarantine(path: str | Path, examples: Sequence[Example], verdict: Verdict) -> None:
    """Write quarantined examples to Parquet with rule, reason and outcome, one row for each reason.

    Args:
        path: File to write.
        examples: The examples that were validated, in the same order.
        verdict: The verdict on them.
    """
    rows = [{**examples[q.row].to_row(), "rule": q.rule, "reason": q.reason, "outcome": q.outcome} for q in verdict.quarantine]
    _write_parquet(Path(path), rows, quarantine_schema())


def quarantine_schema() -> pa.Schema:
    """Return the columns of `quarantine.parquet`: those of an example, rule, reason, and outcome (`fails`, `not understood`)."""
    import pyarrow as pa

    schema = arrow_schema()
    for column in ("rule", "reason", "outcome"):
        schema = schema.append(pa.field(column, pa.string()))
    return schema


def _write_parquet(path: Path, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(Problem(f"an example does not fit the columns' types: {error}", str(path))) from None
    with atomic_write(path) as draft:
        pq.write_table(table, draft, compression="zstd")


def refuse(problems: list[Problem], path: str | Path) -> None:
    """Raise the first problems of a file, and the number of further ones, if there are any."""
    if len(problems) > _PROBLEMS_SHOWN:
        problems = [*problems[:_PROBLEMS_SHOWN], Problem(f"and {len(problems) - _PROBLEMS_SHOWN} more problems", str(path))]
    if problems:
        raise InputError(*problems)


def _rows(path: Path, problems: list[Problem]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each row with its place; a malformed line is added to the problems, and the lines after it are read."""
    for file in files_of(path):
        suffix = _suffix(file)
        if not file.is_file():
            raise InputError(Problem("no such file", str(file)))
        yield from _READERS[suffix](file, problems)


def _parquet_rows(path: Path, problems: list[Problem]) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.ParquetFile(path).read().to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(Problem(f"cannot be read as Parquet: {error}", str(path))) from None
    yield from ((f"{path}: row {i}", row) for i, row in enumerate(rows, 1))


def _jsonl_rows(path: Path, problems: list[Problem]) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # a byte order mark, as some spreadsheets write it, is no part of the text
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem(f"cannot be read as UTF-8 text: {error}", str(path))) from None
    for i, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            problems.append(Problem(f"not valid JSON: {error}", f"{path}:{i}"))
            continue
        if isinstance(row, dict):
            yield f"{path}:{i}", row
        else:
            problems.append(Problem("a line must be a JSON object", f"{path}:{i}"))


_READERS: dict[str, Callable[[Path, list[Problem]], Iterator[tuple[str, dict[str, Any]]]]] = {
    ".parquet": _parquet_rows,
    ".jsonl": _jsonl_rows,
}


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(Problem("no such file, or not of a kind that holds examples", str(path), f"one of: {', '.join(_SUFFIXES)}"))
    return suffix
