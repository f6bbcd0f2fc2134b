"""Interference between capabilities over many steps, with the sampling noise of the gradients taken out.

A gradient from rollouts is the true one plus noise, and the noise often is the longer of the two. It inflates every length and so shrinks
every cosine towards 0: with noise three times the signal in each half of a batch, a true cosine of -0.6 is read as -0.11. Two halves of
the rollouts have independent noise, so the inner product of a row of one half with a row of the other is free of bias, even that of a
capability with itself. One step is still noisy; numerators and denominators are each averaged over steps before they are divided.

Dimensions: T steps, K capabilities.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from bbflow.optimization.update_geometry import UpdateGeometry, harmed

ALPHA = 0.05


def mean_error(series_T: Tensor) -> Tensor:
    """Return the standard error of the mean over the first axis, for steps that may depend on their neighbours.

    Given the policy of each step, the noise of fresh rollouts is independent from step to step. The drift of the true value is not, nor are
    rollouts that are used twice, so autocovariances enter with Bartlett's weights up to lag 4 (T / 100)^(2/9) (Newey and West 1987, 1994).
    They may only widen the error: it is never less than that of independent steps. Strong dependence over many more steps is not covered.

    >>> round(float(mean_error(torch.tensor([1.0, -1.0, 1.0, -1.0]))), 4)
    0.5774
    """
    steps = len(series_T)
    if steps < 2:
        return torch.full(series_T.shape[1:], torch.nan, dtype=torch.float64)
    centred = series_T.double() - series_T.double().mean(0)
    variance = independent = centred.square().mean(0)
    lags = min(int(4 * (steps / 100) ** (2 / 9)), steps - 1)
    for lag in range(1, lags + 1):
        variance = variance + 2 * (1 - lag / (lags + 1)) * (centred[lag:] * centred[:-lag]).sum(0) / steps
    return (torch.maximum(variance, independent) / (steps - 1)).sqrt()


def p_positive(series_T: Tensor) -> Tensor:
    """Return the one-sided p-value over the first axis; null hypothesis: the mean of the true values over these steps is 0 or less.

    A t test with `mean_error`. NaN for fewer than two steps.

    >>> p_positive(torch.tensor([1.0, 2.0, 3.0, 2.0])) < 0.05, p_positive(torch.tensor([-1.0, -2.0, -3.0, -2.0])) > 0.95
    (tensor(True), tensor(True))
    """
    from scipy.special import stdtr

    mean, error = series_T.double().mean(0), mean_error(series_T)
    ratio = torch.where(mean == 0, torch.where(error.isnan(), torch.nan, 0.0), mean / error)
    return torch.as_tensor(stdtr(len(series_T) - 1.0, -ratio.numpy()))


def symmetric(cross_TKK: Tensor) -> Tensor:
    """Return the mean of J_A J_B^T and its transpose: which half a row came from is arbitrary."""
    return (cross_TKK + cross_TKK.mT) / 2


def corrected_cosines(cross_TKK: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosines of the true gradients from inner products across halves.

    Args:
        cross_TKK: J_A J_B^T of each step.

    Returns:
        Cosines, and their standard errors by the delta method. NaN where a length does not differ from 0 (`p_positive` of its square above
        5%), so that the quotient is meaningless. Noise can bring a cosine beyond 1 in amount; it is cut off there.
    """
    products_TKK = symmetric(cross_TKK.double())
    mean_KK = products_TKK.mean(0)
    squares_TK = products_TKK.diagonal(dim1=1, dim2=2)
    squares_K = torch.where(p_positive(squares_TK) < ALPHA, squares_TK.mean(0), torch.nan)
    scale_KK = (squares_K[:, None] * squares_K[None, :]).sqrt()
    cosines_KK = mean_KK / scale_KK
    relative_TK = squares_TK / squares_K
    influence_TKK = products_TKK / scale_KK - cosines_KK * (relative_TK[:, :, None] + relative_TK[:, None, :]) / 2
    return cosines_KK.clamp(-1, 1), mean_error(influence_TKK)


