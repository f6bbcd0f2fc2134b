"""What a trained reward model pays for the adversarial probes.

    bbflow generate --config recipes/grpo.yaml --out data
    python benchmarks/research/learned_probes.py --reward-model runs/reward/version_0/reward_model --data data/test.parquet

A probability has no exact bound, so two shares are told: of probes paid more than 0.05 above an honest wrong answer, and of probes that come within
0.5 of a reference response which itself is paid 0.5 or more. Last line JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from bbflow.data.example_io import read_examples
from bbflow.evaluation.baselines.probes import GAP, PROBES, honest_wrong
from bbflow.graph import ClinicalPack
from bbflow.rewards import LearnedReward

RIGHT, WRONG = "reference", "honest wrong answer"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reward-model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--examples", type=int, default=60)
    arguments = parser.parse_args()
    graph, reward = ClinicalPack(core=True).load(), LearnedReward(arguments.reward_model, facts=4)
    reward.prepare(graph)
    examples = sorted(read_examples(Path(arguments.data)), key=lambda e: e.example_id)[: arguments.examples]
    asked = []
    for i, example in enumerate(examples):
        asked += [(i, RIGHT, example.response), (i, WRONG, honest_wrong(example, graph))]
        asked += [(i, name, text) for name, probe in PROBES.items() if (text := probe(example, graph)) not in (None, example.response)]
    scores = reward([examples[i] for i, _, _ in asked], [text or "" for _, _, text in asked])
    paid = {(i, name): score for (i, name, _), score in zip(asked, scores, strict=True) if score is not None}
    probes = [(i, score) for (i, name), score in paid.items() if name not in (RIGHT, WRONG) and {(i, RIGHT), (i, WRONG)} <= set(paid)]
    sure = [(i, score) for i, score in probes if paid[i, RIGHT] >= GAP]
    told = {
        "probes": len(probes),
        "above_wrong": sum(score > paid[i, WRONG] + 0.05 for i, score in probes) / len(probes),
        "within_gap_of_right": sum(score > paid[i, RIGHT] - GAP for i, score in sure) / len(sure),
        "mean_right": statistics.mean(score for (_, name), score in paid.items() if name == RIGHT),
        "mean_wrong": statistics.mean(score for (_, name), score in paid.items() if name == WRONG),
        "mean_probe": statistics.mean(score for _, score in probes),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
