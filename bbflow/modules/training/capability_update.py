"""One update for several capabilities: collects their gradients over the micro-batches of a step, weighs them, and writes the gradient.

The rows are summed over ranks first, in one reduction, and the weights solved after: every rank then solves the same problem. Solving on
each rank and averaging would be another update, and one without the guarantee. Lightning clips the gradient afterwards, like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from bbflow.modules.training.capability_jacobian import Mode, exact_mode
from bbflow.optimization.jacobian import Jacobian
from bbflow.optimization.update_geometry import UpdateGeometry
from bbflow.optimization.weightings import Weighting
from bbflow.policies.policy import eval_mode
from bbflow.policies.rollouts import Rollouts

HALVES = 2


class CapabilityUpdate:
    """Gradients of K capabilities, collected in R rows, on their way into one update.

    Args:
        preferences: Weight of each capability by name; their order is that of the rows.
        weighting: Turns the Gramian into weights.
        measured: Keep the gradients of two halves of the batch apart and the parameters before each update, so that interference can be
            estimated without bias: memory for 2 K gradients and one copy of the trained parameters.
        shared: Whether a gradient that belongs to no capability (KL penalty, entropy, examples without one) is added after the weighting.

    Attributes:
        mode: How rows are formed; None until the first batch decided it.
        jacobian: The rows; None until `jacobian_of`.
    """

    def __init__(self, preferences: Mapping[str, float], weighting: Weighting, *, measured: bool, shared: bool) -> None:
        self.names = tuple(preferences)
        self.preferences_K = torch.tensor(list(preferences.values()), dtype=torch.float64)
        self.weighting = weighting
        self.halves = HALVES if measured else 1
        self.measured, self.shared = measured, shared
        self.mode: Mode | None = None
        self.jacobian: Jacobian | None = None
        self._normalizers_R = torch.zeros(self.halves * len(self.names) + shared, dtype=torch.float64)
        self._before_P: Tensor | None = None

    def jacobian_of(self, parameters: Iterable[nn.Parameter]) -> Jacobian:
        """Return the rows to add to, made on first use, for parameters of which the trained ones count."""
        if self.jacobian is None:
            self.jacobian = Jacobian((p for p in parameters if p.requires_grad), len(self._normalizers_R))
        return self.jacobian

    def choose_mode(self, model: Any, rollouts: Rollouts, temperature: float = 1.0) -> Mode:
        """Return how the rows of a model are formed, tried on the first batch and kept."""
        if self.mode is None:
            with eval_mode(model):
                self.mode, reason = exact_mode(model, rollouts, temperature=temperature)
            rank_zero_info(f"capability gradients: {self.mode} ({reason})")
        return self.mode

    def rows(self, half: int) -> slice:
        """Return the rows of one half of the batch."""
        return slice(half * len(self.names), (half + 1) * len(self.names))

    @property
    def shared_rows(self) -> slice:
        """Row of the terms that belong to no capability, a descent direction; empty where there are none."""
        return slice(self.halves * len(self.names), len(self._normalizers_R))

    def add_normalizer(self, rows: slice, normalizers: Tensor) -> None:
        """Add to the divisors of summed rows: one number for all, or one each."""
        self._normalizers_R[rows] += normalizers.detach().double().cpu()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been collected since the last update."""
        return not self._normalizers_R.any()

    def clear(self) -> None:
        """Discard the rows collected since the last update."""
        if self.jacobian is not None:
            self.jacobian.rows_RP.zero_()
        self._normalizers_R.zero_()

    def apply(
        self, optimizer: torch.optim.Optimizer, sum_over_ranks: Callable[[Tensor], Tensor], *, first: bool = True
    ) -> UpdateGeometry | None:
        """Solve for the weights, write the gradient of the step, and start the next one.

        Args:
            optimizer: Its second moments make the metric, where the weighting asks for that.
            sum_over_ranks: Sums a tensor over all ranks.
            first: Whether this is the first update from its examples. The effect of earlier updates is measured on examples that they
                have not seen, so by the rows of a first update alone.

        Returns:
            Geometry of the update. None where a row is not finite: there is nothing to solve then, and the gradient that is written is
            not finite either.
        """
        geometry, total_K, normalizers_R = self._solve(optimizer, sum_over_ranks, follow=self.measured and first)
        jacobian = self.jacobian_of(())
        if geometry is None:
            jacobian.write_gradient(torch.full_like(jacobian.rows_RP[0], torch.nan))
        else:
            # rows climb, optimisers descend; the shared row descends already
            shared = 1 / normalizers_R[self.shared_rows].clamp(min=1)
            jacobian.write_gradient(jacobian.combine(torch.cat([-geometry.weights_K / total_K] * self.halves + [shared])))
        self.clear()
        return geometry

    def inspect(self, optimizer: torch.optim.Optimizer, sum_over_ranks: Callable[[Tensor], Tensor]) -> UpdateGeometry | None:
        """Return the geometry that `apply` would return, without an update, and free the memory of the rows."""
        geometry, _, _ = self._solve(optimizer, sum_over_ranks, follow=False)
        self.clear()
        self.jacobian = None
        return geometry

    def _solve(
        self, optimizer: torch.optim.Optimizer, sum_over_ranks: Callable[[Tensor], Tensor], *, follow: bool
    ) -> tuple[UpdateGeometry | None, Tensor, Tensor]:
        """Sum the rows over ranks and weigh them; return the geometry (None where a row is not finite) and the divisors by K and by R.

        With `follow`, the effect of the previous update is measured too.
        """
        jacobian, count = self.jacobian, len(self.names)
        if jacobian is None or self.mode is None:
            raise RuntimeError("no gradient was collected for this update")
        jacobian.rows_RP.copy_(sum_over_ranks(jacobian.rows_RP))
        normalizers_R = sum_over_ranks(self._normalizers_R.to(jacobian.rows_RP)).double().cpu()
        halves_HK = normalizers_R[: self.halves * count].view(self.halves, count)
        total_K = halves_HK.sum(0).clamp(min=1)  # a capability without a sample has a row of zeros, whatever divides it
        total_KK = total_K[:, None] * total_K
        inner_RR = jacobian.gramian().cpu()
        if not inner_RR.isfinite().all():
            return None, total_K, normalizers_R
        gramian_KK = self._fold(inner_RR) / total_KK
        scale_P = self._inverse_scale(optimizer) if self.weighting.metric == "optimizer" else None
        seen_KK = gramian_KK if scale_P is None else self._fold(jacobian.gramian(scale_P).cpu()) / total_KK
        weights_K = self.weighting(seen_KK, self.preferences_K)
        two = self.measured and bool(halves_HK.all())
        cross_KK = inner_RR[:count, count : 2 * count] / (halves_HK[0][:, None] * halves_HK[1]) if two else None
        applied_K = self._applied(jacobian, total_K) if follow else None
        metric_KK = None if scale_P is None else seen_KK
        geometry = UpdateGeometry(self.names, gramian_KK, self.preferences_K, weights_K, self.mode, cross_KK, applied_K, metric_KK)
        return geometry, total_K, normalizers_R

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs to continue exactly."""
        return {"before": self._before_P}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of `state_dict`."""
        self._before_P = state["before"]

    def _fold(self, gramian_RR: Tensor) -> Tensor:
        """Return the inner products of the sums over halves."""
        rows = self.halves * len(self.names)
        return gramian_RR[:rows, :rows].unflatten(0, (self.halves, -1)).unflatten(2, (self.halves, -1)).sum((0, 2))

    def _applied(self, jacobian: Jacobian, total_K: Tensor) -> Tensor | None:
        """Return the effect [K] of the previous batch's updates on each capability, by rows of this batch, which they have not seen."""
        now_P = jacobian.flatten(jacobian.parameters)
        before_P, self._before_P = self._before_P, now_P
        if before_P is None:
            return None
        change = jacobian.times(now_P.double() - before_P.to(now_P.device).double())[: self.halves * len(self.names)].cpu()
        return change.unflatten(0, (self.halves, -1)).sum(0) / total_K

    def _inverse_scale(self, optimizer: torch.optim.Optimizer) -> Tensor | None:
        """Return the diagonal by which Adam multiplies a gradient, 1 / (sqrt(v) + eps), from the last step's moments; None at first."""
        jacobian, parts = self.jacobian, []
        for parameter in jacobian.parameters if jacobian else []:
            state = optimizer.state.get(parameter, {})
            if "exp_avg_sq" not in state:
                return None
            group = next(g for g in optimizer.param_groups if any(p is parameter for p in g["params"]))
            moment = state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))
            parts.append(1 / (moment.sqrt() + group["eps"]))
        return jacobian.flatten(parts) if jacobian else None
