"""Steps of GRPO on recorded rollouts, or of SFT, on two processes: `python ddp_step.py POLICY_FOLDER OUTPUT VARIANT...`.

Writes the gradient that each optimiser saw, and what each rank logged. A variant is `WEIGHTING:grpo|sft:TOKENS`; an empty WEIGHTING is
none, and TOKENS are those of a micro-batch.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from conftest import ListData, make_example, make_vowels
from lightning.pytorch import Trainer

from bbflow.modules import GRPO, SFT
from bbflow.optimization import GDPO, weightings
from bbflow.policies import PolicySettings
from bbflow.policies.policy import pad
from bbflow.policies.rollouts import RolloutEngine, Rollouts


class Recorded(RolloutEngine):
    """Completions that depend on the prompt alone, of very different lengths."""

    group_size, max_new_tokens, temperature = 3, 20, 1.0

    def generate(self, policy, prompts, *, group_size=None, generator=None, greedy=False):
        completions = []
        for prompt in prompts:
            source = torch.Generator().manual_seed(sum(prompt))
            for _ in range(self.group_size):
                length = int(torch.randint(1, 20, (1,), generator=source))
                completions.append(torch.randint(3, 300, (length,), generator=source).tolist())
        ids, mask = pad(completions, policy.pad_id, "right")
        truncated = torch.zeros(len(ids), dtype=torch.bool)
        return Rollouts(*pad(prompts, policy.pad_id, "left"), ids, mask, torch.zeros(ids.shape), truncated, self.group_size)


class _Watched:
    def on_before_optimizer_step(self, optimizer):
        super().on_before_optimizer_step(optimizer)
        self.gradient = torch.cat([p.grad.flatten().clone() for p in self.parameters()])


class Watched(_Watched, GRPO):
    pass


class WatchedSFT(_Watched, SFT):
    pass


def step(folder, processes, variant):
    """Rank, gradient and logged values of one step over four examples, and three to validate SFT, however many processes share them."""
    weighting, kind, tokens = variant.split(":")
    weighting, micro_batch_tokens = getattr(weightings, weighting)() if weighting else None, int(tokens) if tokens else None
    named = [["domain"], ["safety"], ["domain", "safety"], []]  # a rank with one example of a capability, a rank with more
    examples = [make_example(i, question="Why? " * (1 + i), answer="word " * (1 + i), capabilities=c) for i, c in enumerate(named)]
    policy, capabilities = PolicySettings(path=folder), {"domain": make_vowels("aeiou", weight=2.0), "safety": make_vowels("xyz")}
    if kind == "grpo":
        capabilities = {"domain": make_vowels("aeiou", tasks=["fact_recall"]), "safety": make_vowels("xyz", tasks=["fact_recall"])}
        module = Watched(policy, capabilities, Recorded(), GDPO(), weighting=weighting, micro_batch_tokens=micro_batch_tokens)
    else:
        module = WatchedSFT(policy, capabilities, weighting=weighting, micro_batch_tokens=micro_batch_tokens)
    trainer = Trainer(
        accelerator="cpu", devices=processes, strategy="ddp" if processes > 1 else "auto", max_steps=1, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    held_out = examples[:3] if kind == "sft" else []
    trainer.fit(module, ListData(examples, held_out, batch_size=4 // processes))
    logged = {name: float(value) for name, value in trainer.callback_metrics.items() if not name.endswith("_seconds")}
    return trainer.global_rank, module.gradient, logged


if __name__ == "__main__":
    torch.set_num_threads(1)
    for variant in sys.argv[3:]:
        rank, seen, logged = step(sys.argv[1], 2, variant)
        torch.save({"gradient": seen, "logged": logged}, f"{sys.argv[2]}.{variant}.{rank}")
