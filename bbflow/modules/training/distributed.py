"""What ranks have to tell one another beside gradients."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def all_gather_stack(trainer: Any, own: Tensor) -> Tensor:
    """Puts the tensors of all W ranks, of one shape, into one of [W, ...] on the CPU; all of them must ask."""
    if trainer.world_size == 1:
        return own[None].cpu()
    own = own.to(trainer.strategy.root_device).contiguous()
    gathered = [torch.empty_like(own) for _ in range(trainer.world_size)]
    torch.distributed.all_gather(gathered, own)
    return torch.stack(gathered).cpu()


def all_gather_dict(trainer: Any, own: dict[str, T]) -> dict[str, T]:
    """Joins what every rank knows by key, in the same order on each; all of them must ask.

    A distributed sampler gives some items out twice, so that every rank gets equally many: by key they count once.
    """
    if trainer.world_size == 1:
        return own
    parts: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(parts, own)
    return {key: value for part in parts for key, value in part.items()}
