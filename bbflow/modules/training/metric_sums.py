"""Weighted means for logging, accumulated over micro-batches and reduced over ranks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

Number = Tensor | float


class MetricSums:
    """Sums of values with their counts of tokens or completions, by name.

    Every rank uses the same names in the same order, so that one reduction adds them up: a rank with nothing to add uses the name too,
    with a count of zero.

    Args:
        names: Names that are used from the start.

    Example:
        >>> sums = MetricSums(["loss"])
        >>> sums.add("length", 12.0, 2)
        >>> sums.add("length", 3.0, 1)
        >>> sums.means()
        {'length': 5.0}
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._parts: dict[str, list[tuple[Number, Number]]] = {name: [] for name in names}

    def add(self, name: str, total: Number, count: Number) -> None:
        """Add a sum over `count` tokens or completions; tensors are read in `totals`, so that adding does not wait for the device."""
        total, count = (value.detach() if isinstance(value, Tensor) else value for value in (total, count))
        self._parts.setdefault(name, []).append((total, count))

    def totals(self, trainer: Any = None) -> dict[str, tuple[float, float]]:
        """Return sums and counts, over all ranks of a trainer where one is given; every rank must call it."""
        own = [[sum(float(part[i]) for part in parts) for i in (0, 1)] for parts in self._parts.values()]
        if trainer is not None and trainer.world_size > 1 and own:
            device = trainer.strategy.root_device
            own = trainer.strategy.reduce(torch.tensor(own, dtype=torch.float64, device=device), reduce_op="sum").tolist()
        return {name: (total, count) for name, (total, count) in zip(self._parts, own, strict=True)}

    def means(self, trainer: Any = None) -> dict[str, float]:
        """Return sums over counts; names with a count of zero are left out."""
        return {name: total / count for name, (total, count) in self.totals(trainer).items() if count}
