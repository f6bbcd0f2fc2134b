"""A user's own tables: CSV files, columns under other names, flat columns that belong into a patient, and graphs as rows.

`name` is the column in the contract, `physicalName` (or the command line) the column in the data.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bbflow.contracts.contract import Contract
from bbflow.contracts.engine.row import plain
from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import KEYS

_SEPARATORS = (";", "|")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_csv(path: Path) -> list[dict[str, Any]]:
    """Read a CSV file; every cell is text, an empty one is None.

    Raises:
        InputError: It is no UTF-8, has no header, names a column twice, or a line has another number of cells; each with its line.
    """
    csv.field_size_limit(10_000_000)
    rows, problems = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if not header or len(set(header)) < len(header) or "" in header:
                raise InputError(Problem("the first line must name every column once", f"{path}:1"))
            for cells in reader:
                if len(cells) != len(header) and cells:
                    problems.append(
                        Problem(f"the line has {len(cells)} cells, and there are {len(header)} columns", f"{path}:{reader.line_num}")
                    )
                elif cells:
                    rows.append({name: cell if cell.strip() else None for name, cell in zip(header, cells, strict=True)})
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(Problem(f"cannot be read as CSV in UTF-8: {error}", str(path))) from None
    if problems:
        raise InputError(*problems[:20])
    return rows


def mapping_of(given: Mapping[str, str], contract: Contract) -> dict[str, str]:
    """Join the contract's `physicalName`s with what the command line says of columns.

    Args:
        given: Column of the contract, dotted for one inside an object (`patient.conditions`), to the column of the data.
        contract: The contract.

    Raises:
        InputError: The contract knows no such column.
    """
    known = (
        {column["name"] for column in contract.columns} | {name for rule in contract.rules for name in rule.rule.columns} | {"example_id"}
    )
    problems = [
        Problem(f"the contract knows no column '{name}'", "--columns", did_you_mean(name, known))
        for name in given
        if name.partition(".")[0] not in known
    ]
    if problems:
        raise InputError(*problems)
    return {**contract.physical, **given}


def map_rows(rows: Sequence[Mapping[str, Any]], mapping: Mapping[str, str], contract: Contract) -> list[dict[str, Any]]:
    """Rename and reshape columns as in the contract.

    A prompt that is plain text becomes a chat of one message, names of drugs become recommendations, and rows without an
    `example_id` are numbered. Texts of a CSV become lists, numbers and truth values where the contract declares them so; what
    cannot be read stays as it is, for the contract to refuse.

    Args:
        rows: The data as they are.
        mapping: Column of the contract to column of the data.
        contract: The contract.

    Raises:
        InputError: The data lack a column that the mapping names.
    """
    if not rows:
        return []
    present = dict.fromkeys(name for row in rows for name in row)
    missing = [
        Problem(
            f"the data lack column '{physical}', which '{name}' is mapped to",
            contract.where.get(name.partition(".")[0], "--columns"),
            did_you_mean(physical, present),
        )
        for name, physical in mapping.items()
        if physical not in present
    ]
    if missing:
        raise InputError(*missing)
    taken = set(mapping.values()) - set(mapping)
    types = {column["name"]: column for column in contract.columns}
    return [_mapped(i, row, mapping, taken, types) for i, row in enumerate(rows)]


def _mapped(i: int, row: Mapping[str, Any], mapping: Mapping[str, str], taken: set[str], types: Mapping[str, Any]) -> dict[str, Any]:
    made = {name: plain(value) for name, value in row.items() if name not in taken and "." not in name}
    nested = {name: name for name in row if "." in name and name not in taken and name.partition(".")[0] in {*types, *KEYS}}
    for name, physical in sorted({**nested, **mapping}.items()):
        column, _, inner = name.partition(".")
        if inner:
            if not isinstance(made.get(column), dict):
                made[column] = {}
            declared = {p["name"]: p for p in types.get(column, {}).get("properties", ())}
            made[column][inner] = _read(plain(row.get(physical)), declared.get(inner, {}), flat=True)
        else:
            made[name] = _read(plain(row.get(physical)), types.get(name, {}), flat=name == "recommended")
    for name, declared in types.items():
        if name in made:
            made[name] = _read(made[name], declared)
    if isinstance(made.get("messages"), str):
        made["messages"] = [{"role": "user", "content": made["messages"]}]
    recommended = made.get("recommended")
    if isinstance(recommended, list) and all(isinstance(drug, str) for drug in recommended):
        made["recommended"] = [{"drug": drug} for drug in recommended]
    made.setdefault("example_id", f"row-{i + 1:06d}")
    return made


def _read(value: Any, declared: Mapping[str, Any], flat: bool = False) -> Any:
    """Parse a text as the declared type; other values, and texts that do not parse, stay as they are.

    In a `flat` column an empty cell says that there is nothing, and is an empty list; a null amid JSON says nothing, and rules report it.
    """
    kind = declared.get("logicalType")
    if value is None and flat and kind == "array":
        return []
    if not isinstance(value, str) or kind in (None, "string"):
        return value
    text = value.strip()
    if kind in ("array", "object") and text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return value
    if kind == "array":
        of_objects = declared.get("items", {}).get("logicalType") == "object" and declared.get("name") != "recommended"
        if of_objects or declared.get("name") == "messages":
            return value  # a prompt is no list
        separator = next((s for s in _SEPARATORS if s in text), ";")
        return [part.strip() for part in text.split(separator) if part.strip()]
    if kind == "boolean":
        return _BOOLEANS.get(text.lower(), value)
    try:
        return int(text) if kind == "integer" else float(text) if kind == "number" else value
    except ValueError:
        return value


def graph_rows(graph: KnowledgeGraph) -> list[dict[str, Any]]:
    """Return a row for each node and each edge; what does not apply to one is None.

    Columns: `example_id`, `record` (node, edge), `node_id`, `kind`, `name`, `synonyms`, `value`, `unit`, `subject`, `predicate`,
    `object`, `source`, `verified`, `severity`.
    """
    empty: dict[str, Any] = dict.fromkeys(GRAPH_COLUMNS)
    nodes: Iterable[dict[str, Any]] = (
        {
            **empty, "example_id": n.id, "record": "node", "node_id": n.id, "kind": n.kind, "name": n.name, "synonyms": list(n.synonyms),
            "value": n.attributes.get("value"), "unit": n.attributes.get("unit"),
        }
        for n in graph.nodes()
    )  # fmt: skip
    edges: Iterable[dict[str, Any]] = (
        {
            **empty, "example_id": " ".join(e.triple), "record": "edge", "subject": e.subject, "predicate": e.predicate, "object": e.object,
            "source": e.source, "verified": e.verified, "severity": e.attributes.get("severity"),
        }
        for e in graph.edges()
    )  # fmt: skip
    return [*nodes, *edges]


GRAPH_COLUMNS = (
    "example_id", "record", "node_id", "kind", "name", "synonyms", "value", "unit", "subject", "predicate", "object", "source", "verified",
    "severity",
)  # fmt: skip
