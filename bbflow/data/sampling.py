"""The order of training examples: shuffled anew every epoch, with examples of like length in one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

_BATCHES_IN_A_POOL = 16


class LengthGroupedSampler(Sampler[int]):
    """Shuffles, then sorts by length within pools of a few batches, then shuffles the batches of each pool.

    Padding falls, and every batch is still a random draw of its pool. The order is drawn from torch's global generator, which
    the recipe's seed sets and checkpoints restore.

    Args:
        lengths: Length of each example, in any unit.
        batch_size: Examples in a batch.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int) -> None:
        self.lengths, self.batch_size = lengths, batch_size

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(len(self.lengths)).tolist()
        size = self.batch_size * _BATCHES_IN_A_POOL
        for start in range(0, len(order), size):
            pool = sorted(order[start : start + size], key=lambda i: self.lengths[i])
            batches = [pool[i : i + self.batch_size] for i in range(0, len(pool), self.batch_size)]
            whole = [batch for batch in batches if len(batch) == self.batch_size]
            for i in torch.randperm(len(whole)).tolist():
                yield from whole[i]
            yield from (i for batch in batches if len(batch) < self.batch_size for i in batch)
