"""Writes every schema into the `schemas` folder of the clone: `make schemas`."""

from pathlib import Path

from bbflow.cli.schemas import SCHEMAS, schema_text

if __name__ == "__main__":
    for name in SCHEMAS:
        Path("schemas", f"{name}.schema.json").write_text(schema_text(name), encoding="utf-8")
