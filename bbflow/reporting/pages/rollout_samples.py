"""Sample rollouts of a run: completions of the policy early and late in training, with their rewards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from bbflow.reporting.template_rendering import render_part

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 1500
"""Largest number of characters shown of a prompt or completion."""


@dataclass(frozen=True)
class Sample:
    """A rollout as shown; `open` unfolds it."""

    step: int
    example_id: str
    prompt: str
    completion: str
    proof: str
    rewards: dict[str, float]
    truncated: bool
    open: bool


def rollout_section(rollouts: pd.DataFrame | None, capabilities: Sequence[str]) -> Markup | None:
    """Return for each capability the best and the worst rewarded rollout of the first and of the last logged step; None without any.

    Args:
        rollouts: Rows of the rollout log: step, example_id, prompt, completion, `reward_<capability>`, truncated.
        capabilities: Names, in the order shown.
    """
    if rollouts is None or rollouts.empty:
        return None
    known = [name for name in capabilities if f"reward_{name}" in rollouts]
    samples = {name: _samples(rollouts[rollouts[f"reward_{name}"].notna()], name, known) for name in known}
    samples = {name: of for name, of in samples.items() if of}
    return render_part("run/rollouts.html.jinja", by_capability=samples) if samples else None


def _samples(judged: pd.DataFrame, name: str, capabilities: Sequence[str]) -> list[Sample]:
    best = 0
    chosen: list[pd.Series] = []
    for step in dict.fromkeys((judged["step"].min(), judged["step"].max())) if len(judged) else ():
        rows = judged[judged["step"] == step].sort_values(f"reward_{name}", kind="stable")
        best = len(chosen)  # the best of the last step ends up unfolded
        chosen += [rows.iloc[-1], rows.iloc[0]] if len(rows) > 1 else [rows.iloc[0]]
    return [_sample(row, capabilities, i == best) for i, row in enumerate(chosen)]


def _sample(row: pd.Series, capabilities: Sequence[str], shown: bool) -> Sample:
    rewards = {name: row[f"reward_{name}"] for name in capabilities}
    return Sample(
        step=int(row["step"]),
        example_id=str(row["example_id"]),
        prompt=_shortened(row["prompt"]),
        completion=_shortened(row["completion"]),
        proof=_shortened(str(row.get("proof") or "").replace("; ", "\n")),
        rewards={name: float(reward) for name, reward in rewards.items() if reward == reward},  # NaN: the capability abstained
        truncated=row.get("truncated") in (True, 1),
        open=shown,
    )


def _shortened(text: object) -> str:
    whole = str(text)
    return whole if len(whole) <= LONGEST else f"{whole[:LONGEST]} … ({len(whole) - LONGEST} more characters)"
