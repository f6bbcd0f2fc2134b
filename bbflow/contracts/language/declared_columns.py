"""The check of declared columns: types, nulls, lengths and bounds, as `schema[].properties` states them.

Keys of a patient or a recommendation that neither bbflow reads nor the contract declares are findings too: a dose under a key that no
rule reads would pass unchecked.

It runs before the rules of a contract; a contract cannot name it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from bbflow.contracts.engine.row import Finding, MalformedCell, Row
from bbflow.contracts.engine.rule import Outcome, Rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import KEYS, unknown_keys

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
_NOUNS: dict[type, str] = {list: "items", str: "length"}


def _run(rows: Sequence[Row], graph: KnowledgeGraph, *, columns: list[Mapping[str, Any]]) -> Outcome:
    findings: list[Finding] = []
    seen: dict[Hashable, Row] = {}
    declared = [(c["name"], c, _quick(c), bool(c.get("unique") or c.get("primaryKey"))) for c in columns]
    keys = {name: _declared_keys(columns, name) for name in KEYS}
    for row in rows:
        for name, known in keys.items():
            if row.has(name):
                for path, hint in unknown_keys(name, row.cell(name), known):
                    findings.append(row.finding(f"'{path}' is a key that nothing reads ({hint})"))
        for name, column, right, unique in declared:
            try:
                value = row.cell(name)
            except MalformedCell as problem:
                findings.append(row.finding(str(problem)))
                continue
            if not right(value):
                findings += [row.finding(reason) for reason in _violations(value, column, name)]
            if unique and value is not None:
                key = value if isinstance(value, str) else (json.dumps(value, sort_keys=True, default=str),)
                first = seen.setdefault((name, key), row)
                if first is not row:
                    findings.append(row.finding(f"'{name}' has the same value as row {first.number}"))
    return Outcome(len(rows), findings)


def _declared_keys(columns: Sequence[Mapping[str, Any]], name: str) -> frozenset[str]:
    """Return the keys that a contract declares for the objects of a column."""
    column: Mapping[str, Any] = next((c for c in columns if c["name"] == name), {})
    inner = column.get("properties") or column.get("items", {}).get("properties") or ()
    return frozenset(p["name"] for p in inner)


def _quick(column: Mapping[str, Any]) -> Callable[[Any], bool]:
    """Return a test that only values without a violation pass; most do, and it is far cheaper than listing the reasons."""
    kind = _TYPES[column["logicalType"]]
    exact, null_passes = kind[0], not (column.get("required") or column.get("primaryKey"))
    if "logicalTypeOptions" in column:
        return _quick_bounded(column, exact)
    if exact is list and "items" in column:
        item = _quick({"required": True, **column["items"]})
        return lambda value: all(map(item, value)) if type(value) is list else value is None and null_passes
    if exact is dict and column.get("properties"):
        inner = [(p["name"], _quick(p)) for p in column["properties"]]
        return lambda value: all(right(value.get(name)) for name, right in inner) if type(value) is dict else value is None and null_passes
    others = kind[1:]
    return lambda value: type(value) is exact or type(value) in others or (value is None and null_passes)


def _quick_bounded(column: Mapping[str, Any], kind: type) -> Callable[[Any], bool]:
    unbounded = _quick({key: value for key, value in column.items() if key != "logicalTypeOptions"})
    options = column["logicalTypeOptions"].items()
    bounds = [(_BOUNDS[option][1], bound) for option, bound in options if _BOUNDS[option][0] == _NOUNS.get(kind, "")]
    measure = len if kind in _NOUNS else lambda value: value
    return lambda value: unbounded(value) and (value is None or all(sign * measure(value) >= sign * bound for sign, bound in bounds))


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
        if noun == _NOUNS.get(type(value), ""):
            size = len(value) if noun else value
            if not sign * size >= sign * bound:
                yield f"'{name}' breaks {option} {bound}"
    if kind == "array" and "items" in column:
        items = {"required": True, **column["items"]}
        for i, item in enumerate(value):
            yield from _violations(item, items, f"{name}[{i}]")
    if kind == "object":
        for inner in column.get("properties", ()):
            yield from _violations(value.get(inner["name"]), inner, f"{name}.{inner['name']}")


COLUMNS_RULE = Rule("columns_as_declared", "Columns hold what the contract declares.", (), _run)
"""Its argument `columns`: the contract's declared columns."""