@dataclass
class Interference:
    """Interference statistics over the updates of a run.

    Attributes:
        names: The capabilities; those of the first update.
        steps: Number of updates added.
        cross: J_A J_B^T of the updates that had two halves.
        squares: Diagonals of the Gramians of those updates, noise included.
        applied: First-order change of each capability by the updates as made, Adam and clipping included.
        weights: Weights of the updates over the preferences' sum.
        harmed: Per update, whether it lowered a capability on its own batch to first order.
        harmed_by_sum: Per update, whether the plain weighted sum would have.
        modes: Number of updates by the way in which rows were formed.
    """

    names: tuple[str, ...] = ()
    steps: int = 0
    cross: list[Tensor] = field(default_factory=list)
    squares: list[Tensor] = field(default_factory=list)
    applied: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    harmed: list[bool] = field(default_factory=list)
    harmed_by_sum: list[bool] = field(default_factory=list)
    modes: dict[str, int] = field(default_factory=dict)
    preferences_K: Tensor | None = None

    def add(self, geometry: UpdateGeometry) -> None:
        """Add one update.

        Raises:
            ValueError: Other capabilities than before.
        """
        if self.steps and geometry.names != self.names:
            raise ValueError(f"an update of {geometry.names} after updates of {self.names}")
        self.names, self.preferences_K = geometry.names, _plain(geometry.preferences_K)
        self.steps += 1
        gramian = _plain(geometry.gramian_KK)
        if geometry.cross_KK is not None:
            self.cross.append(_plain(geometry.cross_KK))
            self.squares.append(gramian.diagonal().clone())
        if geometry.applied_K is not None:
            self.applied.append(_plain(geometry.applied_K))
        self.weights.append(_plain(geometry.weights_K))
        acting = gramian if geometry.metric_KK is None else _plain(geometry.metric_KK)  # the geometry that the weights were solved in
        self.harmed.append(bool(harmed(acting, _plain(geometry.weights_K)).any()))
        self.harmed_by_sum.append(bool(harmed(acting, self.preferences_K).any()))
        self.modes[geometry.mode] = self.modes.get(geometry.mode, 0) + 1

    def last(self, window: int | None = None) -> Tensor:
        """Return inner products across halves of the last steps, [T, K, K]; T is 0 where there were none."""
        chosen = self.cross if window is None else self.cross[-window:]
        return torch.stack(chosen) if chosen else torch.zeros(0, len(self.names), len(self.names), dtype=torch.float64)

    def signal(self, window: int | None = None) -> Tensor:
        """Return the share [K] of the squared gradient that is signal, over the last steps; within [0, 1], NaN without a gradient."""
        cross_TKK = self.last(window)
        if not len(cross_TKK):
            return torch.full((len(self.names),), torch.nan, dtype=torch.float64)
        squares_K = torch.stack(self.squares[-len(cross_TKK) :]).mean(0)
        return (cross_TKK.mean(0).diagonal() / torch.where(squares_K > 0, squares_K, torch.nan)).clamp(0, 1)

    def conflicts(self, window: int | None = None) -> Tensor:
        """Return the share [K, K] of the last steps in which two gradients pointed against each other.

        One half is chance where they are unrelated. Steps without a gradient of either are left out; NaN where none is left.
        """
        products_TKK = symmetric(self.last(window))
        return (products_TKK < 0).sum(0) / (products_TKK != 0).sum(0).double()

    def stationarity(self, window: int | None = None) -> float:
        """Return the distance from Pareto stationarity over the last steps, without the noise; NaN before there are two steps.

        The mean of the inner products across halves estimates the Gramian of the true gradients; noise can make it indefinite, so its
        negative part is cut off. Capabilities of preference 0 do not count, nor do those that never had a gradient.
        """
        from bbflow.optimization.weightings import stationarity

        cross_TKK = self.last(window)
        if len(cross_TKK) < 2 or self.preferences_K is None:
            return float("nan")
        counts = (self.preferences_K > 0) & (cross_TKK.diagonal(dim1=1, dim2=2) != 0).any(0)
        values, vectors = torch.linalg.eigh(symmetric(cross_TKK).mean(0)[counts][:, counts])
        return stationarity(vectors * values.clamp(min=0) @ vectors.T) if counts.any() else float("nan")


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().double().cpu()
