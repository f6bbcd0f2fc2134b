"""Summary of the interference between capabilities over a run, as JSON data for the report."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

from bbflow.evaluation.statistics.multiple_testing import holm
from bbflow.optimization.unbiased_interference import Interference, corrected_cosines, p_positive, symmetric

if TYPE_CHECKING:
    from torch import Tensor


def summarize_interference(seen: Interference, window: int = 20) -> dict[str, Any] | None:
    """Return the summary of a run's updates.

    Args:
        seen: Statistics of the updates.
        window: Number of final updates that stationarity is computed over.

    Returns:
        JSON data by `bbflow.cli.schemas.report_json.Interference`, or None without an update. Keys that need two halves of the rollouts,
        or a next batch, are absent without them.
    """
    import torch

    if not seen.steps:
        return None
    block: dict[str, Any] = {"names": list(seen.names), "steps": seen.steps, "modes": dict(seen.modes)}
    block["weights"] = _by_name(seen, torch.stack(seen.weights).mean(0))
    block["harm_rate"] = {"update": sum(seen.harmed) / seen.steps, "weighted_sum": sum(seen.harmed_by_sum) / seen.steps}
    if seen.cross:
        block |= _from_halves(seen, window)
    if seen.applied:
        block["applied"] = _effects(seen, torch.stack(seen.applied))
    return block


def _from_halves(seen: Interference, window: int) -> dict[str, Any]:
    assert seen.preferences_K is not None  # set by the first update
    cross_TKK = seen.last()
    cosines_KK, errors_KK = corrected_cosines(cross_TKK)
    rates_KK, p_KK = seen.conflicts(), p_positive(-symmetric(cross_TKK))
    pairs = list(combinations(range(len(seen.names)), 2))
    p_values = holm({str(pair): float(p_KK[pair]) for pair in pairs if math.isfinite(p_KK[pair])})
    entries: list[dict[str, Any]] = [
        {
            "pair": [seen.names[j], seen.names[k]],
            "cosine": _number(cosines_KK[j, k]),
            "cosine_error": _number(errors_KK[j, k]),
            "conflict_rate": _number(rates_KK[j, k]),
            "p_conflict": p_values.get(str((j, k))),
        }
        for j, k in pairs
    ]
    rates = [entry["conflict_rate"] for entry in entries if entry["conflict_rate"] is not None]
    return {
        "cosine": [[_number(value) for value in row] for row in cosines_KK],
        "cosine_error": [[_number(value) for value in row] for row in errors_KK],
        "pairs": entries,
        "conflict_rate": sum(rates) / len(rates) if rates else None,
        "stationarity": _number(seen.stationarity(window)),
        "signal": _by_name(seen, seen.signal()),
        "weighted_sum": _effects(seen, symmetric(cross_TKK) @ seen.preferences_K),
    }


def _effects(seen: Interference, effects_TK: Tensor) -> dict[str, Any]:
    """Return per capability the mean effect, the share of updates with a negative effect, and the p-value of a loss."""
    p_values = holm({name: p for name, p in zip(seen.names, p_positive(-effects_TK).tolist(), strict=True) if math.isfinite(p)})
    return {
        name: {"mean": _number(row.mean()), "share_lowered": _number((row < 0).double().mean()), "p_lowered": p_values.get(name)}
        for name, row in zip(seen.names, effects_TK.T, strict=True)
    }


def _by_name(seen: Interference, values_K: Tensor) -> dict[str, float | None]:
    return {name: _number(value) for name, value in zip(seen.names, values_K, strict=True)}


def _number(value: Tensor | float) -> float | None:
    return float(f"{float(value):.6g}") if math.isfinite(value) else None
