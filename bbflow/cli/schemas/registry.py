"""The schemas by name."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

SCHEMAS = {
    "recipe": "bbflow.cli.schemas.recipe:recipe_schema",
    "example": "bbflow.cli.schemas.example:example_schema",
    "graph": "bbflow.cli.schemas.graph:graph_schema",
    "data_contract": "bbflow.contracts.language.json_schema:data_contract_schema",
    "report": "bbflow.cli.schemas.report_json:report_schema",
}
"""Name to the function that makes the schema; imported when asked for."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text(name: str) -> str:
    """Return a schema as the text of its file.

    Args:
        name: A key of `SCHEMAS`.
    """
    module, function = SCHEMAS[name].split(":")
    schema: dict[str, Any] = getattr(import_module(module), function)()
    return json.dumps({"$schema": DIALECT, **schema}, indent=2, ensure_ascii=False) + "\n"
