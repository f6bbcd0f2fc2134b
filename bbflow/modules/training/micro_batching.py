"""Micro-batches, each differentiated before the next one begins, so that a step fits into memory.

A loss that is a sum over rows has the same gradient however the rows are divided. The activations of one micro-batch are freed before the
next begins, so that memory follows the largest micro-batch and not the batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor, nn

from bbflow.errors import Problem
from bbflow.modules.training.capability_update import CapabilityUpdate
from bbflow.modules.training.distributed import is_fsdp
from bbflow.policies.logprobs import chunks

T = TypeVar("T")


class MicroBatches:
    """Sums losses over the rows of a batch, micro-batch by micro-batch, and starts a step anew where memory runs out.

    On a single device the whole gradient is computed here, within the step, and the backward pass that follows only scales it. Under other
    strategies the last micro-batch is left to that backward pass, and the gradient of the others is added to `.grad` before it: distributed
    training then reduces the sum. Where memory runs out in a forward pass, or in a backward pass made here, the step begins
    again in micro-batches of half the size, and so do all later ones, on the rank where it happened.

    Args:
        tokens: Most tokens of a micro-batch, padding included; a longer row runs alone. None: the whole batch, until memory runs out.

    Attributes:
        halvings: How often memory ran out.
    """

    def __init__(self, tokens: int | None = None) -> None:
        self.tokens = tokens
        self.halvings = 0
        self._largest = 0
        self._kept = _AccumulatedGradients()

    def step(self, module: Any, run: Callable[[], tuple[Tensor, T]], update: CapabilityUpdate | None = None) -> tuple[Tensor, T]:
        """Run the function that computes the loss of a step, and differentiate the loss.

        Args:
            module: The LightningModule, in training.
            run: Returns the loss and any further result. It divides its work by `parts`, or sums by calling this object, and is called
                again where memory ran out, so that it must leave nothing behind that counts twice.
            update: Collects a gradient per capability while `run` runs, instead.

        Returns:
            The result of `run`. The loss can be multiplied, added to, and differentiated once, like any other; with an `update` it is a
            value without gradient.

        Raises:
            torch.OutOfMemoryError: The rows cannot be divided further, or half a step that cannot be repeated lies in `update`.
        """
        can_repeat = not is_fsdp(module.trainer) and (update is None or update.is_empty)
        if update is None and module.trainer.fit_loop.batch_idx % module.trainer.accumulate_grad_batches == 0:
            for parameter in module.parameters():  # Lightning drops it after `training_step`, when the new one is there already
                parameter.grad = None
        while (result := self._tried(module, run, update, can_repeat)) is None:  # outside the handler, whose traceback holds on to tensors
            if update is not None:
                update.clear()
            self.halvings += 1
            message = f"out of memory: from here on the rows of a step are run in micro-batches of 1/{2**self.halvings}"
            warnings.warn(message, stacklevel=2)  # by the rank where it happened
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return result

    def __call__(self, module: Any, widths: Sequence[int], loss_of: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the loss of all rows; it has the graph of the last micro-batch, and the gradient of the others is kept.

        Args:
            module: The LightningModule, in training.
            widths: Tokens of each row.
            loss_of: The loss of some rows, by their numbers, summed.
        """
        total, parts = torch.zeros((), device=module.device), self.parts(widths)
        for number, part in enumerate(parts):
            loss = loss_of(torch.tensor(part, device=module.device))
            total = total + (loss if number == len(parts) - 1 else self._kept.differentiate(module, loss))
        return total

    def parts(self, widths: Sequence[int]) -> list[list[int]]:
        """Return row indices in parts that the recipe and the memory allow; each of the given widths is one row."""
        parts = [list(range(len(widths)))] if self.tokens is None else chunks(list(widths), self.tokens)
        for _ in range(self.halvings):
            parts = [half for part in parts for half in _halves(part)]
        self._largest = max([self._largest, *map(len, parts)])
        return parts

    def _tried(
        self, module: Any, run: Callable[[], tuple[Tensor, T]], update: CapabilityUpdate | None, can_repeat: bool
    ) -> tuple[Tensor, T] | None:
        """Return the result of `run`; None where memory ran out and the rows can be divided."""
        self._largest, self._kept = 0, _AccumulatedGradients()
        try:
            loss, rest = run()
            if update is not None or not torch.is_grad_enabled():
                return loss, rest
            if isinstance(module.trainer.strategy, SingleDeviceStrategy):
                loss = self._kept.differentiate(module, loss)
            return self._kept.on_top_of(loss), rest
        except torch.OutOfMemoryError:
            if self._largest < 2 or not can_repeat:
                raise
        return None


class _AccumulatedGradients:
    """Gradients of a part of a loss that was differentiated before the rest."""

    def __init__(self) -> None:
        self.gradients: dict[nn.Parameter, Tensor] = {}
        self.scale = 1.0

    def differentiate(self, module: Any, loss: Tensor) -> Tensor:
        """Add the gradient of a loss, scaled as Lightning scales a loss, and return the value without gradient."""
        if not torch.is_grad_enabled():
            return loss
        parameters = [p for p in module.parameters() if p.requires_grad]
        scaler = getattr(module.trainer.precision_plugin, "scaler", None)
        # before the backward pass, in which half precision would underflow
        self.scale = (1.0 if scaler is None else float(scaler.get_scale())) / module.trainer.accumulate_grad_batches
        with torch.autocast(loss.device.type, enabled=False):
            gradients = torch.autograd.grad(loss * self.scale, parameters, allow_unused=True)
        places: set[int] = set()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is None:
                continue
            if parameter in self.gradients:
                self.gradients[parameter].add_(gradient)
            else:  # what two parameters share, or an expanded number, is not to be added to in place
                shared = gradient.data_ptr() in places or 0 in gradient.stride()
                self.gradients[parameter] = gradient.clone() if shared else gradient
                places.add(gradient.data_ptr())
        return loss.detach()

    def on_top_of(self, loss: Tensor) -> Tensor:
        """Return the loss with a backward pass that begins by adding the accumulated gradients."""
        return _InjectGradients.apply(loss, torch.zeros((), device=loss.device, requires_grad=True), self)  # type: ignore[no-any-return]

    def join(self, factor: Tensor) -> None:
        """Add the accumulated gradients, times a factor, to `.grad`, and forget them."""
        kept, self.gradients = self.gradients, {}
        if kept:
            torch._foreach_mul_(list(kept.values()), factor / self.scale)
        for parameter, gradient in kept.items():
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)


class _InjectGradients(torch.autograd.Function):
    """Identity of a loss, whose backward pass adds the accumulated gradients to `.grad` first."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, anchor: Tensor, kept: _AccumulatedGradients) -> Tensor:
        ctx.kept = kept
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = gradients
        ctx.kept.join(gradient)
        return gradient, torch.zeros_like(gradient), None


def micro_batch_problems(tokens: int | None, trainer: Any, where: str) -> list[Problem]:
    """List the problems of a budget of tokens; `where` is its key in the recipe."""
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
