"""Cost of a training run, and of full fine-tuning in its place: parameters, memory of the training state, arithmetic.

Arithmetic is counted by the usual rule (Kaplan et al., arXiv 2001.08361): two operations per parameter and token to read a token, as many
for the gradient of the activations, and as many for the gradient of each trained weight. Attention is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

STATE_BYTES = 12
"""Gradient and AdamW's two moments of one trained parameter in float32, in bytes."""


def training_cost(parameters: Iterable[Any], generated: int, learned: int, reference: bool = False) -> dict[str, Any]:
    """Count parameters, bytes and operations.

    Args:
        parameters: Tensors with `numel`, `requires_grad` and `element_size`.
        generated: Tokens that were sampled.
        learned: Tokens that a gradient was taken of.
        reference: Whether a frozen reference read the learned tokens too.

    Returns:
        trained_parameters, total_parameters, training_state_bytes (weights, gradients and moments), flops_estimated, and the last two for
        full fine-tuning in the same way: full_training_state_bytes, full_flops_estimated.

    >>> import torch
    >>> frozen, adapter = torch.nn.Parameter(torch.zeros(900), requires_grad=False), torch.nn.Parameter(torch.zeros(100))
    >>> cost = training_cost([frozen, adapter], generated=10, learned=10)
    >>> cost["training_state_bytes"], cost["full_training_state_bytes"], cost["flops_estimated"], cost["full_flops_estimated"]
    (5200, 16000, 62000, 80000)
    """
    kept = list(parameters)
    total = sum(p.numel() for p in kept)
    trained = sum(p.numel() for p in kept if p.requires_grad)
    weights = sum(p.numel() * p.element_size() for p in kept)
    read = 2 * total * (generated + learned * (2 if reference else 1))
    return {
        "trained_parameters": trained,
        "total_parameters": total,
        "training_state_bytes": weights + STATE_BYTES * trained,
        "full_training_state_bytes": weights + STATE_BYTES * total,
        "flops_estimated": read + learned * (2 * total + 2 * trained),
        "full_flops_estimated": read + learned * 4 * total,
    }
