"""FSDP cuts parameters and gradients into shards: what has to be done while they are whole, or over the shards of all ranks.

The module is one unit, whole during `training_step` (rollouts, reference and learner included) and sharded outside of it. Units inside it
(`auto_wrap_policy`) are gathered layer by layer, in step on all ranks. SFT is, rollouts of unlike length are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from bbflow.errors import Problem


def is_fsdp(trainer: Any) -> bool:
    """Tells whether a trainer shards parameters by FSDP."""
    from lightning.pytorch.strategies import FSDPStrategy

    return isinstance(trainer.strategy, FSDPStrategy)


def wrapping_problems(trainer: Any) -> list[Problem]:
    """Lists what in an FSDP strategy would make ranks wait for one another for ever."""
    if not is_fsdp(trainer) or trainer.strategy.kwargs.get("auto_wrap_policy") is None:
        return []
    what = "layers that are gathered one by one need the same passes on every rank, and rollouts of unlike length are other passes"
    return [Problem(what, "trainer.strategy", "leave `auto_wrap_policy` out: the policy is then one unit, gathered once per step")]


@contextmanager
def whole_parameters(trainer: Any) -> Iterator[None]:
    """Gathers the parameters on every rank, to be read outside of `training_step`; all ranks must enter."""
    if not is_fsdp(trainer):
        yield
        return
    from torch.distributed.fsdp import FullyShardedDataParallel

    with FullyShardedDataParallel.summon_full_params(trainer.strategy.model, writeback=False):
        yield


def total_norm(trainer: Any, gradients: list[Tensor]) -> Tensor:
    """Length of the gradient, whatever part of it this rank holds."""
    norm = torch.nn.utils.get_total_norm(gradients)
    return trainer.strategy.reduce(norm.square(), reduce_op="sum").sqrt() if is_fsdp(trainer) else norm
