"""The example cache: Parquet files in a folder named by everything that determines them.

A folder appears under its final name only when it is complete, so a killed run leaves nothing that a later one could take
for data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bbflow


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Hashes settings together with the code that turns them into examples.

    Args:
        settings: JSON-serialisable; whatever determines the examples.
    """
    root = Path(bbflow.__file__).parent
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    code = [root / "records.py", *sorted((root / "synthesis").rglob("*")), *sorted((root / "contracts").rglob("*.py"))]
    for file in code:
        if file.suffix in (".py", ".yaml"):
            digest.update(str(file.relative_to(root)).encode() + file.read_bytes())
    return digest.hexdigest()
