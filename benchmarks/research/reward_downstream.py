"""What a reward model is worth downstream: SFT on the half it keeps against SFT on a random half of a noised data set.

    python benchmarks/research/reward_downstream.py --reward-model runs/reward/version_0/reward_model

Of the training examples of the alignment stage, 20% get a corrupted response. The reward model scores every record with the facts in its
prompt and keeps the better half; the control keeps a random half of the same size. Both start from the bundled policy, train the same steps
with the same seed, and are judged on the same test questions. Reported: the difference of the mean score over capabilities, with a t interval
over seeds; last line JSON. The test entities of the reward model play no part here: the question is what the filter is worth, not the model.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from dataclasses import replace

import torch
from lightning.pytorch import Trainer, seed_everything
from torch.utils.data import DataLoader

from bbflow.capabilities import Capability
from bbflow.cli.commands.evaluation_inputs import load_capabilities
from bbflow.data.preference_pairs import Judge
from bbflow.evaluation.scoring import score_policy
from bbflow.graph import ClinicalPack, KnowledgeGraph
from bbflow.modules import SFT
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.policies import PolicySettings
from bbflow.policies.reward_heads import load_scorer
from bbflow.records import Example
from bbflow.synthesis import generate
from bbflow.synthesis.corruption import CORRUPTIONS, CorrectRecord
from bbflow.synthesis.items.evidence import draw_evidence, with_evidence
from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, MultiHop, TreatmentChoice


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reward-model", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[31, 32, 33])
    parser.add_argument("--train", type=int, default=2400)
    parser.add_argument("--test", type=int, default=600)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--noise", type=float, default=0.2)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--precision", default="bf16-mixed", help="32-true where the processor has no bfloat16")
    arguments = parser.parse_args()
    graph = ClinicalPack().load()
    tasks = {task.name: task for task in (FactRecall(), MultiHop(), ConstrainedAnswer(), TreatmentChoice())}
    capabilities = load_capabilities(None)
    for capability in capabilities.values():
        capability.prepare(graph)
    scorer, judge = load_scorer(arguments.reward_model), Judge(graph)
    differences, rows = [], []
    for seed in arguments.seeds:
        made = generate(graph, tasks, {"train": arguments.train, "test": arguments.test}, {}, seed, stage="alignment")
        clean, test = made.examples["train"], made.examples["test"]
        rng = random.Random(seed)
        noised, wrong = noise(graph, judge, clean, arguments.noise, rng)
        prompts = [with_evidence(graph, e, draw_evidence(graph, e, 4, rng)).messages for e in noised]
        gated = scorer.score(prompts, [e.response for e in noised]).gated_N.tolist()
        half = len(noised) // 2
        kept = sorted(range(len(noised)), key=lambda i: -gated[i])[:half]
        chance = rng.sample(range(len(noised)), half)
        scores = {}
        for arm, chosen in (("filtered", kept), ("random", chance)):
            scores[arm] = trained([noised[i] for i in sorted(chosen)], test, capabilities, seed, arguments)
        share = {arm: sum(i in wrong for i in chosen) / half for arm, chosen in (("filtered", kept), ("random", chance))}
        means = {arm: statistics.mean(by.values()) for arm, by in scores.items()}
        differences.append(means["filtered"] - means["random"])
        rows.append({"seed": seed, "corrupted_share": share, "mean": means, "scores": scores})
        print(json.dumps(rows[-1]), flush=True)
    from scipy import stats

    mean, n = statistics.mean(differences), len(differences)
    spread = statistics.stdev(differences) / n**0.5 * stats.t.ppf(0.975, n - 1) if n > 1 else float("nan")
    print(json.dumps({"difference": mean, "ci": [mean - spread, mean + spread], "seeds": rows}))


def noise(graph: KnowledgeGraph, judge: Judge, examples: list[Example], share: float, rng: random.Random) -> tuple[list[Example], set[int]]:
    """Corrupts a share of the responses; returns the examples and which are wrong."""
    out, wrong = list(examples), set()
    for i in rng.sample(range(len(examples)), len(examples)):
        if len(wrong) >= share * len(examples):
            break
        example = examples[i]
        case = CorrectRecord(example, graph, draw_evidence(graph, example, 4, rng))
        for corruption in rng.sample(CORRUPTIONS, len(CORRUPTIONS)):
            text = corruption()(case, rng)
            if text and text != example.response and any(True for _ in judge.faults(example, text)):
                out[i] = replace(example, response=text)
                wrong.add(i)
                break
    return out, wrong


def trained(
    train: list[Example], test: list[Example], capabilities: dict[str, Capability], seed: int, arguments: argparse.Namespace
) -> dict[str, float]:
    """Mean test score by capability after SFT of the bundled policy."""
    seed_everything(seed, verbose=False)
    module = SFT(PolicySettings(), optimizer=OptimizerSettings(learning_rate=arguments.learning_rate, schedule="cosine", warmup_steps=5))
    module.configure_model()
    loader = DataLoader(train, batch_size=32, shuffle=True, collate_fn=module.collate, drop_last=True)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    Trainer(max_steps=arguments.steps, accelerator="cpu", gradient_clip_val=1.0, precision=arguments.precision, **quiet).fit(module, loader)
    with torch.inference_mode():
        table = score_policy(module.ready_policy, capabilities, test, max_new_tokens=64)
    return {name: float(score) for name, score in table.groupby("capability")["score"].mean().items()}


if __name__ == "__main__":
    main()
