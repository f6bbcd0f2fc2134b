"""Sample rollouts for the report: what the policy wrote, early and late in the run, and what it was paid for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bbflow.reporting.markup import Markup, el, join

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 1500
"""Characters of a prompt or completion that are shown."""


def rollout_samples(rollouts: pd.DataFrame | None, capabilities: Sequence[str]) -> Markup | None:
    """Shows for each capability the best and the worst paid rollout of the first and of the last logged step.

    Args:
        rollouts: Rows of the rollout log: step, example_id, prompt, completion, `reward_<capability>`, truncated.
        capabilities: Names, in the order shown.
    """
    if rollouts is None or rollouts.empty:
        return None
    known = [name for name in capabilities if f"reward_{name}" in rollouts]
    blocks = []
    for name in known:
        judged = rollouts[rollouts[f"reward_{name}"].notna()]
        if judged.empty:
            continue
        best = 0
        chosen: list[pd.Series] = []
        for step in dict.fromkeys((judged["step"].min(), judged["step"].max())):
            rows = judged[judged["step"] == step].sort_values(f"reward_{name}", kind="stable")
            best = len(chosen)  # the best of the last step ends up unfolded
            chosen += [rows.iloc[-1], rows.iloc[0]] if len(rows) > 1 else [rows.iloc[0]]
        blocks.append(join(el("h3", name), *(_sample(row, known, name, shown=i == best) for i, row in enumerate(chosen))))
    return join(*blocks) if blocks else None


def _sample(row: pd.Series, capabilities: Sequence[str], judged: str, shown: bool) -> Markup:
    paid = [(name, row[f"reward_{name}"]) for name in capabilities if row[f"reward_{name}"] == row[f"reward_{name}"]]
    chips = [el("span", f"{name} {reward:.2f}", class_="chip main" if name == judged else "chip") for name, reward in paid]
    proof = str(row.get("proof") or "")
    cut = el("span", "truncated", class_="chip") if row.get("truncated") in (True, 1) else None
    return el(
        "details",
        el("summary", el("span", f"step {int(row['step'])}", class_="step"), *chips, cut),
        el("h4", "prompt"),
        el("pre", _shortened(row["prompt"])),
        el("h4", "completion"),
        el("pre", _shortened(row["completion"])),
        *([el("h4", "what proves the answer in the graph"), el("pre", _shortened(proof.replace("; ", "\n")))] if proof else []),
        el("p", f"example {row['example_id']}", class_="note"),
        open="" if shown else None,
    )


def _shortened(text: object) -> str:
    said = str(text)
    return said if len(said) <= LONGEST else f"{said[:LONGEST]} … ({len(said) - LONGEST} more characters)"
