"""The example cache: Parquet files in a folder named by everything that determines them.

A folder appears under its final name only when it is complete, so a killed run leaves nothing that a later one could take
for data.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import bbflow

_UNFINISHED = ".unfinished"
_ABANDONED_S = 7 * 24 * 3600.0


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
    """Gives a temporary folder that takes the final name when the block ends without an error, and vanishes otherwise.

    What runs that were killed a week ago or earlier left beside it is removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".*{_UNFINISHED}"):
        with suppress(FileNotFoundError):  # another process may clear up too
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
    temporary = folder.with_name(f".{folder.name[:16]}-{secrets.token_hex(8)}{_UNFINISHED}")
    temporary.mkdir()  # as readable for others as any folder, which one of `tempfile` is not
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
