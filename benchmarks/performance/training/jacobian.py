"""What K capability gradients cost, relative to one: the learner's part of a GRPO step, on recorded rollouts of equal length.

Run: python benchmarks/performance/training/jacobian.py [--device cpu|cuda] [--model small|qwen2.5-0.5b] [--dtype float32|bfloat16] [--prompt 128]
     [--completion 64] [--prompts 8] [--group 8] [--capabilities 4] [--runs 7]. The last line is JSON: ratios of medians, taken in turns.

All use the same random weights, tokens and random advantages, one update, no KL. `scalar` is bbflow's own step: the prompt of a group read
once, one backward pass of the weighted sum. `repeated prompt` is the plain step without that. `jacobian` adds K rows, the Gramian, exact
UPGrad and the written gradient. `K backward` and `TorchJD` differentiate K times (TorchJD: sequentially, then its MGDA), prompt shared.
`whole step` adds the rollout, its completions of full length.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torchjd.aggregation import MGDA
from torchjd.autojac import backward as jd_backward
from torchjd.autojac import jac_to_grad

from bbflow.modules.training.capability_jacobian import TokenWeights, add_rows
from bbflow.optimization.jacobian import Jacobian
from bbflow.optimization.losses import LossSettings, policy_loss
from bbflow.optimization.weightings import UPGrad
from bbflow.policies import LoraSettings, completion_logprobs
from bbflow.policies.adapters import add_adapter
from bbflow.policies.policy import Policy
from bbflow.policies.rollouts import Rollouts, TransformersRollout

SHAPES = {
    "small": (4096, 256, 768, 6, 4, 2),
    "qwen2.5-0.5b": (151936, 896, 4864, 24, 14, 2),
}
"""Vocabulary, width, inner width, layers, heads, key/value heads."""
NAMES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")


def policy_model(shape: str, dtype: torch.dtype, device: torch.device, lora: bool) -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(**dict(zip(NAMES, SHAPES[shape], strict=True)), tie_word_embeddings=True, bos_token_id=None, eos_token_id=None)
    ).to(device, dtype)
    if lora:
        model = add_adapter(model, LoraSettings(r=16))
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.02)
    return model.eval()


class Learner:
    """The compared ways to get from recorded rollouts to gradients."""

    def __init__(self, model: Any, rollouts: Rollouts, count: int) -> None:
        self.model, self.rollouts, self.parameters = model, rollouts, [p for p in model.parameters() if p.requires_grad]
        device = rollouts.prompt_ids_BP.device
        self.parts_KN = torch.randn(count, len(rollouts.completion_ids_NT), generator=torch.Generator().manual_seed(1)).to(device)
        self.weights_K = torch.ones(count, dtype=torch.float64)
        self.jacobian = Jacobian(self.parameters, count)

    def logprobs(self, share: bool = True) -> torch.Tensor:
        """Of the recorded completions."""
        r = self.rollouts
        return completion_logprobs(
            self.model, r.prompt_ids_BP, r.prompt_mask_BP, r.completion_ids_NT, r.completion_mask_NT, group_size=r.group_size, share_prompt=share
        )  # fmt: skip

    def objectives(self) -> list[torch.Tensor]:
        """One per capability."""
        logprobs_NT = self.logprobs()
        return [-policy_loss(logprobs_NT, self.rollouts.completion_mask_NT, part, LossSettings()).total for part in self.parts_KN]

    def scalar(self, share: bool = True) -> None:
        """The plain weighted sum."""
        combined_N = self.weights_K.to(self.parts_KN) @ self.parts_KN
        policy_loss(self.logprobs(share), self.rollouts.completion_mask_NT, combined_N, LossSettings()).total.backward()

    def repeated(self) -> None:
        """The plain step, each prompt read once per completion."""
        self.scalar(share=False)

    def rows(self) -> None:
        """The Jacobian, from one backward pass."""
        mask_NT = self.rollouts.completion_mask_NT
        factors = TokenWeights(lambda logprobs_nT, rows_n, sign: mask_NT[rows_n, : logprobs_nT.shape[1]].to(logprobs_nT))
        add_rows(self.jacobian, slice(None), self.model, self.rollouts, self.parts_KN, factors)

    def jacobian_step(self) -> None:
        """Rows, Gramian, weights, gradient."""
        self.jacobian.rows_RP.zero_()
        self.rows()
        weights_K = UPGrad()(self.jacobian.gramian(), self.weights_K)
        self.jacobian.write_gradient(self.jacobian.combine(-weights_K))

    def k_backward(self) -> None:
        """The same from K backward passes."""
        objectives = self.objectives()
        self.jacobian.rows_RP.zero_()
        for k, objective in enumerate(objectives):
            more = k < len(objectives) - 1
            self.jacobian.add(k, torch.autograd.grad(objective, self.parameters, retain_graph=more, allow_unused=True))
        weights_K = UPGrad()(self.jacobian.gramian(), self.weights_K)
        self.jacobian.write_gradient(self.jacobian.combine(-weights_K))

    def torchjd(self) -> None:
        """TorchJD's way."""
        jd_backward([-objective for objective in self.objectives()], inputs=self.parameters, parallel_chunk_size=1)
        jac_to_grad(self.parameters, MGDA())


