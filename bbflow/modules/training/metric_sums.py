"""What a step adds up to be logged as means: over its micro-batches, and over the batches of all ranks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

Number = Tensor | float


class MetricSums:
    """Values and how many tokens or completions they stand for, by name.

    Every rank names the same ones in the same order, so that one reduction adds them up: a rank with nothing to add has named them all
    the same, with a count of zero.

    Args:
        names: Named from the start.

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
        """Adds a sum over `count` tokens or completions; tensors are read when all is summed up, so that no step waits for them."""
        total, count = (value.detach() if isinstance(value, Tensor) else value for value in (total, count))
        self._parts.setdefault(name, []).append((total, count))

    def totals(self, trainer: Any = None) -> dict[str, tuple[float, float]]:
        """Sums and counts, over all ranks of a trainer where one is given; all of them must ask."""
        own = [[sum(float(part[i]) for part in parts) for i in (0, 1)] for parts in self._parts.values()]
        if trainer is not None and trainer.world_size > 1 and own:
            device = trainer.strategy.root_device
            own = trainer.strategy.reduce(torch.tensor(own, dtype=torch.float64, device=device), reduce_op="sum").tolist()
        return {name: (total, count) for name, (total, count) in zip(self._parts, own, strict=True)}

    def means(self, trainer: Any = None) -> dict[str, float]:
        """Sums over counts; what counts nothing stays out."""
        return {name: total / count for name, (total, count) in self.totals(trainer).items() if count}
