"""How the parts of a GRPO step grow with what it is made of: one setting varied at a time.

Run: python benchmarks/performance/training/scaling.py [--runs 3] [--device cpu|cuda] [--dtype float32|bfloat16] [--axes group width ...].
Prints a table; the last line is JSON.

Random weights of a Qwen2 shape, LoRA r = 16, recorded rollouts of equal length. In turns, medians in seconds: `rollout` samples completions of full length;
`scalar` is the learner's pass with one gradient; `Jacobian` the one with a gradient per capability, Gramian and exact UPGrad.
"""

import argparse
import json
import statistics
from typing import Any

import torch
from jacobian import Learner, seconds
from transformers import Qwen2Config, Qwen2ForCausalLM

from bbflow.policies import LoraSettings, Policy
from bbflow.policies.adapters import add_adapter
from bbflow.policies.rollouts import Rollouts, TransformersRollout

BASE = {"prompt": 128, "completion": 64, "prompts": 8, "group": 8, "capabilities": 4, "width": 256}
AXES = {
    "prompt": (64, 128, 256, 512), "completion": (32, 64, 128), "prompts": (4, 8, 16), "group": (4, 8, 16), "capabilities": (1, 2, 4, 8),
    "width": (128, 256, 512),
}  # fmt: skip
VOCABULARY, LAYERS = 4096, 6


def measure(setting: dict[str, int], runs: int, device: str, dtype: torch.dtype) -> dict[str, float]:
    """Median seconds of each part."""
    torch.manual_seed(0)
    width = setting["width"]
    config = Qwen2Config(
        vocab_size=VOCABULARY, hidden_size=width, intermediate_size=3 * width, num_hidden_layers=LAYERS, num_attention_heads=width // 64,
        num_key_value_heads=max(1, width // 128), tie_word_embeddings=True, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    bare: Any = Qwen2ForCausalLM(config)
    model = add_adapter(bare, LoraSettings(r=16)).to(device, dtype).eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    count = setting["prompts"] * setting["group"]
    prompts = torch.randint(0, VOCABULARY, (setting["prompts"], setting["prompt"]), device=device)
    ids = torch.randint(0, VOCABULARY, (count, setting["completion"]), device=device)
    on, none = torch.ones_like(ids, dtype=torch.bool), torch.zeros(count, dtype=torch.bool, device=device)
    given = Rollouts(prompts, torch.ones_like(prompts, dtype=torch.bool), ids, on, ids.float(), none, setting["group"])
    learner = Learner(model, given, setting["capabilities"])
    policy, engine = Policy(model, None, (-1,), 0), TransformersRollout(setting["group"], setting["completion"])
    ways = {
        "rollout": lambda: engine.generate(policy, prompts.tolist()),
        "scalar": learner.scalar,
        "Jacobian": learner.jacobian_step,
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(runs + 1):
        for name, way in ways.items():
            spent = seconds(way, learner)
            if turn:  # the first turn warms up
                taken[name].append(spent)
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    chosen = parser.parse_args()
    rows, known = [], dict[tuple[tuple[str, int], ...], dict[str, float]]()
    print("| setting | value | rollout | scalar | Jacobian | Jacobian / scalar |\n|---|---|---|---|---|---|")
    for axis in chosen.axes:
        for value in AXES[axis]:
            setting = {**BASE, axis: value}
            key = tuple(setting.items())
            found = known.setdefault(key, {}) or measure(setting, chosen.runs, chosen.device, getattr(torch, chosen.dtype))
            known[key] = found
            ratio = found["Jacobian"] / found["scalar"]
            cells = " | ".join(f"{found[name]:.2f} s" for name in ("rollout", "scalar", "Jacobian"))
            print(f"| {axis} | {value} | {cells} | {ratio:.2f} |", flush=True)
            rows.append({"axis": axis, "value": value, **found})
    print(json.dumps({"base": BASE, "device": chosen.device, "dtype": chosen.dtype, "rows": rows}))


if __name__ == "__main__":
    main()
