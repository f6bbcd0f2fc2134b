"""Where a GRPO step of the main job spends its time, and what sharing the prompt within a group saves in the learner.

Run: python benchmarks/performance/training/grpo_step.py [STEPS]. The last line is JSON; medians.
"""

import json
import statistics
import sys
import time

import torch

from bbflow.graph import ClinicalPack
from bbflow.policies import PolicySettings, completion_logprobs, load_policy
from bbflow.policies.rollouts import TransformersRollout
from bbflow.synthesis import generate
from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, MultiHop, TreatmentChoice


def main(steps: int = 10) -> None:
    tasks = {t.name: t for t in (FactRecall(), MultiHop(), ConstrainedAnswer(), TreatmentChoice())}
    examples = generate(ClinicalPack().load(), tasks, {"train": 16 * steps}, {}, seed=0).examples["train"]
    policy, engine = load_policy(PolicySettings()), TransformersRollout(group_size=8, max_new_tokens=72)
    seconds: dict[str, list[float]] = {"rollout": [], "learner, prompt shared": [], "learner, prompt repeated": []}
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        prompts = [policy.prompt_ids(e.messages) for e in examples[16 * step : 16 * step + 16]]
        start = time.perf_counter()
        r = engine.generate(policy, prompts, generator=generator)
        seconds["rollout"].append(time.perf_counter() - start)
        for name, share in (("learner, prompt shared", True), ("learner, prompt repeated", False)):
            start = time.perf_counter()
            args = (r.prompt_ids_BP, r.prompt_mask_BP, r.completion_ids_NT, r.completion_mask_NT)
            completion_logprobs(policy.model, *args, group_size=8, temperature=1.0, share_prompt=share).sum().backward()
            seconds[name].append(time.perf_counter() - start)
            policy.model.zero_grad()
    medians = {name: round(statistics.median(values), 3) for name, values in seconds.items()}
    for name, value in medians.items():
        print(f"{name:26} {value:.3f} s")
    ratio = round(medians["learner, prompt shared"] / medians["learner, prompt repeated"], 3)
    print(json.dumps({"seconds": medians, "shared_over_repeated": ratio}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
