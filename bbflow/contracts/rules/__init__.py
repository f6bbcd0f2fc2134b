"""The rules that ship, one file each or a few small relatives: `answer/`, `dataset/`, `graph/`, `safety/`.

To add a rule, copy a file (`answer/response_not_empty.py` for single rows, `dataset/no_duplicates.py` for all rows together) into one of
the folders; every module here is loaded. Add a test to `tests/contracts/test_rules.py`, cases to `benchmarks/contract_mutations/`, an entry
with accept and reject rows to a contract, and the name to the table in `docs/contracts.md`. Nothing outside this folder can become
a rule, so that a contract remains data.
"""

from __future__ import annotations

import importlib
import pkgutil

for _module in sorted(module.name for module in pkgutil.walk_packages(__path__, f"{__name__}.")):
    importlib.import_module(_module)
