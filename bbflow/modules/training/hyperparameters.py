"""Hyperparameters as plain data, so that a checkpoint loads with `weights_only` and holds no pickled object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def plain(value: Any) -> Any:
    """Return settings, and objects that a recipe could build, as the recipe would write them.

    >>> from bbflow.policies import PolicySettings
    >>> plain(PolicySettings())["path"]
    'tiny'
    """
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    arguments = {k: plain(v) for k, v in getattr(value, "__dict__", {}).items() if not k.startswith("_")}
    return {"class_path": f"{type(value).__module__}.{type(value).__qualname__}", "init_args": arguments}
