"""Rollouts of Llama-like models by a custom forward pass; see `bbflow.policies.rollouts.llama_decoder`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bbflow.errors import InputError, Problem
from bbflow.policies.logprobs import positions
from bbflow.policies.policy import Policy, eval_mode
from bbflow.policies.rollouts.llama_decoder import LlamaDecoder, LlamaWeights, unsupported_reason
from bbflow.policies.rollouts.static_decoder import StaticDecoder
from bbflow.policies.rollouts.transformers_rollout import TransformersRollout

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}
"""Difference of logits, relative to the largest, up to which the custom forward pass counts as the model's, by the weights' precision."""


@dataclass
class LlamaRollout(TransformersRollout):
    """As `TransformersRollout`, the same tokens from the same seed, decoded faster: Llama, Qwen2, Qwen3 and SmolLM2, with or without LoRA.

    Before the run the logits of both forward passes are compared. Memory: one more copy of the layers while it samples.

    Args:
        graphs: Steps of fixed shapes, which a CUDA device replays as graphs. Each step then reads the cache in its full length, written or
            not. On a CPU there is nothing to replay, so it is only slower.
    """

    graphs: bool = False

    def prepare(self, policy: Policy) -> None:
        """Refuse a model that is not decoded here, or for which the two forward passes differ."""
        where, hint = "model.init_args.rollout", "use TransformersRollout"
        if reason := unsupported_reason(policy.model):
            raise InputError(Problem(f"LlamaRollout cannot decode this policy: {reason}", where, hint))
        size = policy.model.config.vocab_size
        ids = torch.arange(2, 8, device=policy.device).repeat(2, 1) % size
        mask = torch.ones_like(ids, dtype=torch.bool)
        ids[1, :3], mask[1, :3] = 0, False
        with eval_mode(policy.model), torch.no_grad():
            own = self._kind(LlamaWeights(policy.model, ids.shape[1] + 1), ids, mask, 1, 1)
            own.advance(ids[:, 0])
            after, seen = torch.cat([ids, ids[:, :1]], 1), torch.cat([mask, mask[:, :1] | True], 1)
            whole = policy.model(input_ids=after, attention_mask=seen.long(), position_ids=positions(seen)).logits[:, -1].float()
        error = float((own.logits.float() - whole).abs().max() / whole.abs().max())
        if not error <= TOLERANCE[own.weights.dtype]:
            raise InputError(Problem(f"LlamaRollout's logits differ from the model's by {error:.1e} of the largest", where, hint))

    def decoder(self, policy: Policy, prompt_ids_BP: Tensor, prompt_mask_BP: Tensor, group_size: int) -> LlamaDecoder:
        """Return the rows of a batch after their prompts."""
        weights = LlamaWeights(policy.model, prompt_ids_BP.shape[1] + self.max_new_tokens)
        return self._kind(weights, prompt_ids_BP, prompt_mask_BP, group_size, self.max_new_tokens)

    @property
    def _kind(self) -> type[LlamaDecoder]:
        return StaticDecoder if self.graphs else LlamaDecoder
