"""Provenance of a report: versions, hashes of items, and the memory that the run used."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bbflow import __version__
from bbflow.records import Example

PACKAGES = ("torch", "lightning", "transformers", "peft", "datasets", "great-expectations", "numpy", "scipy")


def versions() -> dict[str, str]:
    """Return the versions of bbflow, Python and the packages that results depend on, of those that are installed."""
    found = {"bbflow": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def items_sha256(examples: Iterable[Example]) -> str:
    """Hashes which items were scored, ids, questions, options and answers, independent of their order."""
    items = (json.dumps([e.example_id, e.messages, e.options, e.answer, e.accepted, e.constraints]) for e in examples)
    return hashlib.sha256("\n".join(sorted(items)).encode()).hexdigest()


def peak_memory_bytes(device: Any = None) -> int:
    """Return the most memory used so far: of the accelerator where one is used, else of this process."""
    import torch

    if device is not None and torch.device(device).type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
