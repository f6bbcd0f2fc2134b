"""Losses of reward models: Bradley-Terry with margins and centring, and the cross-entropy that gives scores an absolute zero."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def bradley_terry(chosen_N: Tensor, rejected_N: Tensor, margin_N: Tensor | float = 0.0, centring: float = 0.01) -> Tensor:
    """Return the negative log-likelihood that the chosen response wins, with a margin, plus a pull of the pair's mean towards 0.

    -log sigmoid(c - r - m) as in Llama 2 (arXiv 2307.09288, eq. 2), and `centring` * (c + r)^2 as in arXiv 2312.09244, section 3.

    Args:
        chosen_N: Scores of the chosen responses.
        rejected_N: Scores of the rejected ones.
        margin_N: How much better the chosen one is meant to score.
        centring: Weight of the pull.

    Returns:
        N losses.

    >>> import torch
    >>> bradley_terry(torch.tensor([1.0]), torch.tensor([-1.0]), margin_N=2.0, centring=0.0)
    tensor([0.6931])
    """
    return -F.logsigmoid(chosen_N - rejected_N - margin_N) + centring * (chosen_N + rejected_N) ** 2


def correctness(scores_N: Tensor, correct_N: Tensor) -> Tensor:
    """Return the cross-entropy of "this response is correct" with the score as its logit: a score of 0 means even odds.

    Bradley-Terry alone fixes only differences; with this, a threshold means the same on any data.

    >>> import torch
    >>> correctness(torch.tensor([0.0, 5.0]), torch.tensor([True, True])).tolist()
    [0.6931471824645996, 0.006715348456054926]
    """
    return F.binary_cross_entropy_with_logits(scores_N, correct_N.to(scores_N.dtype), reduction="none")
