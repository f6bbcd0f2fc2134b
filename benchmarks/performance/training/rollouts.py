"""Rollout engines beside each other: tokens per second, and how far their log-probabilities lie apart.

Run: python benchmarks/performance/training/rollouts.py [--shape tiny|small|smollm2-135m|qwen2.5-0.5b|qwen2.5-1.5b] [--prompts 8] [--group 8]
[--prompt_tokens 128] [--new_tokens 64] [--runs 5] [--device cpu|cuda] [--dtype float32|bfloat16] [--ends]. The last line is JSON.

Random weights of the shape; prompts of equal length. Every completion runs to the limit (as training at its dearest), or, with `--ends`, each
ends at a random place (one token in sixteen is an end mark), which shows what finished rows cost. In turns, medians over runs:

- `TransformersRollout`, any model: the library's forward, prompt read once per group, a cache with room, finished rows leave;
- `LlamaRollout`: the forward of `bbflow.policies.rollouts.llama_decoder`; `LlamaRollout graphs` with steps of fixed shape, which CUDA replays;
- `generate`: the library's own sampling, `num_return_sequences` = group;
- `continuous`: its continuous batching (`generate_batch`), a request per completion, where it runs on the device.

The bound of a device by its bandwidth is the time in which it reads the weights once per token; bandwidth is measured by copying.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

from bbflow.policies import Policy
from bbflow.policies.rollouts import LlamaRollout, Rollouts, TransformersRollout

SHAPES: dict[str, dict[str, int]] = {
    "tiny": {"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 2048},
    "small": {"hidden_size": 256, "intermediate_size": 832, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 2048},
    "smollm2-135m": {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152},
    "qwen2.5-0.5b": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936},
    "qwen2.5-1.5b": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2, "vocab_size": 151936},
}  # fmt: skip


def clock(call: Callable[[], Any], device: str) -> tuple[float, Any]:
    """Seconds of a call, and its result."""
    start = time.perf_counter()
    result = call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def bandwidth(device: str) -> float:
    """Bytes per second that a large copy reads and writes."""
    source = torch.empty(2**26, device=device)
    target = torch.empty_like(source)
    times = [clock(lambda: target.copy_(source), device)[0] for _ in range(7)]
    return 2 * source.numel() * 4 / statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="small")
    for name, value in {"prompts": 8, "group": 8, "prompt_tokens": 128, "new_tokens": 64, "runs": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--ends", action="store_true")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    config = Qwen2Config(**SHAPES[chosen.shape], tie_word_embeddings=True, bos_token_id=None, eos_token_id=1, pad_token_id=0)
    model: Any = Qwen2ForCausalLM(config).to(chosen.device, getattr(torch, chosen.dtype)).eval()
    size = SHAPES[chosen.shape]["vocab_size"]
    ends = tuple(range(1, size, 16)) if chosen.ends else (-1,)
    policy = Policy(model, None, ends, 0)
    prompts = torch.randint(2, size, (chosen.prompts, chosen.prompt_tokens)).tolist()

    made: dict[str, Rollouts] = {}

    def engine(sampler: TransformersRollout) -> Callable[[], int]:
        sampler.prepare(policy)
        name = type(sampler).__name__ + (" graphs" if getattr(sampler, "graphs", False) else "")

        def call() -> int:
            made[name] = sampler.generate(policy, prompts, generator=torch.Generator(chosen.device).manual_seed(1))
            return int(made[name].completion_mask_NT.sum())

        return call

    sampling = GenerationConfig(
        max_new_tokens=chosen.new_tokens, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, eos_token_id=list(ends), pad_token_id=0
    )
    ids = torch.tensor(prompts, device=chosen.device)

    def library() -> int:
        own = GenerationConfig(**{**sampling.to_dict(), "num_return_sequences": chosen.group})
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=own)[:, ids.shape[1] :]
        is_end = torch.isin(out, torch.tensor(ends, device=out.device))
        return int((is_end.cumsum(1) - is_end.long() == 0).sum())  # tokens up to and with the first end mark

    def continuous() -> int:
        requests = [prompt for prompt in prompts for _ in range(chosen.group)]
        out = model.generate_batch(inputs=requests, generation_config=sampling, progress_bar=False)
        return sum(len(request.generated_tokens) for request in out.values())

    ways: dict[str, Callable[[], int]] = {
        "TransformersRollout": engine(TransformersRollout(chosen.group, chosen.new_tokens)),
        "LlamaRollout": engine(LlamaRollout(chosen.group, chosen.new_tokens)),
        "LlamaRollout graphs": engine(LlamaRollout(chosen.group, chosen.new_tokens, graphs=True)),
        "generate": library,
        "continuous": continuous,
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    failed: dict[str, str] = {}
    beside, after = list(ways)[:3], list(ways)[3:]
    for turn, name in [(turn, name) for names in (beside, after) for turn in range(chosen.runs + 1) for name in names]:
        if name in failed:
            continue
        try:
            with torch.no_grad():
                seconds, tokens = clock(ways[name], chosen.device)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"[:120]
            continue
        if tokens == 0:
            failed[name] = "generated nothing"
        elif turn:  # the first turn warms up
            rates[name].append(tokens / seconds)
    one = made.pop("TransformersRollout")
    equal = all(one.completions() == other.completions() for other in made.values())
    apart = max(float((one.logprobs_NT - other.logprobs_NT).abs().max()) for other in made.values()) if equal else None
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    rows, speed = chosen.prompts * chosen.group, bandwidth(chosen.device)
    width = config.hidden_size // config.num_attention_heads * config.num_key_value_heads * config.num_hidden_layers
    columns = chosen.prompts * chosen.prompt_tokens + rows * (chosen.new_tokens - 1) / 2  # read in a step, on average
    cache = 2 * columns * width * next(model.parameters()).element_size()
    bound, bound_with_cache = (rows * speed / read for read in (weights, weights + cache))
    median = {name: statistics.median(rate) for name, rate in rates.items() if rate}
    for name, rate in median.items():
        beside = rate / median["TransformersRollout"]
        print(
            f"{name:20} {rate:9.0f} tokens/s  {beside:5.2f} x TransformersRollout  {rate / bound:6.1%} of the bound by bandwidth, {rate / bound_with_cache:.1%} with cache"
        )
    for name, reason in failed.items():
        print(f"{name:20} did not run: {reason}")
    print(f"same tokens: {equal}; log-probabilities at most {apart} apart; bound by bandwidth {bound:.0f} tokens/s")
    bounds = {"bound": bound, "bound_with_cache": bound_with_cache}
    print(
        json.dumps(
            {"settings": vars(chosen), "tokens_per_second": median, "failed": failed, "same_tokens": equal, "apart": apart, **bounds}
        )
    )


if __name__ == "__main__":
    main()
