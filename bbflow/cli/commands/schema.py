"""`bbflow schema`: the JSON Schemas of bbflow's files."""

from __future__ import annotations

from bbflow.cli.schemas import SCHEMAS, schema_text
from bbflow.errors import InputError, Problem, did_you_mean


def schema(name: str) -> None:
    """Print the JSON Schema of a file format.

    Args:
        name: `recipe`, `example`, `graph`, `data_contract` or `report`.

    Raises:
        InputError: There is no such schema.
    """
    if name not in SCHEMAS:
        raise InputError(Problem(f"there is no schema '{name}'", "", did_you_mean(name, SCHEMAS)))
    print(schema_text(name), end="")  # noqa: T201
