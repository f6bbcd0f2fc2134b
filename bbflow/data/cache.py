"""The example cache: Parquet files in a folder named by everything that determines them.

A folder appears under its final name only when it is complete, so a killed run leaves nothing that a later one could take
for data.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


@contextmanager
def completed(folder: Path) -> Iterator[Path]:
    """Gives a temporary folder that takes the final name when the block ends without an error, and vanishes otherwise."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name[:16]}-", dir=folder.parent))
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
