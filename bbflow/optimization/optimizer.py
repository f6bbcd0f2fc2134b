"""AdamW and its learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from bbflow.errors import Problem

_SETTINGS = ("initial_lr", "weight_decay", "betas")


class Schedule(LambdaLR):
    """Learning-rate schedule that resumes at the step of a checkpoint, by the settings of the recipe and not of the checkpoint."""

    def __init__(self, optimizer: torch.optim.Optimizer, lr_lambda: Callable[[int], float]) -> None:
        super().__init__(optimizer, lr_lambda)
        self._built = [{name: group[name] for name in _SETTINGS} for group in optimizer.param_groups]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the step; learning rate, decay and betas stay those that optimiser and schedule were built with."""
        rates, built = list(self.base_lrs), self._built
        super().load_state_dict(state_dict)
        self.base_lrs, self._built = rates, built
        for group, settings, rate, share in zip(self.optimizer.param_groups, built, rates, self.lr_lambdas, strict=True):
            group.update(settings, lr=rate * share(self.last_epoch))


@dataclass(frozen=True)
class OptimizerSettings:
    """AdamW (Loshchilov and Hutter, arXiv 1711.05101) with warm-up and a schedule.

    Attributes:
        learning_rate: The highest learning rate of the run.
        weight_decay: Decoupled decay, applied to matrices only.
        betas: Decay rates of the two moments.
        warmup_steps: Steps over which the rate rises linearly.
        schedule: Course after the warm-up: `constant`, or down to 0 at the last step, `linear` or `cosine`.
        nonfinite: Action on a gradient that is not finite: `stop` the run, or `skip` the step. Its batch is kept either way, in
            `faults/` of the run folder.
    """

    learning_rate: float = 1.0e-4
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    warmup_steps: int = 0
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    nonfinite: Literal["stop", "skip"] = "stop"

    def problems(self, where: str) -> list[Problem]:
        """List the problems of the settings; `where` is their key in the recipe."""
        found = []
        if not 0 < self.learning_rate < math.inf:
            found.append(Problem(f"the learning rate must be positive, not {self.learning_rate}", f"{where}.learning_rate"))
        if not 0 <= self.weight_decay < math.inf:
            found.append(Problem(f"weight decay must be 0 or more, not {self.weight_decay}", f"{where}.weight_decay"))
        if not all(0 <= beta < 1 for beta in self.betas):
            found.append(Problem(f"betas must lie in [0, 1), not {self.betas}", f"{where}.betas"))
        if self.warmup_steps < 0:
            found.append(Problem(f"warmup_steps must be 0 or more, not {self.warmup_steps}", f"{where}.warmup_steps"))
        return found

    def build(
        self, parameters: Iterable[nn.Parameter], total_steps: float, matrices: Collection[nn.Parameter] | None = None
    ) -> tuple[torch.optim.AdamW, LambdaLR]:
        """Return optimiser and schedule.

        Args:
            parameters: Parameters of the module; frozen ones are left out.
            total_steps: Optimiser steps of the whole run; may be infinite for the constant schedule.
            matrices: Parameters that decay; None: those with two dimensions or more.
        """
        trained = [p for p in parameters if p.requires_grad]
        decays = [p.ndim >= 2 if matrices is None else p in matrices for p in trained]
        groups = [
            {"params": [p for p, decay in zip(trained, decays, strict=True) if decay], "weight_decay": self.weight_decay},
            {"params": [p for p, decay in zip(trained, decays, strict=True) if not decay], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=self.learning_rate, betas=self.betas)
        return optimizer, Schedule(optimizer, lambda step: self.factor(step, total_steps))

    def factor(self, step: int, total_steps: float) -> float:
        """Return the share of the highest learning rate that step number `step` (from 0) uses.

        >>> settings = OptimizerSettings(warmup_steps=2, schedule="linear")
        >>> [settings.factor(step, 6) for step in range(7)]
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
        """
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.schedule == "constant":
            return 1.0
        done = min(1.0, (step - self.warmup_steps) / max(1.0, total_steps - self.warmup_steps))
        return 1.0 - done if self.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
