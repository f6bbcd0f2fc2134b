"""Groups of a module's settings, as a recipe writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bbflow.errors import Problem


@dataclass(frozen=True)
class ExperienceSettings:
    """How one batch of rollouts is sampled and how often it is learned from.

    Attributes:
        updates: Updates per batch of rollouts; `trainer.max_steps` counts batches. Several updates need clipping and old log-probabilities.
        old_logprobs: Log-probabilities that later updates are compared with: those `recomputed` in the first update, which costs nothing
            and makes its ratio 1, or those `sampled` by the engine, which also corrects for an engine that computes differently.
        resample: How often a group whose rewards vary for no capability is sampled again before it is kept as it is.
    """

    updates: int = 1
    old_logprobs: Literal["recomputed", "sampled"] = "recomputed"
    resample: int = 0

    def problems(self, where: str) -> list[Problem]:
        """List the problems of the settings; `where` is their key in the recipe."""
        return _too_small(where, (("updates", self.updates, 1), ("resample", self.resample, 0)))


@dataclass(frozen=True)
class InterferenceSettings:
    """Which gradients are kept to measure interference between capabilities.

    Attributes:
        with_weighting: With a weighting, keep the gradients of two halves of the batch apart, and the parameters before each update, which
            the estimates of interference need. Memory for 2 K gradients and a copy of the trained parameters.
        every: Without a weighting (GRPO), take the gradients of the capabilities apart once in so many batches, for the report alone: the
            update stays as it is. Such a batch costs about one more backward pass, and memory for 2 K gradients; 0: never.
    """

    with_weighting: bool = True
    every: int = 0

    def problems(self, where: str) -> list[Problem]:
        """List the problems of the settings; `where` is their key in the recipe."""
        return _too_small(where, (("every", self.every, 0),))


@dataclass(frozen=True)
class EvaluationSettings:
    """How held-out examples are scored.

    Attributes:
        examples: Validation examples that are scored each time; null: all.
        batch_size: Rows that are run together, prompts to decode or pairs to score.
    """

    examples: int | None = 256
    batch_size: int = 128


def _too_small(where: str, values: tuple[tuple[str, int, int], ...]) -> list[Problem]:
    """List the values that lie below their least, each given as name, value and least."""
    return [Problem(f"{name} must be at least {least}, not {value}", f"{where}.{name}") for name, value, least in values if value < least]
