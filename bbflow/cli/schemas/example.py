"""The schema of one example: a line of JSONL, a row of Parquet."""

from __future__ import annotations

from typing import Any

from bbflow.cli.schemas.from_types import object_schema
from bbflow.records import Example


def example_schema() -> dict[str, Any]:
    """Return the JSON Schema of an example record.

    In a table, whose columns have one type each, a constraint's `kwargs` are JSON text.
    """
    schema = object_schema(Example)
    constraint = schema["properties"]["constraints"]["items"]["properties"]
    constraint["kwargs"] = {"anyOf": [constraint["kwargs"], {"type": "string", "contentMediaType": "application/json"}]}
    return {"title": "bbflow example", **schema}
