"""How a token is drawn from a distribution: one uniform number each, by the inverse of the distribution function."""

from __future__ import annotations

import torch
from torch import Tensor


def draw(probabilities_NV: Tensor, uniform_N: Tensor) -> Tensor:
    """The first token whose cumulative probability exceeds its row's uniform number.

    A completion is then a function of its own uniform numbers alone, whatever else is in the batch and whenever other rows leave it; and
    no random number is spent on tokens that are not taken (a V-fold saving over exponential races such as `torch.multinomial`).

    Args:
        probabilities_NV: Not negative; rows need not sum to one exactly.
        uniform_N: Float64 in [0, 1).

    Returns:
        [N] token ids; none has probability 0.

    Raises:
        FloatingPointError: A row is not finite: the policy is broken, and whatever were drawn from it would look like an answer.

    >>> draw(torch.tensor([[0.5, 0.0, 0.5]]).repeat(3, 1), torch.tensor([0.0, 0.49, 0.5], dtype=torch.float64)).tolist()
    [0, 0, 2]
    """
    cumulative_NV = probabilities_NV.cumsum(1, dtype=uniform_N.dtype)
    total_N1 = cumulative_NV[:, -1:].contiguous()
    if not bool(total_N1.isfinite().all()):
        raise FloatingPointError("probabilities that are not finite")
    # a product that rounds up to the total would point past the end, or at a trailing token of probability 0
    last_N1 = torch.searchsorted(cumulative_NV, total_N1)
    return torch.searchsorted(cumulative_NV, uniform_N[:, None] * total_N1, right=True).minimum(last_N1)[:, 0]
