"""The check of declared columns: types, nulls, lengths and bounds, as `schema[].properties` states them.

It runs before the rules of a contract and like them, but cannot be named in one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bbflow.contracts.row import Finding, Malformed, Row
from bbflow.contracts.rule import Outcome, Rule
from bbflow.graph.knowledge_graph import KnowledgeGraph

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,), "object": (dict,),
}  # fmt: skip
_BOUNDS = {
    "minLength": ("length", 1),
    "maxLength": ("length", -1),
    "minItems": ("items", 1),
    "maxItems": ("items", -1),
    "minimum": ("", 1),
    "maximum": ("", -1),
}


def _run(rows: Sequence[Row], graph: KnowledgeGraph, *, columns: list[Mapping[str, Any]]) -> Outcome:
    findings: list[Finding] = []
    seen: dict[tuple[str, str], Row] = {}
    for row in rows:
        for column in columns:
            try:
                value = row.cell(column["name"])
            except Malformed as problem:
                findings.append(row.finding(str(problem)))
                continue
            unique = bool(column.get("unique") or column.get("primaryKey"))
            findings += [row.finding(reason) for reason in _violations(value, column, column["name"])]
            if unique and value is not None:
                first = seen.setdefault((column["name"], json.dumps(value, sort_keys=True, default=str)), row)
                if first is not row:
                    findings.append(row.finding(f"'{column['name']}' has the same value as row {first.position}"))
    return Outcome(len(rows), findings)


def _violations(value: Any, column: Mapping[str, Any], name: str) -> Iterator[str]:
    kind = column["logicalType"]
    if value is None:
        if column.get("required") or column.get("primaryKey"):
            yield f"'{name}' is null"
        return
    # Readers of tables give whole numbers as floats once a column holds a null.
    whole = kind == "integer" and isinstance(value, float) and value.is_integer()
    if not (whole or isinstance(value, _TYPES[kind])) or (isinstance(value, bool) and kind != "boolean"):
        yield f"'{name}' is of type {type(value).__name__}, not {kind}"
        return
    for option, bound in column.get("logicalTypeOptions", {}).items():
        noun, sign = _BOUNDS[option]
        if noun == ("items" if isinstance(value, list) else "length" if isinstance(value, str) else ""):
            size = len(value) if noun else value
            if not sign * size >= sign * bound:
                yield f"'{name}' breaks {option} {bound}"
    if kind == "array" and "items" in column:
        items = {"required": True, **column["items"]}
        # Lists of texts are most of what there is; a check of each item on its own would cost more than all rules.
        plain_texts = items["logicalType"] == "string" and "logicalTypeOptions" not in items and all(type(v) is str for v in value)
        for i, item in enumerate(() if plain_texts else value):
            yield from _violations(item, items, f"{name}[{i}]")
    if kind == "object":
        for inner in column.get("properties", ()):
            yield from _violations(value.get(inner["name"]), inner, f"{name}.{inner['name']}")


COLUMNS_RULE = Rule("columns_as_declared", "Columns hold what the contract declares.", (), _run)
"""Takes `columns`: the contract's declared columns."""
