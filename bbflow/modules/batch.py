"""Batch of a data loader: examples, and tensors where the module prepares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from bbflow.records import Example


class Batch:
    """Examples with tensors by name. Not a dataclass: Lightning walks into those and trips over the frozen records.

    Attributes:
        examples: The records, in order.
        tensors: Tensors by name, made by the module's `collate`.
    """

    def __init__(self, examples: list[Example], tensors: Mapping[str, Tensor] | None = None) -> None:
        self.examples = examples
        self.tensors = dict(tensors or {})

    def to(self, device: Any, **kwargs: Any) -> Batch:
        """Move the tensors; Lightning calls this."""
        return Batch(self.examples, {name: tensor.to(device, **kwargs) for name, tensor in self.tensors.items()})

    def pin_memory(self) -> Batch:
        """Pin the tensors, for loaders with `pin_memory`."""
        return Batch(self.examples, {name: tensor.pin_memory() for name, tensor in self.tensors.items()})

    def __len__(self) -> int:
        return len(self.examples)
