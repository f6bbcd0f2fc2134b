"""What happens when memory runs out in a training step: it is halved once, and the step goes on with the same mathematics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn


class Halving:
    """Sums a loss over rows in one pass; once memory has run out, in two, the first of which is differentiated before the second begins.

    A loss that is a sum over rows has the same gradient either way. Only the forward pass is watched: it is what holds the activations of
    all rows at once. Several processes would have to agree on it, and a loss scaler to know of both passes: there the error stands.

    Attributes:
        parts: 1, or 2 for the rest of the run after memory ran out.
    """

    def __init__(self) -> None:
        self.parts = 1
        self._kept: list[tuple[nn.Parameter, Tensor]] = []

    def __call__(self, module: Any, rows: Tensor, loss_of: Callable[[Tensor], Tensor]) -> Tensor:
        """Returns the loss of all rows; its gradient is that of the last part, and what `add_gradient` adds.

        Args:
            module: The LightningModule, in training.
            rows: Numbers of the rows.
            loss_of: The loss of some of them, summed; called again with fewer where memory ran out.
        """
        if self.parts == 1:
            try:
                return loss_of(rows)
            except torch.OutOfMemoryError:
                if len(rows) < 2 or not _alone(module.trainer):
                    raise
            # outside the handler, whose traceback holds on to the tensors of the pass that failed
            rank_zero_warn("out of memory: from here on the rows of a step are run in two halves")
            self.parts = 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        if len(rows) < 2:
            return loss_of(rows)
        first = loss_of(rows[: len(rows) // 2])
        if torch.is_grad_enabled():
            parameters = [p for p in module.parameters() if p.requires_grad]
            gradients = torch.autograd.grad(first, parameters, allow_unused=True)
            self._kept += [(p, g) for p, g in zip(parameters, gradients, strict=True) if g is not None]
        return first.detach() + loss_of(rows[len(rows) // 2 :])

    def add_gradient(self, scale: float) -> None:
        """Adds the gradient of the first part of every loss of the step to `.grad`, times what the loss was scaled by."""
        for parameter, gradient in self._kept:
            parameter.grad = gradient * scale if parameter.grad is None else parameter.grad.add_(gradient, alpha=scale)
        self._kept = []


def _alone(trainer: Any) -> bool:
    return trainer.world_size == 1 and getattr(trainer.precision_plugin, "scaler", None) is None
