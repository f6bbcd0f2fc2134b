"""How much of a step is held in memory at once: micro-batches, each differentiated before the next one begins.

A loss that is a sum over rows has the same gradient whichever way the rows are divided. What the forward pass of one micro-batch keeps for
its backward pass is freed before the next begins, so that memory follows the largest micro-batch and not the batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bbflow.errors import Problem
from bbflow.modules.capability_update import CapabilityUpdate
from bbflow.modules.sharding import is_fsdp
from bbflow.policies.logprobs import chunks

T = TypeVar("T")


class MicroBatches:
    """Sums losses over the rows of a batch, micro-batch by micro-batch, and starts a step anew where memory runs out.

    On one process the whole gradient is made here and kept until Lightning's backward pass, which says what to multiply it by. On several,
    the last micro-batch is left to Lightning, and what was kept of the others joins `.grad` first: distributed training then reduces
    the sum. Where memory runs out in a forward pass, or in a backward pass made here, the step begins again in micro-batches of half the
    size, and so do all later ones, on the rank where it happened.

    Args:
        tokens: Most tokens of a micro-batch, padding included; a longer row stands alone. None: the whole batch, until memory runs out.

    Attributes:
        halvings: How often memory ran out.
    """

    def __init__(self, tokens: int | None = None) -> None:
        self.tokens = tokens
        self.halvings = 0
        self._largest = 0
        self._kept: dict[nn.Parameter, Tensor] = {}
        self._factor: Tensor | None = None

    def step(self, module: Any, run: Callable[[], tuple[Tensor, T]], update: CapabilityUpdate | None = None) -> tuple[Tensor, T]:
        """Runs what makes the loss of a step, and differentiates it.

        Args:
            module: The LightningModule, in training.
            run: Returns the loss, and whatever else. It divides its work by `parts`, or sums by calling this object, and is called again
                where memory ran out, so that it must leave nothing behind that counts twice.
            update: Collects a gradient per capability while `run` runs, instead.

        Returns:
            What `run` returned. The loss of a step that was differentiated can still be multiplied, or added to, before it is returned from
            `training_step`; with an `update` its value alone counts.

        Raises:
            torch.OutOfMemoryError: The rows cannot be divided further, or half a step that cannot be repeated lies in `update`.
        """
        can_repeat = not is_fsdp(module.trainer) and (update is None or update.is_empty)
        while (result := self._tried(module, run, update, can_repeat)) is None:  # outside the handler, whose traceback holds on to tensors
            self._kept = {}
            if update is not None:
                update.clear()
            self.halvings += 1
            told = f"out of memory: from here on the rows of a step are run in micro-batches of 1/{2**self.halvings}"
            warnings.warn(told, stacklevel=2)  # by the rank where it happened
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return result

    def __call__(self, module: Any, widths: Sequence[int], loss_of: Callable[[Tensor], Tensor]) -> Tensor:
        """Returns the loss of all rows; it has the graph of the last micro-batch, and the gradient of the others is kept.

        Args:
            module: The LightningModule, in training.
            widths: Tokens of each row.
            loss_of: The loss of some rows, by their numbers, summed.
        """
        total, parts = torch.zeros((), device=module.device), self.parts(widths)
        for number, part in enumerate(parts):
            loss = loss_of(torch.tensor(part, device=module.device))
            total = total + (loss if number == len(parts) - 1 else self._differentiated(module, loss))
        return total

    def parts(self, widths: Sequence[int]) -> list[list[int]]:
        """Row numbers, divided as the recipe and the memory ask for; each of the given widths is one row."""
        parts = [list(range(len(widths)))] if self.tokens is None else chunks(list(widths), self.tokens)
        for _ in range(self.halvings):
            parts = [half for part in parts for half in _halves(part)]
        self._largest = max(self._largest, *map(len, parts))
        return parts

    def backward(self, module: Any, run: Callable[[], None]) -> None:
        """Runs Lightning's backward pass, and adds what was kept to `.grad`."""
        if _reduced_by_lightning(module.trainer):
            self._add_kept()
            run()
        else:
            run()
            if self._kept and self._factor is not None:
                torch._foreach_mul_(list(self._kept.values()), self._factor / _scale(module.trainer))
            self._add_kept()
        self._factor = None

    def _add_kept(self) -> None:
        for parameter, gradient in self._kept.items():
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        self._kept = {}

    def _tried(
        self, module: Any, run: Callable[[], tuple[Tensor, T]], update: CapabilityUpdate | None, can_repeat: bool
    ) -> tuple[Tensor, T] | None:
        """What `run` returns; None where memory ran out and the rows can be divided."""
        self._largest = 0
        try:
            loss, rest = run()
            if update is not None or _reduced_by_lightning(module.trainer):
                return loss, rest
            anchor = torch.zeros((), device=loss.device, requires_grad=True)
            return _Differentiated.apply(self._differentiated(module, loss), anchor, self), rest
        except torch.OutOfMemoryError:
            if self._largest < 2 or not can_repeat:
                raise
        return None

    def _differentiated(self, module: Any, loss: Tensor) -> Tensor:
        """Keeps the gradient of a loss, scaled as Lightning scales what it differentiates, and returns the value alone."""
        if not torch.is_grad_enabled():
            return loss
        parameters = [p for p in module.parameters() if p.requires_grad]
        scaled = loss * _scale(module.trainer)  # before the backward pass, in which half precision would underflow
        with torch.autocast(loss.device.type, enabled=False):
            gradients = torch.autograd.grad(scaled, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                self._kept[parameter] = self._kept[parameter].add_(gradient) if parameter in self._kept else gradient
        return loss.detach()


class _Differentiated(torch.autograd.Function):
    """The value of a loss whose gradient is kept already; notes what its backward pass would have multiplied that by."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, anchor: Tensor, owner: MicroBatches) -> Tensor:
        ctx.owner = owner
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        (ctx.owner._factor,) = gradients
        return None, torch.zeros_like(gradients[0]), None


def _scale(trainer: Any) -> float:
    """What Lightning multiplies a loss by before it differentiates it."""
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    return (1.0 if scaler is None else float(scaler.get_scale())) / int(trainer.accumulate_grad_batches)


def _reduced_by_lightning(trainer: Any) -> bool:
    """Whether the strategy reduces gradients in Lightning's own backward pass."""
    return bool(trainer.world_size > 1) or is_fsdp(trainer)


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
