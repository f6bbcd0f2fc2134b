"""Geometry of one update: inner products of the capabilities' gradients, and the weights of the update.

Row k of the Jacobian J is the gradient of capability k's own objective: an ascent direction, by the normaliser of the plain step, before
the capability's weight. Everything here follows from inner products of the rows, K x K in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

ROUNDING = 1e-9


@dataclass(frozen=True)
class UpdateGeometry:
    """Geometry of a training step's update; `module.last_geometry` after each optimiser step, None where no Jacobian was taken.

    Attributes:
        names: The capabilities, in the order of the rows.
        gramian_KK: G = J J^T of the batch, float64.
        preferences_K: Weights of the capabilities in the recipe.
        weights_K: Weights that the update gave to the rows.
        mode: Method by which the rows were formed: in one factored pass, or by K backward passes.
        cross_KK: J_A J_B^T of two independent halves of the rollouts, whole groups in each, each half by its own normaliser. The noise of
            the halves is independent, so that every entry, the diagonal too, is free of bias. None where a half would be empty.
        applied_K: J (theta_now - theta_before) of the *previous* batch: the change of each capability to first order by the update (or the
            several updates) as made, Adam, clipping and decay included, by the rows of this batch, which that update has not seen. None at
            first, and in further updates from one batch of rollouts.
        metric_KK: J P J^T, which the weights were solved on, where the optimiser's metric was asked for; else None.
    """

    names: tuple[str, ...]
    gramian_KK: Tensor
    preferences_K: Tensor
    weights_K: Tensor
    mode: Literal["factored", "k_backward"]
    cross_KK: Tensor | None = None
    applied_K: Tensor | None = None
    metric_KK: Tensor | None = None

    def __post_init__(self) -> None:
        """Refuse shapes that do not belong together.

        Raises:
            ValueError: A shape that does not fit the number of capabilities.
        """
        count = len(self.names)
        for name, value, shape in (
            ("gramian_KK", self.gramian_KK, (count, count)),
            ("cross_KK", self.cross_KK, (count, count)),
            ("metric_KK", self.metric_KK, (count, count)),
            ("preferences_K", self.preferences_K, (count,)),
            ("weights_K", self.weights_K, (count,)),
            ("applied_K", self.applied_K, (count,)),
        ):
            if value is not None and value.shape != shape:
                raise ValueError(f"{name} of shape {tuple(value.shape)} for {count} capabilities")


def cosines(gramian_KK: Tensor) -> Tensor:
    """Return cosines between the rows, NaN where a row is zero.

    >>> cosines(torch.tensor([[1.0, -2.0], [-2.0, 16.0]])).tolist()
    [[1.0, -0.5], [-0.5, 1.0]]
    """
    lengths = gramian_KK.double().diagonal().clamp(min=0).sqrt()
    lengths = torch.where(lengths > 0, lengths, torch.nan)
    return (gramian_KK.double() / lengths[:, None] / lengths[None, :]).clamp(-1, 1)


def harmed(gramian_KK: Tensor, weights_K: Tensor) -> Tensor:
    """Return the mask of capabilities that J^T w lowers to first order, beyond rounding: (G w)_j < -1e-9 |g_j| max_k |w_k| |g_k|.

    >>> harmed(torch.tensor([[1.0, -2.0], [-2.0, 16.0]]), torch.tensor([1.0, 1.0])).tolist()
    [True, False]
    """
    gramian, weights = gramian_KK.double(), weights_K.double()
    lengths = gramian.diagonal().clamp(min=0).sqrt()
    return gramian @ weights < -ROUNDING * lengths * (weights.abs() * lengths).max()
