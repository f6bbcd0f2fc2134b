"""The receipt of a contract run: hashes of everything the verdict rests on, written next to the data it was given for.

As long as no byte of data, contract, graph or rule code changed, training may go on without running the contract again.
Only bytes count; a modification time is never looked at.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bbflow.contracts.contract import Contract
from bbflow.contracts.verdict import Verdict
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.io.checksums import file_sha256, source_sha256

CODE_OF_RULES = (
    "records.py",
    "errors.py",
    "io/*.py",
    "graph/*.py",  # readers and packs are left out: the hash of the graph covers what they read
    "text/**/*",
    "contracts/**/*",
)
"""Globs, relative to the package, of every file that decides a verdict. A test compares them with the imports."""
_FORMAT = 2
_PACKAGES = ("bbflow", "great-expectations", "pandas", "numpy", "pyarrow", "networkx", "PyYAML")


def write_receipt(path: str | Path, verdict: Verdict, data: Sequence[str | Path], graph: KnowledgeGraph) -> None:
    """Writes the receipt of accepted data; call it last, when the data files are as training will read them.

    Args:
        path: Where to; data files are recorded relative to its folder, so that the folder can be moved.
        verdict: What the contract said of the rows, quarantined ones included.
        data: The files that hold the rows it accepted.
        graph: The graph the rules looked things up in.

    Raises:
        Refused: The verdict refuses the data.
    """
    verdict.raise_if_refused()
    path = Path(path)
    record = {
        **_facts(path, data, graph),
        "contract_sha256": verdict.contract.sha256,
        "contract_files": _contract_files(verdict.contract),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "verdict": _without_failures(verdict.to_json()),
    }
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    draft.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(path)


def check_receipt(path: str | Path, contract: str | Path, data: Sequence[str | Path], graph: KnowledgeGraph) -> list[str]:
    """Says why a receipt does not hold for data; an empty list means that the data may be trained on.

    Args:
        path: The receipt.
        contract: The contract file in use.
        data: The data files in use.
        graph: The graph in use.

    Returns:
        One sentence for each thing that changed, is missing or cannot be read.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        facts = _facts(path, data, graph)
    except FileNotFoundError as error:
        return [f"there is no '{error.filename}'"]
    except (OSError, ValueError) as error:
        return [f"the receipt '{path}' or what it speaks of cannot be read: {error}"]
    if not isinstance(record, dict) or not isinstance(record.get("verdict"), dict):
        return [f"'{path}' is no receipt"]
    stale = [f"{label} changed" for key, label in _LABELS.items() if record.get(key) != facts[key]]
    stale += _stale_contract(Path(contract), record.get("contract_files"))
    recorded = record.get("data")
    known, used = recorded if isinstance(recorded, dict) else {}, facts["data"]
    stale += [f"data file '{name}' was added or removed" for name in sorted(known.keys() ^ used.keys())]
    stale += [f"data file '{name}' changed" for name in sorted(known.keys() & used.keys()) if known[name] != used[name]]
    if record["verdict"].get("refused") is not False:
        stale.append("the receipt does not say that the data were accepted")
    return stale


def _contract_files(contract: Contract) -> dict[str, str]:
    """Returns the files of a contract, relative to its folder, with their hashes: it, what it extends, and data files it names."""
    folder = contract.path.resolve().parent
    return {Path(os.path.relpath(file, folder)).as_posix(): sha256 for file, sha256 in (contract.files or {}).items()}


def _stale_contract(contract: Path, recorded: Any) -> list[str]:
    """Says what changed of a contract; as long as its own bytes did not, no other file can have come to it."""
    folder = contract.resolve().parent
    if not isinstance(recorded, dict) or contract.resolve().name not in recorded:
        return ["the contract changed"]
    try:
        changed = [name for name, sha256 in sorted(recorded.items()) if file_sha256(folder / name) != sha256]
    except OSError as error:
        return [f"the contract changed: {error}"]
    return [f"the contract changed{'' if name == contract.resolve().name else f': {name}'}" for name in changed]


_LABELS = {
    "format": "the format of receipts",
    "graph_sha256": "the graph",
    "rules_sha256": "the code of the rules",
}


@cache
def rules_sha256() -> str:
    """Return the hash of the code that a verdict depends on."""
    return source_sha256(CODE_OF_RULES)


def _facts(path: Path, data: Sequence[str | Path], graph: KnowledgeGraph) -> dict[str, Any]:
    files = {Path(os.path.relpath(file, path.parent)).as_posix(): file_sha256(file) for file in data}
    return {
        "format": _FORMAT,
        "graph_sha256": graph.sha256,
        "rules_sha256": rules_sha256(),
        "data": files,
    }


def _without_failures(verdict: dict[str, Any]) -> dict[str, Any]:
    return {**verdict, "rules": [{k: v for k, v in rule.items() if k != "failures"} for rule in verdict["rules"]]}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
