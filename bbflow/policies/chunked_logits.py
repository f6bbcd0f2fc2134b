"""Log-probabilities from hidden states, with logits made for one block of tokens at a time.

Logits of a large vocabulary are the largest tensors of a training step: float32 for 16,384 tokens and 151,936 words is 10 GB, and autograd
keeps as much again. The gradient of a token's log-probability for its hidden state needs no logits later: it is (e_id - p) W / temperature,
one row of the model's width, computed while the block is in memory. Only for a trained head are the blocks computed a second time.

Dimensions: S tokens, D width, V words.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_RESHAPED_LOGITS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")
"""Settings by which some architectures change the logits after the head; those run in full."""

BLOCK = {"cpu": 1 << 25}
"""Logits at once, by device type; other devices take more."""


def without_adapters(model: Any) -> Any:
    """Return the causal language model that adapters are wrapped around; their layers stay inside it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def has_plain_head(model: Any) -> bool:
    """Return whether a causal language model's logits are its decoder's hidden states times its head, and nothing else."""
    return all(getattr(without_adapters(model).config, name, None) in (None, 1.0) for name in _RESHAPED_LOGITS)


def decoder_of(model: Any) -> Any:
    """Return the model without its head; adapters inside it stay."""
    return without_adapters(model).get_decoder()


def head_of(model: Any) -> Any:
    """Return the head."""
    return without_adapters(model).get_output_embeddings()


def needs_chunking(model: Any, tokens: int) -> bool:
    """Return whether the logits of so many tokens are computed block by block.

    They are not where they fit into one block, where the head is more than a matrix (an adapter, quantised weights), where the model
    changes them afterwards, or where the head has a hook (`bbflow.optimization.jacobian.capture`).
    """
    head = head_of(model)
    if type(head) is not nn.Linear or not has_plain_head(model):
        return False
    if head._forward_hooks or head._forward_pre_hooks or head._backward_hooks or "forward" in vars(head):
        return False
    return tokens * head.out_features > _block(head.weight.device)


def token_logprobs(logits_NTV: Tensor, ids_NT: Tensor, temperature: float) -> Tensor:
    """Return the log-probability of each given token under softmax(logits / temperature), in float32 or better: [N, T]."""
    scaled = logits_NTV.to(torch.promote_types(logits_NTV.dtype, torch.float32)) / temperature
    return -F.cross_entropy(scaled.flatten(0, 1), ids_NT.flatten(), reduction="none").view(ids_NT.shape)


def head_logprobs(model: Any, hidden_SD: Tensor, ids_S: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the log-probability of each token given the hidden state before it, with gradient: [S], float32 or better."""
    head = head_of(model)
    if not needs_chunking(model, len(ids_S)):
        return token_logprobs(head(hidden_SD)[None], ids_S[None], temperature)[0]
    device = hidden_SD.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else head.weight.dtype
    bias = None if head.bias is None else head.bias.to(dtype)
    with torch.autocast(device, enabled=False):
        return _HeadLogprobs.apply(hidden_SD.to(dtype), head.weight.to(dtype), bias, ids_S, temperature)  # type: ignore[no-any-return]


class _HeadLogprobs(torch.autograd.Function):
    """Block by block; see the module."""

    @staticmethod
    def forward(ctx: Any, hidden_SD: Tensor, weight_VD: Tensor, bias_V: Tensor | None, ids_S: Tensor, temperature: float) -> Tensor:
        ctx.trained = weight_VD.requires_grad or (bias_V is not None and bias_V.requires_grad)
        kept_SD = torch.empty_like(hidden_SD) if hidden_SD.requires_grad and not ctx.trained else None
        wide = torch.promote_types(hidden_SD.dtype, torch.float32)
        logprobs_S = torch.empty(len(ids_S), dtype=wide, device=hidden_SD.device)
        for some in _blocks(hidden_SD, weight_VD):
            scaled_sV = F.linear(hidden_SD[some], weight_VD, bias_V).to(wide).div_(temperature)
            normalizer_s = scaled_sV.logsumexp(1)
            logprobs_S[some] = scaled_sV.gather(1, ids_S[some, None])[:, 0] - normalizer_s
            if kept_SD is not None:
                kept_SD[some] = _sent_back(scaled_sV, normalizer_s, ids_S[some], temperature).to(weight_VD.dtype) @ weight_VD
        ctx.temperature = temperature
        ctx.save_for_backward(*(t for t in (hidden_SD, weight_VD, bias_V, ids_S) if t is not None) if ctx.trained else (kept_SD,))
        return logprobs_S

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient_S,) = gradients
        if not ctx.trained:
            (kept_SD,) = ctx.saved_tensors
            return (gradient_S[:, None] * kept_SD).to(kept_SD.dtype), None, None, None, None
        hidden_SD, weight_VD, *bias, ids_S = ctx.saved_tensors
        bias_V = bias[0] if bias else None
        to_hidden_SD, to_weight_VD = torch.empty_like(hidden_SD), torch.zeros_like(weight_VD)
        to_bias_V = None if bias_V is None else torch.zeros_like(bias_V)
        for some in _blocks(hidden_SD, weight_VD):
            scaled_sV = F.linear(hidden_SD[some], weight_VD, bias_V).to(gradient_S.dtype).div_(ctx.temperature)
            sent_back_sV = _sent_back(scaled_sV, scaled_sV.logsumexp(1), ids_S[some], ctx.temperature).mul_(gradient_S[some, None])
            sent_back_sV = sent_back_sV.to(weight_VD.dtype)
            to_hidden_SD[some] = sent_back_sV @ weight_VD
            to_weight_VD.addmm_(sent_back_sV.T, hidden_SD[some])
            if to_bias_V is not None:
                to_bias_V += sent_back_sV.sum(0)
        return to_hidden_SD, to_weight_VD, to_bias_V, None, None


def _sent_back(scaled_sV: Tensor, normalizer_s: Tensor, ids_s: Tensor, temperature: float) -> Tensor:
    """Return the gradient of log p for the logits, written over the scaled logits: (e_id - p) / temperature."""
    sent_back_sV = scaled_sV.sub_(normalizer_s[:, None]).exp_().neg_()
    sent_back_sV[torch.arange(len(ids_s), device=ids_s.device), ids_s] += 1
    return sent_back_sV.div_(temperature)


def _blocks(hidden_SD: Tensor, weight_VD: Tensor) -> list[slice]:
    size = max(1, _block(weight_VD.device) // len(weight_VD))
    return [slice(start, start + size) for start in range(0, len(hidden_SD), size)]


def _block(device: torch.device) -> int:
    return BLOCK.get(device.type, 1 << 28)
