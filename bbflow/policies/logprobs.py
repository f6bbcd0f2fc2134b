"""Log-probabilities of completions, the prompt of a group read only once.

Dimensions: B prompts, G completions per prompt, N = B * G (the completions of a prompt are neighbours), P and T the widths of the
padded prompts (left) and completions (right).
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

TOKENS_AT_ONCE = {"cpu": 2048}
"""Tokens per forward pass, by device type; other devices take more."""


def completion_logprobs(
    model: Any,
    prompt_ids_BP: Tensor,
    prompt_mask_BP: Tensor,
    completion_ids_NT: Tensor,
    completion_mask_NT: Tensor,
    *,
    group_size: int = 1,
    temperature: float = 1.0,
    share_prompt: bool = True,
) -> Tensor:
    """Log-probability of every completion token given all tokens before it, with gradient.

    The value does not depend on padding: the attention mask hides it, and positions count real tokens only. With `share_prompt` the
    prompt runs once per group and its keys and values are handed, gradient included, to the group's completions; where the model's
    cache does not allow that, or there is nothing to share, every row runs in full. Both ways give the same numbers.

    Args:
        model: A causal language model.
        prompt_ids_BP: Prompts, padded on the left.
        prompt_mask_BP: True on real tokens.
        completion_ids_NT: Completions, padded on the right, those of a prompt next to each other.
        completion_mask_NT: True on real tokens.
        group_size: G.
        temperature: Divides the logits, as it did when the completions were sampled.
        share_prompt: Read a prompt once per group where possible.

    Returns:
        [N, T] float32 log-probabilities in nats, 0 where the mask is False.
    """
    if group_size * len(prompt_ids_BP) != len(completion_ids_NT):
        raise ValueError(f"{len(prompt_ids_BP)} prompts x {group_size} do not make {len(completion_ids_NT)} completions")
    prompts = _Prompts(model, prompt_ids_BP, prompt_mask_BP)
    share = share_prompt and group_size > 1 and prompt_ids_BP.shape[1] > 1 and can_share_prompt(model)
    logits = prompts.shared().logits_after if share else prompts.logits_in_full
    widths_N = completion_mask_NT.sum(1) + (0 if share else prompt_mask_BP.sum(1).repeat_interleave(group_size))
    budget = TOKENS_AT_ONCE.get(prompt_ids_BP.device.type, 16384)
    parts, order, total_width = [], [], completion_ids_NT.shape[1]
    for chunk in chunks(widths_N.tolist(), budget):
        rows = torch.tensor(chunk, device=prompt_ids_BP.device)
        mask = completion_mask_NT[rows]
        width = max(1, int(mask.sum(1).max()))
        ids, mask = completion_ids_NT[rows, :width], mask[:, :width]
        logprobs = token_logprobs(logits(rows // group_size, ids, mask), ids, temperature).masked_fill(~mask, 0.0)
        parts.append(F.pad(logprobs, (0, total_width - width)))
        order += chunk
    return torch.cat(parts)[torch.tensor(order).argsort().to(prompt_ids_BP.device)]


def chunks(widths: list[int], budget: int) -> list[list[int]]:
    """Splits rows into chunks of like width, so that little is spent on padding and tensors stay small (which CPU caches reward).

    Args:
        widths: Tokens of each row.
        budget: Most tokens of a chunk, padding included; a longer row stands alone.

    Returns:
        Row numbers; every row is in one chunk.

    >>> chunks([1, 9, 2, 8], 20)
    [[0, 2], [3, 1]]
    """
    result: list[list[int]] = []
    for row in sorted(range(len(widths)), key=lambda i: (widths[i], i)):
        # rows come in rising width, so this row sets the width of the chunk it joins; more than twice the narrowest wastes too much
        joins = result and (len(result[-1]) + 1) * widths[row] <= budget and widths[row] <= max(8, 2 * widths[result[-1][0]])
        if joins:
            result[-1].append(row)
        else:
            result.append([row])
    return result


def token_logprobs(logits_NTV: Tensor, ids_NT: Tensor, temperature: float) -> Tensor:
    """Log-probability of each given token under softmax(logits / temperature), in float32: [N, T]."""
    scaled = logits_NTV.float() / temperature
    return -F.cross_entropy(scaled.flatten(0, 1), ids_NT.flatten(), reduction="none").view(ids_NT.shape)


def positions(mask_NL: Tensor) -> Tensor:
    """Position of each token among the real ones of its row; padding repeats a neighbour's.

    >>> positions(torch.tensor([[False, False, True, True]])).tolist()
    [[0, 0, 0, 1]]
    """
    return (mask_NL.long().cumsum(1) - 1).clamp(min=0)


def can_share_prompt(model: Any) -> bool:
    """Tells whether keys and values of a prompt can be reused: full attention everywhere, caching not switched off."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    if any(module.training and getattr(module, "gradient_checkpointing", False) for module in model.modules()):
        return False  # checkpointing switches the cache off without a word
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    takes = inspect.signature(inner.forward).parameters
    if "past_key_values" not in takes or "position_ids" not in takes:
        return False
    layers = DynamicCache(config=inner.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


class _Prompts:
    """Prompts of a batch, and two ways to get the logits of T tokens that follow some of them."""

    def __init__(self, model: Any, ids_BP: Tensor, mask_BP: Tensor) -> None:
        self.model, self.ids, self.mask = model, ids_BP, mask_BP
        self.states: list[tuple[Tensor, Tensor]] = []

    def shared(self) -> _Prompts:
        """Runs all but the last token of every prompt, and keeps keys and values with their gradient."""
        from transformers import DynamicCache

        cache: Any = DynamicCache()
        mask = self.mask[:, :-1]
        self.model(
            input_ids=self.ids[:, :-1],
            attention_mask=mask.long(),
            position_ids=positions(mask),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.states = [(layer.keys, layer.values) for layer in cache.layers]
        return self

    def logits_after(self, prompt_n: Tensor, ids_nT: Tensor, mask_nT: Tensor) -> Tensor:
        """Logits of n rows on top of the kept states: the last prompt token and all but the last completion token predict the T tokens."""
        from transformers import DynamicCache

        cache = DynamicCache()
        for number, (keys, values) in enumerate(self.states):
            cache.update(keys[prompt_n], values[prompt_n], number)
        row_mask = torch.cat([self.mask[prompt_n], mask_nT[:, :-1]], 1)
        output = self.model(
            input_ids=torch.cat([self.ids[prompt_n, -1:], ids_nT[:, :-1]], 1),
            attention_mask=row_mask.long(),
            position_ids=positions(row_mask)[:, -ids_nT.shape[1] :],
            past_key_values=cache,
            use_cache=True,
        )
        return output.logits

    def logits_in_full(self, prompt_n: Tensor, ids_nT: Tensor, mask_nT: Tensor) -> Tensor:
        """Logits of n rows with nothing shared; the last completion token predicts nothing that is asked for, so it stays out."""
        width = ids_nT.shape[1]
        prompt_mask = self.mask[prompt_n]
        longest = max(1, int(prompt_mask.sum(1).max()))  # padding that all rows have in common is cut off
        row_mask = torch.cat([prompt_mask[:, -longest:], mask_nT[:, :-1]], 1)
        output = self.model(
            input_ids=torch.cat([self.ids[prompt_n][:, -longest:], ids_nT[:, :-1]], 1),
            attention_mask=row_mask.long(),
            position_ids=positions(row_mask),
            use_cache=False,
            logits_to_keep=width,
        )
        return output.logits[:, -width:]
