"""Watches how the gradients of the capabilities stand to one another while a run goes on, and what the updates did about it."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from bbflow.evaluation.interference_summary import summarize_interference
from bbflow.optimization.unbiased_interference import Interference, corrected_cosines
from bbflow.optimization.update_geometry import UpdateGeometry


class InterferenceMonitor(Callback):
    """Logs the geometry of every update whose module exposes one (`last_geometry`); of other updates, nothing.

    Keys, to every logger of the run; one that is undefined at a step stays out of it:

    - `interference/cosine/<a>~<b>`: cosine of the true gradients over the last `window` updates, from two halves of the rollouts;
    - `interference/conflict/<a>~<b>`: share of those updates in which the halves put the two against each other (0.5 is chance);
    - `interference/signal/<capability>`: share of its squared gradient that is no noise, over the same updates;
    - `interference/stationarity`: distance from Pareto stationarity, over the same updates, noise taken out;
    - `interference/weight/<capability>`: its weight in the update;
    - `interference/applied/<capability>`: its first-order change by the update, or updates, of the previous batch as really made;
    - `interference/harmed`, `interference/harmed_by_sum`: whether the update, or the plain weighted sum in its place, lowers a capability
      to first order on its own batch.

    Of several updates on one batch of rollouts only the first counts: the others see rollouts that an update has been made from. The
    whole run goes into the `interference` block of the report.

    Args:
        window: Over how many updates the logged estimates are averaged.
    """

    def __init__(self, window: int = 20) -> None:
        self.window = window
        self.seen = Interference()
        self._first: UpdateGeometry | None = None
        self._last: UpdateGeometry | None = None

    def on_before_zero_grad(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Keep the first update of a batch when a second one is about to be made."""
        geometry = getattr(pl_module, "last_geometry", None)
        if self._first is None and geometry is not self._last:
            self._first = geometry

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Add the update that was just made; a batch that only accumulates has made none."""
        last: UpdateGeometry | None = getattr(pl_module, "last_geometry", None)
        if last is None or last is self._last:
            return
        geometry, self._first, self._last = self._first or last, None, last
        if self.seen.steps and self.seen.names != geometry.names:
            rank_zero_warn(f"Interference is watched anew: capabilities were {list(self.seen.names)}, now {list(geometry.names)}.")
            self.seen = Interference()
        self.seen.add(geometry)
        pl_module.log_dict({f"interference/{key}": value for key, value in self.values(geometry).items()}, batch_size=1)

    def values(self, geometry: UpdateGeometry) -> dict[str, float]:
        """Return the figures of the update that was added last."""
        seen, window = self.seen, self.window
        found = {"harmed": float(seen.harmed[-1]), "harmed_by_sum": float(seen.harmed_by_sum[-1])}
        found["stationarity"] = seen.stationarity(window)
        found |= _named("weight", seen.names, seen.weights[-1]) | _named("signal", seen.names, seen.signal(window))
        if geometry.applied_K is not None:
            found |= _named("applied", seen.names, seen.applied[-1])
        cosines_KK, conflicts_KK = corrected_cosines(seen.last(window))[0], seen.conflicts(window)
        for (j, a), (k, b) in combinations(enumerate(seen.names), 2):
            found[f"cosine/{a}~{b}"], found[f"conflict/{a}~{b}"] = float(cosines_KK[j, k]), float(conflicts_KK[j, k])
        return {key: value for key, value in found.items() if math.isfinite(value)}

    def block(self) -> dict[str, Any] | None:
        """Return the `interference` block of the report; None without an update."""
        return summarize_interference(self.seen, self.window)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors and plain values, which load with `weights_only`."""
        if not self.seen.steps:
            return {}
        return {key: torch.stack(value) if _tensors(value) else value for key, value in vars(self.seen).items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of a resumed run."""
        if state_dict:
            lists = ("cross", "squares", "applied", "weights")
            state: dict[str, Any] = {key: list(value) if key in lists else value for key, value in state_dict.items()}
            self.seen = Interference(**state)


def _named(kind: str, names: tuple[str, ...], values_K: torch.Tensor) -> dict[str, float]:
    return {f"{kind}/{name}": value for name, value in zip(names, values_K.tolist(), strict=True)}


def _tensors(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], torch.Tensor)
