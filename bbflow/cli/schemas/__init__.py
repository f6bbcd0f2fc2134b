"""JSON Schemas of the files that bbflow reads and writes, generated from the code that reads and writes them."""

from bbflow.cli.schemas.registry import SCHEMAS, schema_text

__all__ = ["SCHEMAS", "schema_text"]
