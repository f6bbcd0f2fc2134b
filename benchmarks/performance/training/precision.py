"""How far the log-probabilities that a rollout engine keeps lie from those of the learner's own pass over the same tokens.

Run: python benchmarks/performance/training/precision.py DATA [POLICY], DATA a Parquet file of examples (`bbflow generate`), POLICY a folder or `tiny`. 48 prompts x 4 completions of at most
72 tokens, by each engine in each precision; the sum over a completion is what `kl.place: reward` sees. The last line is JSON.
"""

import json
import sys

import torch

from bbflow.data.example_io import read_examples
from bbflow.policies import PolicySettings, completion_logprobs, load_policy
from bbflow.policies.policy import eval_mode
from bbflow.policies.rollouts import LlamaRollout, TransformersRollout

PROMPTS, GROUP, TOKENS = 48, 4, 72


@torch.no_grad()
def main(data: str, path: str = "tiny") -> None:
    examples = read_examples(data)[:PROMPTS]
    found = {}
    for settings in (PolicySettings(path=path, dtype="float32", adapter=None), PolicySettings(path=path, dtype="bfloat16", adapter=None)):
        policy = load_policy(settings)
        prompts = [policy.prompt_ids(example.messages) for example in examples]
        for engine in (TransformersRollout(GROUP, TOKENS), LlamaRollout(GROUP, TOKENS)):
            engine.prepare(policy)
            made = engine.generate(policy, prompts, generator=torch.Generator().manual_seed(3))
            texts = (made.prompt_ids_BP, made.prompt_mask_BP), (made.completion_ids_NT, made.completion_mask_NT)
            with eval_mode(policy.model):
                learner_NT = completion_logprobs(policy.model, *texts[0], *texts[1], group_size=GROUP, temperature=1.0)
            apart_NT = (made.logprobs_NT - learner_NT.float()) * made.completion_mask_NT
            per_token = apart_NT[made.completion_mask_NT]
            found[f"{settings.dtype} {type(engine).__name__}"] = {
                "mean_absolute": float(per_token.abs().mean()),
                "largest": float(per_token.abs().max()),
                "completion_sd": float(apart_NT.sum(1).std()),
            }
    for name, values in found.items():
        print(f"{name:30} " + ", ".join(f"{key} {value:.1e}" for key, value in values.items()))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
