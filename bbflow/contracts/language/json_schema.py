"""The JSON Schemas of data contracts and of the report of a verdict, generated from the code.

A contract is checked against the very schema that editors use, so the two cannot disagree.
"""

from __future__ import annotations

from typing import Any

import bbflow.contracts.rules  # noqa: F401  (fills the registry)
from bbflow.contracts.engine.rule import RULES, Rule
from bbflow.contracts.language.expectations import EXPECTATIONS

SEVERITIES = ("critical", "warning", "info")
ACTIONS = {"critical": ("refuse", "quarantine"), "warning": ("quarantine", "refuse"), "info": ("report",)}
"""What may follow a failure, by severity; the first is what follows unless the rule's `onFailure` says otherwise."""

TABLES = ("examples", "preferences", "graph")
"""Subjects of a contract: examples, preference pairs, or the nodes and edges of a graph."""

DIMENSIONS = ("accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness")
LOGICAL_TYPES = ("string", "integer", "number", "boolean", "array", "object")
_ID = r"^[A-Za-z0-9_-]+$"
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_ANYTHING: dict[str, Any] = {}


def data_contract_schema() -> dict[str, Any]:
    """Return the JSON Schema of a data contract: bbflow's profile of the Open Data Contract Standard 3.1."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bbflow data contract",
        "description": "A profile of the Open Data Contract Standard 3.1; rules come from a closed set and nothing else is executed.",
        **_object(
            {
                "apiVersion": {"enum": ["v3.1.0"]},
                "kind": {"enum": ["DataContract"]},
                "id": {**_TEXT, "minLength": 1},
                "version": _TEXT,
                "status": {"enum": ["proposed", "draft", "active", "deprecated", "retired"]},
                "schema": {"type": "array", "items": _table(), "minItems": 1, "maxItems": 1},
                "name": _TEXT,
                "tenant": _TEXT,
                "domain": _TEXT,
                "dataProduct": _TEXT,
                "contractCreatedTs": _TEXT,
                "tags": _TEXTS,
                "description": {"type": "object"},
                "customProperties": _custom(
                    {
                        "maxQuarantineFraction": {"type": "number", "minimum": 0, "maximum": 1},
                        "maxNotUnderstoodFraction": {"type": "number", "minimum": 0, "maximum": 1},
                        "extends": {**_TEXT, "minLength": 1},
                        "owner": _TEXT,
                        "testRow": {"type": "object"},
                    }
                ),
                **dict.fromkeys(("servers", "support", "price", "team", "roles", "slaProperties", "authoritativeDefinitions"), _ANYTHING),
            },
            ("apiVersion", "kind", "id", "version", "status", "schema"),
        ),
        **_WHOLE_ENTRIES,
        "$defs": {**_columns(), "entry": {"type": "object", "required": ["id", "type", "engine", "implementation", "severity"]}},
    }


_EXTENDS = {
    "customProperties": {
        "type": "array",
        "contains": {"type": "object", "properties": {"property": {"enum": ["extends"]}}, "required": ["property"]},
    }
}
_WHOLE_ENTRIES = {
    "if": {"properties": _EXTENDS, "required": ["customProperties"]},
    "then": {},
    "else": {
        "properties": {
            "schema": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"quality": {"type": "array", "items": {"$ref": "#/$defs/entry"}, "minItems": 1}},
                    "required": ["quality"],
                },
            }
        }
    },
}
"""Only in a contract that extends another may an entry of `quality` be partial: it changes the inherited one of its id."""


def verdict_schema() -> dict[str, Any]:
    """Return the JSON Schema of `Verdict.to_json`, the `report.json` of a validation."""
    count = {"type": "integer", "minimum": 0}
    span = {"type": ["array", "null"], "items": count, "minItems": 2, "maxItems": 2}
    edges = {"type": "array", "items": {**_TEXTS, "minItems": 3, "maxItems": 3}}
    row = {"type": ["integer", "null"], "minimum": 0}
    outcome = {"enum": ["fails", "not understood"]}
    failure = _closed({"example_id": _TEXT, "row": row, "outcome": outcome, "reason": _TEXT, "column": _TEXT, "span": span, "edges": edges})
    result = _closed(
        {
            "id": _TEXT,
            "name": _TEXT,
            "rule": _TEXT,
            "severity": {"enum": list(SEVERITIES)},
            "dimension": _TEXT,
            "tags": _TEXTS,
            "on_failure": {"enum": ["refuse", "quarantine", "report"]},
            "verdict": {"enum": ["pass", "refuse", "quarantine", "report"]},
            "evaluated": count,
            "failing": count,
            "not_understood": count,
            "error": _TEXT,
            "owner": _TEXT,
            "failures": {"type": "array", "items": failure},
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of a data contract",
        **_closed(
            {
                "contract": _closed({"id": _TEXT, "version": _TEXT, "sha256": _TEXT}),
                "graph": _closed({"name": _TEXT, "version": _TEXT, "sha256": _TEXT}),
                "rows": count,
                "accepted": count,
                "quarantined": count,
                "not_understood": count,
                "max_quarantine_fraction": {"type": "number"},
                "max_not_understood_fraction": {"type": "number"},
                "refused": {"type": "boolean"},
                "refusals": _TEXTS,
                "rules": {"type": "array", "items": result},
            }
        ),
    }


def _table() -> dict[str, Any]:
    properties = {
        "name": {"enum": list(TABLES)},
        "logicalType": {"enum": ["object"]},
        "properties": {"type": "array", "items": {"$ref": "#/$defs/column"}},
        "quality": {"type": "array", "items": _quality()},
        **dict.fromkeys(("id", "physicalName", "physicalType", "description", "businessName", "dataGranularityDescription"), _TEXT),
        "tags": _TEXTS,
    }
    return _object(properties, ("name",))


def _columns() -> dict[str, Any]:
    """A declared column, and the items of one that is an array."""
    count, number = {"type": "integer", "minimum": 0}, {"type": "number"}
    options = {"minLength": count, "maxLength": count, "minItems": count, "maxItems": count, "minimum": number, "maximum": number}
    shared = {
        "logicalType": {"enum": list(LOGICAL_TYPES)},
        "logicalTypeOptions": _object(options),
        "items": {"$ref": "#/$defs/items"},
        "properties": {"type": "array", "items": {"$ref": "#/$defs/column"}},
        "required": {"type": "boolean"},
        "examples": {"type": "array"},
        "tags": _TEXTS,
        **dict.fromkeys(("id", "physicalName", "physicalType", "description", "businessName", "classification"), _TEXT),
    }
    column = {"name": {**_TEXT, "minLength": 1}, **shared, "unique": {"type": "boolean"}, "primaryKey": {"type": "boolean"}}
    return {"column": _object(column, ("name", "logicalType")), "items": _object(shared, ("logicalType",))}


def _quality() -> dict[str, Any]:
    known = {**RULES, **EXPECTATIONS}
    case = {"type": "object", "properties": {"rows": {"type": "array", "items": {"type": "object"}, "minItems": 1}, "why": _TEXT}}
    cases = {"type": "array", "items": case, "minItems": 1}
    settings: dict[str, dict[str, Any]] = {
        "onFailure": {"enum": ["refuse", "quarantine", "report"]},
        "onEmpty": {"enum": ["refuse", "pass"]},
        "owner": _TEXT,
        "disabled": {**_TEXT, "minLength": 1},
        "accept": cases,
        "reject": cases,
    }
    return _object(
        {
            "id": {**_TEXT, "pattern": _ID},
            "type": {"enum": ["custom"]},
            "engine": {"enum": ["greatExpectations"]},
            "implementation": {
                **_object({"type": {"enum": sorted(known)}, "kwargs": {"type": "object"}}, ("type",)),
                "allOf": [_kwargs_of(rule) for _, rule in sorted(known.items())],
            },
            "severity": {"enum": list(SEVERITIES)},
            "dimension": {"enum": list(DIMENSIONS)},
            "customProperties": _custom(settings),
            "tags": _TEXTS,
            **dict.fromkeys(("name", "description", "businessImpact", "method", "schedule", "scheduler", "unit"), _TEXT),
            "authoritativeDefinitions": _ANYTHING,
        },
        ("id",),
    )


def _kwargs_of(rule: Rule) -> dict[str, Any]:
    """When the type is this rule's, `kwargs` are this rule's arguments."""
    needs = ["kwargs"] if rule.required else []
    then = {"properties": {"kwargs": _object(dict(rule.parameters), rule.required)}, "required": needs}
    return {"if": {"properties": {"type": {"enum": [rule.name]}}, "required": ["type"]}, "then": then}


def _custom(values: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A list of {property, value} in which the properties are bbflow's own."""
    typed = [
        {"if": {"properties": {"property": {"enum": [name]}}, "required": ["property"]}, "then": {"properties": {"value": schema}}}
        for name, schema in values.items()
    ]
    item = _object({"property": {"enum": list(values)}, "value": _ANYTHING, "description": _TEXT, "id": _TEXT}, ("property", "value"))
    return {"type": "array", "items": {**item, "allOf": typed}}


def _object(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return _object(properties, tuple(properties))
