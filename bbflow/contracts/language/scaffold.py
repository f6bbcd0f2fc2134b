"""A first contract for data that have none: columns as they are, and the rules that these columns can feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bbflow.contracts.engine.rule import RULES, Rule

_LIST, _NAMES = "logicalType: array", "logicalType: array, items: {logicalType: string}"
_SHAPES = {
    "messages": _LIST, "recommended": _LIST, "edges": _LIST, "constraints": _LIST, "options": _NAMES, "entities": _NAMES,
    "workflow": _NAMES, "capabilities": _NAMES, "patient.conditions": _NAMES, "patient.medications": _NAMES, "patient.allergies": _NAMES,
    "patient.age": "logicalType: integer", "patient.egfr": "logicalType: number", "patient.pregnant": "logicalType: boolean",
}  # fmt: skip
"""Columns that rules know, to the shape that they are read as: a table of texts holds them as texts."""
_CAREFUL = {"safety of recommendations", "safety of the text", "truth", "privacy"}
_CAUTIONS = ("needs_no_caution", "text_needs_no_caution")  # a caution is no ban: such rows are set aside
_FEW = 20


def scaffold(rows: Sequence[Mapping[str, Any]], id: str, schema: str, source: str, physical: Mapping[str, str] | None = None) -> str:
    """Write the text of a contract.

    Rules that need arguments which only the owner knows, or columns that the data lack, are written as comments.

    Args:
        rows: The data, columns already under the names that bbflow uses.
        id: Id of the contract.
        schema: Path or URL of the JSON Schema, for editors.
        source: Name of the data, for the comment.
        physical: What the data call a column, to its name in `rows`.
    """
    given = list(dict.fromkeys(name for row in rows for name in row))
    columns = list(dict.fromkeys("patient" if name.startswith("patient.") else name for name in given))
    rules = [rule for rule in RULES.values() if rule.group not in ("graphs", "preference pairs")]
    ready = [rule for rule in rules if set(rule.columns) <= set(columns) and not rule.required]
    groups = dict.fromkeys(rule.group for rule in ready)
    return "\n".join(
        [
            *_head(rows, id, schema, source),
            *_declared(given, rows, {name: given for given, name in (physical or {}).items()}),
            "    quality:",
            *(line for group in groups for line in _group(group, [rule for rule in ready if rule.group == group])),
            "",
            "      # Not used yet:",
            *(f"      #   {rule.name}: needs {_needs(rule, columns)}. {rule.summary}" for rule in rules if rule not in ready),
            "",
        ]
    )


def _head(rows: Sequence[Mapping[str, Any]], id: str, schema: str, source: str) -> list[str]:
    return [
        f"# yaml-language-server: $schema={schema}",
        f"# Drafted from {source} ({len(rows)} rows): a start, to be read, cut and sharpened by the people who know the data.",
        "# `bbflow contracts explain` says in plain English what it demands; docs/contracts.md tells how to edit it.",
        "apiVersion: v3.1.0",
        "kind: DataContract",
        f"id: {id}",
        "version: 0.1.0",
        "status: draft",
        "customProperties:",
        "  - {property: maxQuarantineFraction, value: 0.01}",
        '  - {property: owner, value: ""}   # who answers for it',
        "schema:",
        "  - name: examples",
        "    logicalType: object",
        "    properties:",
    ]


def _declared(given: Sequence[str], rows: Sequence[Mapping[str, Any]], called: Mapping[str, str]) -> list[str]:
    """Return the lines of the columns; those of a flat patient come last, as properties of one column."""
    inside = [name for name in given if name.startswith("patient.")]
    lines = [f"      - {_column(name, rows, called)}" for name in given if name not in inside and (name != "patient" or not inside)]
    if inside:
        lines += ["      - name: patient", "        logicalType: object", "        properties:"]
    return lines + [f"          - {_column(name, rows, called)}" for name in inside]


def _group(group: str, rules: list[Rule]) -> list[str]:
    lines = [f"      # {group.capitalize()}"]
    for rule in rules:
        severity = "critical" if group in _CAREFUL and rule.name not in _CAUTIONS else "warning"
        lines += [
            f"      - id: {rule.name.replace('_', '-')}",
            f"        name: {_quoted(rule.summary.rstrip('.'))}",
            "        type: custom",
            "        engine: greatExpectations",
            f"        implementation: {{type: {rule.name}}}",
            f"        severity: {severity}",
            "        customProperties: [{property: onEmpty, value: pass}]",
        ]
    return lines


def _needs(rule: Rule, columns: list[str]) -> str:
    missing = [f"column '{name}'" for name in rule.columns if name not in columns]
    return " and ".join([*missing, *(f"the argument '{name}'" for name in rule.required)])


def _column(path: str, rows: Sequence[Mapping[str, Any]], called: Mapping[str, str]) -> str:
    values = [row.get(path) for row in rows]
    present, name = [value for value in values if value is not None], path.rpartition("patient.")[2]
    physical = f", physicalName: {_quoted(called[path])}" if called.get(path, path) != path else ""
    named = f"name: {name if name.isidentifier() else _quoted(name)}{physical}"
    if path in _SHAPES:
        return (
            f"{{{named}, {_SHAPES[path]}{', required: true' if _SHAPES[path] in (_LIST, _NAMES) and len(present) == len(values) else ''}}}"
        )
    kind = _kind(present)
    required = ", required: true" if len(present) == len(values) else ""
    items = f", items: {{logicalType: {_kind([v for value in present for v in value if v is not None])}}}" if kind == "array" else ""
    counts = {value for value in present if isinstance(value, str)} if kind == "string" else set()
    few = f", examples: [{', '.join(_quoted(v) for v in sorted(counts))}]" if 1 < len(counts) <= 6 and len(present) >= _FEW else ""
    return f"{{{named}, logicalType: {kind}{required}{items}{few}}}"


def _kind(values: Sequence[Any]) -> str:
    types = {
        "boolean" if isinstance(v, bool) else "integer" if isinstance(v, int) else "number" if isinstance(v, float) else
        "array" if isinstance(v, list) else "object" if isinstance(v, dict) else "string" for v in values
    }  # fmt: skip
    if types == {"integer", "number"}:
        return "number"
    return types.pop() if len(types) == 1 else "string"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
