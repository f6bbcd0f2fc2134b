"""How much of a step is held in memory at once: micro-batches, each differentiated before the next one begins.

A loss that is a sum over rows has the same gradient whichever way the rows are divided. What the forward pass of one micro-batch keeps for
its backward pass is freed before the next begins, so that memory follows the largest micro-batch and not the batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bbflow.errors import Problem
from bbflow.modules.sharding import is_fsdp
from bbflow.policies.logprobs import chunks


class MicroBatches:
    """Sums a loss over the rows of a batch, micro-batch by micro-batch.

    The gradient of all but the last is kept here until the backward pass of the last, which is Lightning's own, and there it joins `.grad`
    first: distributed training then reduces the sum. Where memory runs out in a forward pass, the micro-batches are halved for the rest of
    the run, on the rank where it happened.

    Args:
        tokens: Most tokens of a micro-batch, padding included; a longer row stands alone. None: the whole batch, until memory runs out.

    Attributes:
        halvings: How often memory ran out.
    """

    def __init__(self, tokens: int | None = None) -> None:
        self.tokens = tokens
        self.halvings = 0
        self._kept: dict[nn.Parameter, Tensor] = {}

    def __call__(self, module: Any, widths: Sequence[int], loss_of: Callable[[Tensor], Tensor]) -> Tensor:
        """Returns the loss of all rows; its gradient is that of the last micro-batch, and what `add_gradient` adds.

        Args:
            module: The LightningModule, in training.
            widths: Tokens of each row.
            loss_of: The loss of some rows, by their numbers, summed; called again with fewer where memory ran out.
        """
        total = torch.zeros((), device=module.device)
        waiting = self._parts(widths)
        while waiting:
            part = waiting.pop(0)
            loss = self._tried(module, part, loss_of)
            if loss is None:  # outside the handler, whose traceback holds on to the tensors of the pass that failed
                self._halve()
                waiting = [half for whole in (part, *waiting) for half in _halves(whole)]
            elif waiting:
                self._keep(module, loss)
                total += loss.detach()
            else:
                total = total + loss
        return total

    def add_gradient(self, module: Any) -> None:
        """Adds what was kept to `.grad`, scaled as the loss of the last micro-batch is."""
        if not self._kept:
            return
        scaler = getattr(module.trainer.precision_plugin, "scaler", None)
        scale = (1.0 if scaler is None else float(scaler.get_scale())) / module.trainer.accumulate_grad_batches
        for parameter, gradient in self._kept.items():
            parameter.grad = gradient.mul_(scale) if parameter.grad is None else parameter.grad.add_(gradient, alpha=scale)
        self._kept = {}

    def _parts(self, widths: Sequence[int]) -> list[list[int]]:
        parts = [list(range(len(widths)))] if self.tokens is None else chunks(list(widths), self.tokens)
        for _ in range(self.halvings):
            parts = [half for part in parts for half in _halves(part)]
        return parts

    def _tried(self, module: Any, part: list[int], loss_of: Callable[[Tensor], Tensor]) -> Tensor | None:
        """The loss of a micro-batch; None where memory ran out and it can be halved."""
        try:
            return loss_of(torch.tensor(part, device=module.device))
        except torch.OutOfMemoryError:
            if len(part) < 2 or is_fsdp(module.trainer):
                raise
        return None

    def _halve(self) -> None:
        self.halvings += 1
        told = f"out of memory: from here on the rows of a step are run in micro-batches of 1/{2**self.halvings}"
        warnings.warn(told, stacklevel=3)  # by the rank where it happened
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _keep(self, module: Any, loss: Tensor) -> None:
        if not torch.is_grad_enabled():
            return
        parameters = [p for p in module.parameters() if p.requires_grad]
        with torch.autocast(loss.device.type, enabled=False):
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                self._kept[parameter] = self._kept[parameter].add_(gradient) if parameter in self._kept else gradient


def micro_batch_problems(tokens: int | None, trainer: Any, where: str) -> list[Problem]:
    """Lists what is wrong with a budget of tokens; `where` is its key in the recipe."""
    if tokens is None:
        return []
    if tokens < 1:
        return [Problem(f"micro_batch_tokens must be at least 1, not {tokens}", where, "null: the whole batch")]
    if is_fsdp(trainer):
        return [
            Problem("FSDP keeps gradients in shards, to which micro-batches cannot add", where, "take a smaller data.init_args.batch_size")
        ]
    return []


def _halves(part: list[int]) -> list[list[int]]:
    middle = len(part) // 2
    return [half for half in (part[:middle], part[middle:]) if half]
