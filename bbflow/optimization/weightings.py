"""Weightings: from the Gramian of the capability gradients to one weight per capability.

The update is d = J^T w, where row k of J is the gradient g_k of capability k's objective (an ascent direction, before its weight) and
G = J J^T. Every method here reads G alone, K x K in float64, so that its cost is negligible next to the gradients. The preferences p are
the capabilities' weights of the recipe. Capabilities with a row of zeros or a preference of 0 take no part and get weight 0.

| class | weights w | method |
|---|---|---|
| `WeightedSum` | p | linear scalarisation (Kurin et al. 2022, arXiv 2201.04122) |
| `UPGrad` | sum_k p_k argmin {v^T G v : v >= e_k} | UPGrad (Quinton and Rey 2024, arXiv 2406.16232) |
| `MGDA` | argmin {a^T G a : a on the simplex}, scaled | MGDA (Desideri 2012; for networks Sener and Koltun 2018, arXiv 1810.04650) |
| `IMTLG` | solution of (G w)_k = p_k sqrt(G_kk), scaled | IMTL-G (Liu et al. 2021, ICLR) |
| `PCGrad` | sum_k p_k of g_k projected off the gradients it conflicts with | PCGrad (Yu et al. 2020, arXiv 2001.06782) |

*Non-conflict* means that no capability falls to first order: (G w)_j >= 0 for all j, up to rounding -1e-9 |g_j| max_k w_k |g_k|.
`UPGrad` and `MGDA` guarantee it for any gradients; the others do not. To add a weighting, subclass `Weighting` and write `solve`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor


@dataclass
class Weighting(ABC):
    """A function from a Gramian and preferences to weights. Subclass it to add your own; a recipe names it by `class_path`.

    Attributes:
        normalize_rows: Weigh gradients of equal length, so that no capability counts for more because its gradient is longer. The rows
            keep their root mean square length in common, so that the learning rate keeps its meaning.
        metric: Geometry of the Gramian: `euclidean`, G = J J^T, or `optimizer`, G = J P J^T with P the diagonal by which Adam multiplies
            the gradient (1 / (sqrt(v) + eps)), so that the guarantee is about the step that Adam takes and not about the gradient.
    """

    normalize_rows: bool = False
    metric: Literal["euclidean", "optimizer"] = "euclidean"

    def __call__(self, gramian_KK: Tensor, preferences_K: Tensor) -> Tensor:
        """Return the weights.

        Args:
            gramian_KK: Inner products of the rows.
            preferences_K: Weight of each capability, none negative.

        Returns:
            K weights on the rows as they are, float64.

        Raises:
            ValueError: A Gramian or preference that is not finite, a negative preference, or shapes that differ.
        """
        gramian = gramian_KK.detach().double().cpu().numpy()
        preferences = preferences_K.detach().double().cpu().numpy()
        if gramian.shape != (len(preferences), len(preferences)):
            raise ValueError(f"a Gramian of shape {gramian.shape} for {len(preferences)} preferences")
        if not (np.isfinite(gramian).all() and np.isfinite(preferences).all()):
            raise ValueError("a Gramian or a preference is not finite")
        if (preferences < 0).any():
            raise ValueError(f"preferences must be 0 or more, not {preferences.tolist()}")
        weights = np.zeros(len(preferences))
        alive = np.flatnonzero((np.diag(gramian) > 0) & (preferences > 0))
        if len(alive):
            part = gramian[np.ix_(alive, alive)]
            part = (part + part.T) / 2
            if self.normalize_rows:
                lengths = np.sqrt(np.diag(part))
                common = np.sqrt(np.mean(lengths**2))
                weights[alive] = self.solve(_cosines(part) * common**2, preferences[alive]) * common / lengths
            else:
                weights[alive] = self.solve(part, preferences[alive])
        return torch.from_numpy(weights)

    @abstractmethod
    def solve(self, gramian: np.ndarray, preferences: np.ndarray) -> np.ndarray:
        """Return the weights of capabilities that all have a gradient and a positive preference.

        Args:
            gramian: Symmetric [K, K], positive diagonal, float64.
            preferences: [K], positive.
        """


@dataclass
class WeightedSum(Weighting):
    """The plain weighted sum, w = p: the baseline, hard to beat with good regularisation (Kurin et al. 2022, arXiv 2201.04122).

    >>> WeightedSum()(torch.tensor([[1.0, -2.0], [-2.0, 16.0]]), torch.tensor([1.0, 1.0])).tolist()
    [1.0, 1.0]
    """

    def solve(self, gramian: np.ndarray, preferences: np.ndarray) -> np.ndarray:
        """Return the preferences."""
        return preferences


@dataclass
class UPGrad(Weighting):
    """UPGrad (Quinton and Rey 2024, arXiv 2406.16232): project every gradient onto the cone of directions that harm no capability, and sum.

    w = sum_k p_k argmin {v^T G v : v >= e_k}, e_k the unit vector. Solved exactly, by non-negative least squares on the Gramian scaled to
    unit diagonal, without regularisation: non-conflict holds at any ratio of lengths. Without conflict it is the weighted sum.

    >>> UPGrad()(torch.tensor([[1.0, 0.5], [0.5, 4.0]]), torch.tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    >>> [round(w, 6) for w in UPGrad()(torch.tensor([[1.0, -2.0], [-2.0, 16.0]]), torch.tensor([1.0, 1.0])).tolist()]
    [3.0, 1.125]
    """

    def solve(self, gramian: np.ndarray, preferences: np.ndarray) -> np.ndarray:
        """Project row by row, each row of unit length."""
        from scipy.optimize import nnls

        lengths, root = np.sqrt(np.diag(gramian)), _root(_cosines(gramian))
        total = np.zeros(len(preferences))
        for k, preference in enumerate(preferences):
            extra, _ = nnls(root, -root[:, k])
            total += preference * lengths[k] * extra
        return preferences + total / lengths


@dataclass
class MGDA(Weighting):
    """MGDA (Desideri 2012; Sener and Koltun 2018, arXiv 1810.04650): the shortest vector in the convex hull of the gradients.

    a = argmin |sum_k a_k g_k / p_k| over the simplex, so that every capability gains at least p_k |d|^2: gains in the ratio of the
    preferences. w_k = a_k / p_k, scaled to the sum of the preferences. The update is 0 exactly where the point is Pareto stationary.

    >>> [round(w, 6) for w in MGDA()(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.tensor([1.0, 1.0])).tolist()]
    [1.6, 0.4]
    """

    def solve(self, gramian: np.ndarray, preferences: np.ndarray) -> np.ndarray:
        """Find the minimum over the simplex."""
        weights = _simplex_minimum(gramian / np.outer(preferences, preferences)) / preferences
        return weights * (preferences.sum() / weights.sum())


@dataclass
class IMTLG(Weighting):
    """IMTL-G (Liu et al. 2021, ICLR): the direction whose cosines with the gradients are in the ratio of the preferences.

    (G w)_k = p_k |g_k| for all k, so that the cosines <d, g_k> / |g_k| are proportional to p_k; scaled to the sum of the preferences. The
    published method has equal preferences. Weights may be negative, and such an update need not improve every capability.

    >>> [round(w, 6) for w in IMTLG()(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.tensor([1.0, 1.0])).tolist()]
    [1.333333, 0.666667]
    """

    def solve(self, gramian: np.ndarray, preferences: np.ndarray) -> np.ndarray:
        """Solve the linear system of equal cosines."""
        weights = np.linalg.pinv(_cosines(gramian), rcond=1e-12, hermitian=True) @ preferences / np.sqrt(np.diag(gramian))
        total = weights.sum()
        if abs(total) < 1e-9 * np.abs(weights).sum():
            total = np.abs(weights).sum()
        return weights * (preferences.sum() / total) if total else preferences


@dataclass
class PCGrad(Weighting):
    """PCGrad (Yu et al. 2020, arXiv 2001.06782): remove from each gradient its component against every other one, one after the other.

    For every k, g = g_k, then g -= min(0, <g, g_j> / |g_j|^2) g_j for each other j; d = sum_k p_k g. The others come in the cyclic order of
    the capabilities rather than at random, so that a run can be repeated. With three capabilities or more it does not guarantee
    non-conflict.

    >>> [round(w, 6) for w in PCGrad()(torch.tensor([[1.0, -2.0], [-2.0, 16.0]]), torch.tensor([1.0, 1.0])).tolist()]
    [3.0, 1.125]
    """

    def solve(self, gramian: np.ndarray, preferences: np.ndarray) -> np.ndarray:
        """Project in the coordinates of the rows."""
        count, total = len(preferences), np.zeros(len(preferences))
        for k in range(count):
            part = np.eye(count)[k]
            for j in ((k + step) % count for step in range(1, count)):
                part[j] -= min(0.0, gramian[j] @ part) / gramian[j, j]
            total += preferences[k] * part
        return total


def stationarity(gramian_KK: Tensor) -> float:
    """Return the distance from Pareto stationarity: sqrt(min of w^T G w over the simplex), 0 where no direction improves every capability.

    >>> round(stationarity(torch.tensor([[1.0, 0.0], [0.0, 1.0]])) ** 2, 9)
    0.5
    >>> stationarity(torch.tensor([[1.0, -2.0], [-2.0, 4.0]]))
    0.0
    """
    gramian = gramian_KK.detach().double().cpu().numpy()
    if not (np.diag(gramian) > 0).all():
        return 0.0
    weights = _simplex_minimum(gramian)
    value, scale = weights @ gramian @ weights, (weights**2) @ np.diag(gramian)
    return float(np.sqrt(value)) if value > 1e-14 * scale else 0.0  # rounding error of a cancellation


def _cosines(gramian: np.ndarray) -> np.ndarray:
    """Return the Gramian of the rows scaled to unit length."""
    lengths = np.sqrt(np.diag(gramian))
    cosines = np.clip(gramian / lengths[:, None] / lengths[None, :], -1.0, 1.0)
    np.fill_diagonal(cosines, 1.0)
    return cosines


def _root(cosines: np.ndarray) -> np.ndarray:
    """Return a matrix R with R^T R = C."""
    values, vectors = np.linalg.eigh(cosines)
    return np.sqrt(np.clip(values, 0.0, None))[:, None] * vectors.T


def _simplex_minimum(gramian: np.ndarray) -> np.ndarray:
    """Return the minimum of a^T G a over the simplex.

    Least squares of [J^T; 1^T] a against [0; 1] over a >= 0 has its solution on the ray of the minimum, for any weight of the last row.
    With a_k = y_k / |g_k| it is solved on rows of unit length.
    """
    from scipy.optimize import nnls

    inverse = 1 / np.sqrt(np.diag(gramian))
    share = inverse / inverse.max()
    target = np.zeros(len(share) + 1)
    target[-1] = 1.0
    scaled, _ = nnls(np.vstack([_root(_cosines(gramian)), share]), target)
    weights = scaled * share
    return weights / weights.sum()
