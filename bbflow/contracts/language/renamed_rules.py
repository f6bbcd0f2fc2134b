"""Former names of rules, which contracts may use until the next release."""

from __future__ import annotations

import sys

from bbflow.io.yaml import YamlFile

RENAMED_RULES = {"no_drug_against_renal_function": "no_renal_contraindication"}
"""Former name to present name."""

_noted: set[str] = set()


def use_present_names(file: YamlFile) -> None:
    """Replace former rule names in a contract, and note each on stderr once with its file and line."""
    tables = file.data.get("schema") if isinstance(file.data, dict) else None
    table = tables[0] if isinstance(tables, list) and tables and isinstance(tables[0], dict) else {}
    entries = table.get("quality")
    for i, entry in enumerate(entries if isinstance(entries, list) else ()):
        implementation = entry.get("implementation") if isinstance(entry, dict) else None
        if not isinstance(implementation, dict):
            continue
        former = implementation.get("type")
        if not isinstance(former, str) or former not in RENAMED_RULES:
            continue
        implementation["type"] = present = RENAMED_RULES[former]
        where = file.where("schema", 0, "quality", i, "implementation", "type")
        if where not in _noted:
            _noted.add(where)
            sys.stderr.write(f"note: {where}: rule `{former}` is called `{present}` now; the old name works in this release\n")
