"""Sampling of tokens by the inverse of the distribution function, from one uniform number each."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 512
WHOLE = 16384
"""Vocabularies up to this are summed up at once, larger ones block by block."""


def draw(probabilities_NV: Tensor, uniform_N: Tensor) -> Tensor:
    """Return the first token whose cumulative probability exceeds its row's uniform number.

    A completion is then a function of its uniform numbers alone, independent of the other rows of the batch; and no random number is
    spent on tokens that are not taken (a V-fold saving over exponential races such as `torch.multinomial`).

    Of a large vocabulary only the sums of blocks are accumulated, and then the words of one block: a cumulative sum over all words, in
    float64, costs a multiple of reading the probabilities.

    Args:
        probabilities_NV: Not negative; rows need not sum to one exactly.
        uniform_N: Float64 in [0, 1).

    Returns:
        [N] token ids; none has probability 0. Of a row that is not finite, any token.

    >>> draw(torch.tensor([[0.5, 0.0, 0.5]]).repeat(3, 1), torch.tensor([0.0, 0.49, 0.5], dtype=torch.float64)).tolist()
    [0, 0, 2]
    """
    size = probabilities_NV.shape[1]
    if size <= WHOLE:
        cumulative_NV = probabilities_NV.cumsum(1, dtype=uniform_N.dtype)
        return _first_beyond(cumulative_NV, uniform_N[:, None] * cumulative_NV[:, -1:])[:, 0]
    whole = size - size % BLOCK
    blocks_NB = probabilities_NV[:, :whole].unflatten(1, (-1, BLOCK)).sum(2, dtype=uniform_N.dtype)
    if whole < size:
        blocks_NB = torch.cat([blocks_NB, probabilities_NV[:, whole:].sum(1, keepdim=True, dtype=uniform_N.dtype)], 1)
    cumulative_NB = blocks_NB.cumsum(1)
    target_N1 = uniform_N[:, None] * cumulative_NB[:, -1:]
    block_N1 = _first_beyond(cumulative_NB, target_N1)
    before_N1 = (cumulative_NB - blocks_NB).gather(1, block_N1)
    word_NS = block_N1 * BLOCK + torch.arange(BLOCK, device=block_N1.device)
    inside_NS = probabilities_NV.gather(1, word_NS.clamp(max=size - 1)).masked_fill(word_NS >= size, 0.0)
    # rounding may leave a little less than nothing of the target
    within_N1 = _first_beyond(inside_NS.cumsum(1, dtype=uniform_N.dtype), (target_N1 - before_N1).clamp(min=0))
    return (block_N1 * BLOCK + within_N1)[:, 0].clamp(max=size - 1)


def _first_beyond(cumulative_NV: Tensor, target_N1: Tensor) -> Tensor:
    """Return the index [N, 1] where the sum first exceeds the target: one that adds to it, and exists for any numbers."""
    # a product that rounds up to the total would point past the end, or at a trailing token of probability 0
    last_N1 = torch.searchsorted(cumulative_NV, cumulative_NV[:, -1:].contiguous()).clamp(max=cumulative_NV.shape[1] - 1)
    return torch.searchsorted(cumulative_NV, target_N1, right=True).minimum(last_N1)
