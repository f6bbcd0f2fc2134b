"""Order of the training examples: reshuffled every epoch, reproducible, and resumable within an epoch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DistributedSampler

_BATCHES_IN_A_POOL = 16


class TrainingOrder(DistributedSampler[int]):
    """Order of the examples that a process trains on; a function of seed and epoch alone.

    With lengths, examples are sorted by them within pools of a few batches, and the batches of each pool shuffled: padding falls, and
    every batch is still a random draw from its pool. Processes take turns, so that their batches of one step are of similar length
    too. The global random generator is not used, so that other draws from it do not change the order.

    A resumed run passes the number of batches of the epoch that are `done`, and continues with the next.

    >>> whole, rest = TrainingOrder(10, 3, seed=1), TrainingOrder(10, 3, seed=1, done=2)
    >>> list(rest)[:4] == list(whole)[6:]
    True

    Args:
        size: Number of examples.
        batch_size: Examples of one process in a batch.
        seed: Seed of the run; equal on all processes.
        lengths: Length of each example, in any unit; None for a plain shuffle.
        rank: Number of this process.
        world_size: Number of processes.
        epoch: First epoch; Lightning sets the later ones.
        done: Number of batches of that epoch that the run has already trained on.
    """

    def __init__(
        self, size: int, batch_size: int, seed: int, lengths: Sequence[int] | None = None, rank: int = 0, world_size: int = 1,
        epoch: int = 0, done: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(range(size), num_replicas=world_size, rank=rank, seed=seed)  # type: ignore[arg-type]
        self.size, self.batch_size, self.lengths, self.done = size, batch_size, lengths, done
        self.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        """Yield the examples of this process; those of the batches that are done come last, once."""
        generator = torch.Generator().manual_seed(seed_of(self.seed, self.epoch))
        order = torch.randperm(self.size, generator=generator).tolist()
        if self.lengths is not None:
            order = self._grouped(order, self.lengths, generator)
        order = (order * (1 + self.total_size // max(1, self.size)))[: self.total_size]  # as many for every process
        own = order[self.rank :: self.num_replicas]
        start, self.done = self.done * self.batch_size, 0
        if start + self.batch_size > len(own):  # the epoch is over
            start = 0
        return iter(own[start:] + own[:start])

    def _grouped(self, order: list[int], lengths: Sequence[int], generator: torch.Generator) -> list[int]:
        size, grouped = self.batch_size * self.num_replicas, []
        for first in range(0, len(order), size * _BATCHES_IN_A_POOL):
            pool = sorted(order[first : first + size * _BATCHES_IN_A_POOL], key=lambda i: lengths[i])
            batches = [pool[i : i + size] for i in range(0, len(pool), size)]
            whole = [batch for batch in batches if len(batch) == size]
            for i in torch.randperm(len(whole), generator=generator).tolist():
                grouped += whole[i]
            grouped += [i for batch in batches if len(batch) < size for i in batch]
        return grouped


def training_order(trainer: Any, size: int, batch_size: int, lengths: Sequence[int] | None = None) -> TrainingOrder:
    """Return the order of a trainer's run from its present position; without a trainer, that of the first process of a new run."""
    world_size = 1 if trainer is None else trainer.world_size
    # A single process uses torch's seed; several processes must agree, and use the seed that Lightning passes to all of them.
    seed = torch.initial_seed() if world_size == 1 else int(os.environ.get("PL_GLOBAL_SEED", "0"))
    if trainer is None:
        return TrainingOrder(size, batch_size, seed, lengths)
    loop = trainer.fit_loop
    done = loop.epoch_loop.batch_progress.current.processed if loop.restarting else 0
    return TrainingOrder(size, batch_size, seed, lengths, trainer.global_rank, world_size, trainer.current_epoch, done)


def seed_of(*place: int) -> int:
    """Return a seed for a position in a run: the run's seed, then rank, epoch, batch or other numbers that identify the position."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, place)).encode()).digest()[:7], "big")
