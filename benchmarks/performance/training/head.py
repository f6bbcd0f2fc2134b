"""What making logits block by block saves: peak memory and seconds of a learner's pass at a large vocabulary.

Run: python benchmarks/performance/training/head.py [--words 151936] [--width 896] [--layers 2] [--completions 32] [--tokens 64] [--runs 3] [--device cpu|cuda]
Prints a table; the last line is JSON.

Random weights of a Qwen2 shape, few layers so that the head stands out; 4 prompts of 16 tokens, forward and backward of the completions'
log-probabilities. Each way runs in processes of its own, in turns; medians. `full` makes all logits of a chunk and lets autograd keep them.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from bbflow.policies import LoraSettings, chunked_logits, completion_logprobs
from bbflow.policies.adapters import add_adapter


def measure(chosen: argparse.Namespace) -> dict[str, float]:
    """Seconds and peak memory, in GiB, of one way, in this process."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=chosen.words, hidden_size=chosen.width, intermediate_size=3 * chosen.width, num_hidden_layers=chosen.layers,
        num_attention_heads=chosen.width // 64, num_key_value_heads=chosen.width // 448 or 1, tie_word_embeddings=True, bos_token_id=None,
    )  # fmt: skip
    bare: Any = Qwen2ForCausalLM(config)
    model = (add_adapter(bare, LoraSettings(r=16)) if chosen.trained == "lora" else bare).to(chosen.device).eval()
    if chosen.way == "full":
        chunked_logits.BLOCK[chosen.device] = 1 << 60
    prompts, ids = torch.randint(0, chosen.words, (4, 16)), torch.randint(0, chosen.words, (chosen.completions, chosen.tokens))
    batch = [
        t.to(chosen.device) for t in (prompts, torch.ones_like(prompts, dtype=torch.bool), ids, torch.ones_like(ids, dtype=torch.bool))
    ]
    on_device = torch.cuda.memory_allocated() if chosen.device == "cuda" else 0
    before, taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(3):
        start = time.perf_counter()
        completion_logprobs(model, *batch, group_size=chosen.completions // 4).sum().backward()
        model.zero_grad(set_to_none=True)
        if chosen.device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    if chosen.device == "cuda":
        peak = (torch.cuda.max_memory_allocated() - on_device) / 2**30
    else:
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    return {"seconds": statistics.median(taken[1:]), "peak": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"words": 151936, "width": 896, "layers": 2, "completions": 32, "tokens": 64, "runs": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--way", choices=("full", "blocks"))
    parser.add_argument("--trained", choices=("lora", "all"), default="lora")
    chosen = parser.parse_args()
    if chosen.way:
        print(json.dumps(measure(chosen)))
        return
    results: dict[str, dict[str, list[float]]] = {}
    for _ in range(chosen.runs):
        for trained in ("lora", "all"):
            for way in ("full", "blocks"):
                own = subprocess.run(
                    [sys.executable, __file__, *sys.argv[1:], "--way", way, "--trained", trained],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                for name, value in json.loads(own.stdout.splitlines()[-1]).items():
                    results.setdefault(f"{trained}, {way}", {}).setdefault(name, []).append(value)
    median = {way: {name: statistics.median(values) for name, values in seen.items()} for way, seen in results.items()}
    for way, seen in median.items():
        print(f"{way:14} {seen['seconds']:7.2f} s  {seen['peak']:6.2f} GiB beyond the model")
    print(json.dumps({"settings": vars(chosen), "median": median}))


if __name__ == "__main__":
    main()