def seconds(function: Callable[[], Any], learner: Learner) -> float:
    cuda = learner.parts_KN.is_cuda
    if cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    if cuda:
        torch.cuda.synchronize()
    taken = time.perf_counter() - start
    learner.model.zero_grad()
    return taken


def measure(options: argparse.Namespace, lora: bool) -> dict[str, Any]:
    device, dtype = torch.device(options.device), getattr(torch, options.dtype)
    model = policy_model(options.model, dtype, device, lora)
    vocabulary, count = SHAPES[options.model][0], options.prompts * options.group
    draw = torch.Generator().manual_seed(0)
    prompts = torch.randint(0, vocabulary, (options.prompts, options.prompt), generator=draw).to(device)
    ids = torch.randint(0, vocabulary, (count, options.completion), generator=draw).to(device)
    on, none = torch.ones_like(ids, dtype=torch.bool), torch.zeros(count, dtype=torch.bool, device=device)
    learner = Learner(
        model,
        Rollouts(prompts, torch.ones_like(prompts, dtype=torch.bool), ids, on, ids.float(), none, options.group),
        options.capabilities,
    )
    ways = {
        "scalar": learner.scalar, "jacobian": learner.jacobian_step, "repeated prompt": learner.repeated,
        "K backward": learner.k_backward, "TorchJD": learner.torchjd,
    }  # fmt: skip
    learner.k_backward()
    expected = learner.jacobian.rows_RP.clone()
    learner.jacobian_step()
    error = float((learner.jacobian.rows_RP - expected).norm() / expected.norm())
    model.zero_grad()
    taken = {name: [] for name in ways}
    for run in range(options.runs + 1):
        for name, way in ways.items():
            value = seconds(way, learner)
            if run:  # the first is a warm-up
                taken[name].append(value)
    policy, engine = Policy(model, None, (vocabulary,), 0), TransformersRollout(options.group, options.completion)
    rollout = statistics.median(seconds(lambda: engine.generate(policy, prompts.tolist()), learner) for _ in range(3))
    medians = {name: statistics.median(values) for name, values in taken.items()}
    paired = {name: statistics.median(v / s for v, s in zip(taken[name], taken["scalar"], strict=True)) for name in ways}
    table = {
        "parameters": sum(p.numel() for p in learner.parameters),
        "relative_error": error,
        "seconds": {name: round(value, 4) for name, value in medians.items()},
        "over_scalar": {name: round(value, 3) for name, value in paired.items()},
        "jacobian_over_repeated_prompt": round(
            statistics.median(j / r for j, r in zip(taken["jacobian"], taken["repeated prompt"], strict=True)), 3
        ),
        "rollout_seconds": round(rollout, 4),
        "whole_step_over_scalar": round((rollout + medians["jacobian"]) / (rollout + medians["scalar"]), 3),
    }
    print(f"\n{'LoRA r = 16' if lora else 'all parameters'}: {table['parameters']:,} trained, relative error of J {error:.1e}")
    for name, value in medians.items():
        print(f"  {name:16} {value:8.3f} s   x {paired[name]:.2f}")
    print(f"  {'rollout':16} {rollout:8.3f} s   whole step x {table['whole_step_over_scalar']:.2f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default="small", choices=SHAPES)
    parser.add_argument("--dtype", default="float32")
    for name, default in (("prompt", 128), ("completion", 64), ("prompts", 8), ("group", 8), ("capabilities", 4), ("runs", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    result = {"options": vars(options), "threads": torch.get_num_threads(), "torch": torch.__version__}
    print(json.dumps(result | {"lora": measure(options, True), "full": measure(options, False)}))


if __name__ == "__main__":
    main()
