"""Gradient checkpointing: activations of a layer are recomputed in the backward pass and need not be kept by the forward pass.

Checkpointing in transformers acts in train mode alone, and switches the key-value cache off there. A policy is compared with itself without
dropout, in eval mode, and samples with its cache; so here checkpointing depends only on whether gradients are enabled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn


def checkpoint_layers(model: nn.Module) -> None:
    """Make every decoder layer of a Hugging Face model drop its activations after the forward pass.

    Raises:
        ValueError: The architecture has no layers of the kind.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no layers that can be checkpointed: set `gradient_checkpointing` to false")
    for layer in layers:
        layer.forward = partial(_forgetful, layer, layer.forward)


def is_checkpointed(model: nn.Module) -> bool:
    """Return whether `checkpoint_layers` was called on a model."""
    return any(getattr(module.forward, "func", None) is _forgetful for module in model.modules())


def _forgetful(layer: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled() or kwargs.get("past_key_values") is not None:  # computed again, a layer would enter the cache twice
        return forward(*args, **kwargs)
    modules = list(layer.modules())
    modes = [module.training for module in modules]

    def as_now(*args: Any, **kwargs: Any) -> Any:
        """Return the layer's function in its present mode: in the backward pass the model may be in train mode again, with dropout."""
        then = [module.training for module in modules]
        _set_modes(modules, modes)
        try:
            return forward(*args, **kwargs)
        finally:
            _set_modes(modules, then)

    return torch.utils.checkpoint.checkpoint(as_now, *args, use_reentrant=False, **kwargs)


def _set_modes(modules: list[nn.Module], modes: list[bool]) -> None:
    for module, mode in zip(modules, modes, strict=True):
        module.training = mode
