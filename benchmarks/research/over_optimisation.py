r"""Did a hybrid run exploit its judge? Both reward models score the same held-out questions before and after the run.

    bbflow fit --config recipes/hybrid.yaml
    bbflow generate --config recipes/hybrid.yaml --out data
    python benchmarks/research/over_optimisation.py --run runs/hybrid/version_0 --data data/test.parquet \
        --reward-model runs/reward/version_0/reward_model --gold-model runs/reward/version_1/reward_model

The watch in the run's report scores other questions at every point; here each question is its own control. A judge is exploited where what it
pays rises and what the second model says falls. Differences with bootstrap intervals of 95% over entity clusters. Last line JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from bbflow.data.example_io import read_examples
from bbflow.graph import ClinicalPack
from bbflow.rewards import LearnedReward


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("run", "data", "reward-model", "gold-model"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--facts", type=int, default=4)
    arguments = parser.parse_args()
    examples = {example.example_id: example for example in read_examples(Path(arguments.data))}
    table = pd.read_parquet(Path(arguments.run) / "report" / "scores.parquet").drop_duplicates("example_id")
    table = table[table["example_id"].isin(examples)]
    asked = [examples[name] for name in table["example_id"]]
    graph, told = ClinicalPack(core=True).load(), {"questions": len(asked)}
    told["completions_changed"] = int((table["completion_before"] != table["completion_after"]).sum())
    for name, path in (("paying", arguments.reward_model), ("gold", arguments.gold_model)):
        reward = LearnedReward(path, facts=arguments.facts, truncated="score", same_tokenizer=False)
        reward.prepare(graph)
        before, after = (np.array(reward(asked, list(table[f"completion_{when}"])), float) for when in ("before", "after"))
        told[name] = {"before": before.mean(), "after": after.mean(), "difference": interval(after - before, table["cluster"])}
    print(json.dumps(told))


def interval(values: np.ndarray, clusters: pd.Series) -> list[float]:
    """Mean, and its percentile interval over resampled clusters."""
    grouped = pd.DataFrame({"sum": values, "count": 1.0}).groupby(clusters.to_numpy()).sum().to_numpy()
    draws = np.random.default_rng(0).integers(0, len(grouped), (2000, len(grouped)))
    means = grouped[draws].sum(1)
    return [float(values.mean()), *np.percentile(means[:, 0] / means[:, 1], [2.5, 97.5]).tolist()]


if __name__ == "__main__":
    main()
