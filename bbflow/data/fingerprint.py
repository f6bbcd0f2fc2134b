"""The fingerprint of generated data: one hash of the settings and of the code that turn a graph into examples.

The folder of cached examples is named by it, so data made by other settings or by other code are never read as these.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from bbflow.io.checksums import file_sha256, source_sha256

CODE_THAT_DECIDES = (
    "records.py",
    "errors.py",
    "io/*.py",
    "graph/*.py",  # readers and packs are left out: the hash of the graph covers what they read
    "text/**/*",
    "policies/*.py",  # a language model may paraphrase prompts and grade difficulty
    "policies/rollouts/*.py",
    "policies/tiny/*",
    "synthesis/**/*",
    "contracts/**/*",
    "rewards/advice_reader.py",  # the rewards judge answerability and preference pairs
    "rewards/base.py",
    "rewards/correctness.py",
    "rewards/ifeval_verifiers.py",
    "rewards/instructions.py",
    "rewards/reasoning.py",
    "rewards/workflow.py",
    "data/*.py",
)
"""Globs, relative to the package, of every file that decides a byte of the data. A test compares them with the imports."""


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return the hash of settings and of the code that turns them into examples.

    Args:
        settings: JSON-serialisable; all settings that determine the examples.
    """
    return hashlib.sha256(f"{json.dumps(settings, sort_keys=True)}\0{_code_sha256()}".encode()).hexdigest()


@cache
def _code_sha256() -> str:
    return source_sha256(CODE_THAT_DECIDES)


def class_settings(value: object, settings: Mapping[str, Any]) -> list[Any]:
    """Return what identifies an object of a recipe: its class, its settings and, where the class is custom, the hash of its module."""
    cls = type(value)
    source = None if cls.__module__.startswith("bbflow.") else getattr(sys.modules.get(cls.__module__), "__file__", None)
    return [cls.__module__, cls.__qualname__, settings, *([] if source is None else [file_sha256(source)])]
