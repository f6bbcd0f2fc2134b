"""One update for several capabilities: collects their gradients over the micro-batches of a step, weighs them, and writes the gradient.

The rows are summed over ranks first, in one reduction, and the weights solved after: every rank then solves the same problem. Solving on
each rank and averaging would be another update, and one without the guarantee. Lightning clips what is written here, as any gradient.
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
    """Gradients of K capabilities on their way into one update.

    Args:
        preferences: Weight of each capability by name; their order is that of the rows.
        weighting: Turns the Gramian into weights.
        measured: Keep the gradients of two halves of the batch apart and the parameters before each update, so that interference can be
            estimated without bias: memory for 2 K gradients and one copy of what is trained.
        shared: Whether a gradient that belongs to no capability (KL penalty, entropy, examples without one) is added after the weighting.

    Attributes:
        mode: How rows are formed; None until the first batch decided it.
        fresh: Whether no update has been made yet from what the rows come from; what was done before is measured then, and only then.
    """

    def __init__(self, preferences: Mapping[str, float], weighting: Weighting, *, measured: bool, shared: bool) -> None:
        self.names = tuple(preferences)
        self.preferences_K = torch.tensor(list(preferences.values()), dtype=torch.float64)
        self.weighting = weighting
        self.halves = HALVES if measured else 1
        self.measured, self.shared = measured, shared
        self.mode: Mode | None = None
        self.fresh = True
        self.jacobian: Jacobian | None = None
        self._normalizers_R = torch.zeros(self.halves * len(self.names) + shared, dtype=torch.float64)
        self._before_P: Tensor | None = None

    def collect(self, parameters: Iterable[nn.Parameter]) -> Jacobian:
        """The rows to add to; made on first use."""
        if self.jacobian is None:
            self.jacobian = Jacobian((p for p in parameters if p.requires_grad), len(self._normalizers_R))
        return self.jacobian

    def decide(self, model: Any, rollouts: Rollouts, temperature: float = 1.0) -> Mode:
        """How the rows of a model are formed, tried on the first batch and kept."""
        if self.mode is None:
            with eval_mode(model):
                self.mode, reason = exact_mode(model, rollouts, temperature=temperature)
            rank_zero_info(f"capability gradients: {self.mode} ({reason})")
        return self.mode

    def rows(self, half: int) -> slice:
        """The rows of a half of the batch."""
        return slice(half * len(self.names), (half + 1) * len(self.names))

    @property
    def shared_rows(self) -> slice:
        """The row of what belongs to no capability, a descent direction; no row where there is nothing of the kind."""
        return slice(self.halves * len(self.names), len(self._normalizers_R))

    def count(self, rows: slice, normalizers: Tensor) -> None:
        """Registers what summed rows are divided by (one number for all, or one each), besides what was registered before."""
        self._normalizers_R[rows] += normalizers.detach().double().cpu()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been collected since the last update."""
        return not self._normalizers_R.any()

    def clear(self) -> None:
        """Forgets what was collected since the last update."""
        if self.jacobian is not None:
            self.jacobian.rows_RP.zero_()
        self._normalizers_R.zero_()

    def apply(self, optimizer: torch.optim.Optimizer, sum_over_ranks: Callable[[Tensor], Tensor]) -> UpdateGeometry | None:
        """Solves for the weights, writes the gradient of the step, and starts the next one.

        Args:
            optimizer: Its second moments make the metric, where the weighting asks for that.
            sum_over_ranks: Sums a tensor over all ranks.

        Returns:
            What was seen of the update; see `UpdateGeometry`. None where a row is not finite: there is nothing to solve then, and the
            gradient that is written is not finite either.
        """
        geometry, total_K, normalizers_R = self._solve(optimizer, sum_over_ranks, follow=self.measured and self.fresh)
        jacobian = self.collect(())
        if geometry is None:
            jacobian.write_gradient(torch.full_like(jacobian.rows_RP[0], torch.nan))
        else:
            # rows climb, optimisers descend; the shared row descends already
            shared = 1 / normalizers_R[self.shared_rows].clamp(min=1)
            jacobian.write_gradient(jacobian.combine(torch.cat([-geometry.weights_K / total_K] * self.halves + [shared])))
        self.clear()
        return geometry

    def inspect(self, optimizer: torch.optim.Optimizer, sum_over_ranks: Callable[[Tensor], Tensor]) -> UpdateGeometry | None:
        """What `apply` would see of the update, without making it; the memory of the rows is given back."""
        geometry, _, _ = self._solve(optimizer, sum_over_ranks, follow=False)
        self.clear()
        self.jacobian = None
        return geometry

    def _solve(
        self, optimizer: torch.optim.Optimizer, sum_over_ranks: Callable[[Tensor], Tensor], *, follow: bool
    ) -> tuple[UpdateGeometry | None, Tensor, Tensor]:
        """Sums the rows over ranks and weighs them; returns what was seen (None where a row is not finite), and what rows are divided by.

        With `follow`, what the previous update really did is measured too.
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
        """What a resumed run needs to go on as if it had not stopped."""
        return {"before": self._before_P}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes `state_dict` back."""
        self._before_P = state["before"]

    def _fold(self, gramian_RR: Tensor) -> Tensor:
        """Inner products of the sums over halves."""
        rows = self.halves * len(self.names)
        return gramian_RR[:rows, :rows].unflatten(0, (self.halves, -1)).unflatten(2, (self.halves, -1)).sum((0, 2))

    def _applied(self, jacobian: Jacobian, total_K: Tensor) -> Tensor | None:
        """What the update, or updates, of the previous batch did to each capability, by rows of this batch, which they have not seen."""
        now_P = jacobian.flatten(jacobian.parameters)
        before_P, self._before_P = self._before_P, now_P
        if before_P is None:
            return None
        change = jacobian.times(now_P.double() - before_P.to(now_P.device).double())[: self.halves * len(self.names)].cpu()
        return change.unflatten(0, (self.halves, -1)).sum(0) / total_K

    def _inverse_scale(self, optimizer: torch.optim.Optimizer) -> Tensor | None:
        """The diagonal by which Adam multiplies a gradient, 1 / (sqrt(v) + eps), from the moments of the step before; None at first."""
        jacobian, parts = self.jacobian, []
        for parameter in jacobian.parameters if jacobian else []:
            state = optimizer.state.get(parameter, {})
            if "exp_avg_sq" not in state:
                return None
            group = next(g for g in optimizer.param_groups if any(p is parameter for p in g["params"]))
            moment = state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))
            parts.append(1 / (moment.sqrt() + group["eps"]))
        return jacobian.flatten(parts) if jacobian else None
