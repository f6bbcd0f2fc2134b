"""Several processes: collective operations other than gradient reduction, and parameters that FSDP shards.

Under FSDP the module is one unit, whole during `training_step` (rollouts, reference and learner included) and sharded outside of it.
Units inside it (`auto_wrap_policy`) are gathered layer by layer, in step on all ranks. That suits SFT, but not rollouts, whose lengths
differ between ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from bbflow.errors import Problem

T = TypeVar("T")


def all_gather_stack(trainer: Any, own: Tensor) -> Tensor:
    """Return the tensors of all W ranks, of one shape, as one of [W, ...] on the CPU; every rank must call it."""
    if trainer.world_size == 1:
        return own[None].cpu()
    own = own.to(trainer.strategy.root_device).contiguous()
    gathered = [torch.empty_like(own) for _ in range(trainer.world_size)]
    torch.distributed.all_gather(gathered, own)
    return torch.stack(gathered).cpu()


def all_gather_dict(trainer: Any, own: dict[str, T]) -> dict[str, T]:
    """Return the entries of all ranks, in the same order on each; every rank must call it.

    A distributed sampler gives some items out twice, so that every rank gets equally many: by key they count once.
    """
    if trainer.world_size == 1:
        return own
    parts: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(parts, own)
    return {key: value for part in parts for key, value in part.items()}


def is_fsdp(trainer: Any) -> bool:
    """Return whether a trainer shards parameters by FSDP."""
    from lightning.pytorch.strategies import FSDPStrategy

    return isinstance(trainer.strategy, FSDPStrategy)


def wrapping_problems(trainer: Any) -> list[Problem]:
    """List the settings of an FSDP strategy that would make ranks wait for one another for ever."""
    if not is_fsdp(trainer) or trainer.strategy.kwargs.get("auto_wrap_policy") is None:
        return []
    what = "layers that are gathered one by one need the same passes on every rank, and rollouts of unlike length are other passes"
    return [Problem(what, "trainer.strategy", "leave `auto_wrap_policy` out: the policy is then one unit, gathered once per step")]


@contextmanager
def whole_parameters(trainer: Any) -> Iterator[None]:
    """Gather the parameters on every rank, to be read outside of `training_step`; every rank must enter."""
    if not is_fsdp(trainer):
        yield
        return
    from torch.distributed.fsdp import FullyShardedDataParallel

    with FullyShardedDataParallel.summon_full_params(trainer.strategy.model, writeback=False):
        yield


def total_norm(trainer: Any, gradients: list[Tensor]) -> Tensor:
    """Return the norm of the whole gradient, of which this rank may hold a shard."""
    norm = torch.nn.utils.get_total_norm(gradients)
    return trainer.strategy.reduce(norm.square(), reduce_op="sum").sqrt() if is_fsdp(trainer) else norm
