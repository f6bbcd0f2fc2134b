"""Log-probabilities of completions, the prompt of a group read only once.

Dimensions: B prompts, G completions per prompt, N = B * G (the completions of a prompt are neighbours), P and T the widths of the
padded prompts (left) and completions (right).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bbflow.policies.chunked_logits import decoder_of, head_logprobs, needs_chunking, token_logprobs, without_adapters
from bbflow.policies.gradient_checkpointing import is_checkpointed

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
    """Return the log-probability of every completion token given all tokens before it, with gradient.

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
    prompts = Prompts(model, prompt_ids_BP, prompt_mask_BP, completion_ids_NT)
    shared = share_prompt and prompts.can_be_shared(group_size)
    if shared:
        prompts.read()
    parts, order, width = [], [], completion_ids_NT.shape[1]
    for chunk in prompts.chunks(completion_mask_NT, group_size):
        logprobs_nT = prompts.logprobs(chunk, prompts.states_of(chunk) if shared else None, temperature)
        parts.append(F.pad(logprobs_nT, (0, width - chunk.width)))
        order.append(chunk.rows_n)
    return torch.cat(parts)[torch.cat(order).argsort()]


@dataclass(frozen=True)
class Chunk:
    """Completions of similar width that run together.

    Attributes:
        rows_n: Their indices in the batch.
        prompt_n: Index of each completion's prompt.
        ids_nT: Tokens, cut to the longest among them.
        mask_nT: True on real tokens.
    """

    rows_n: Tensor
    prompt_n: Tensor
    ids_nT: Tensor
    mask_nT: Tensor

    @property
    def width(self) -> int:
        """Tokens of the longest completion."""
        return self.ids_nT.shape[1]


def chunks(widths: list[int], budget: int) -> list[list[int]]:
    """Split rows into chunks of similar width, so that padding is small and tensors fit into CPU caches.

    Args:
        widths: Tokens of each row.
        budget: Most tokens of a chunk, padding included; a longer row runs alone.

    Returns:
        Row indices; every row is in one chunk.

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


def positions(mask_NL: Tensor) -> Tensor:
    """Return the position of each token among the real ones of its row; padding repeats a neighbour's.

    >>> positions(torch.tensor([[False, False, True, True]])).tolist()
    [[0, 0, 0, 1]]
    """
    return (mask_NL.long().cumsum(1) - 1).clamp(min=0)


def can_share_prompt(model: Any) -> bool:
    """Return whether keys and values of a prompt can be reused: full attention everywhere, caching not switched off."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    if any(module.training and getattr(module, "gradient_checkpointing", False) for module in model.modules()):
        return False  # checkpointing disables the cache silently
    if torch.is_grad_enabled() and is_checkpointed(model):
        return False
    inner = without_adapters(model)
    takes = inspect.signature(inner.forward).parameters
    if "past_key_values" not in takes or "position_ids" not in takes:
        return False
    layers = DynamicCache(config=inner.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


class Prompts:
    """Prompts of a batch with their completions, and two ways to get the log-probabilities of some completions.

    Args:
        model: A causal language model.
        ids_BP: Prompts, padded on the left.
        mask_BP: True on real tokens.
        completion_ids_NT: Completions, padded on the right.
    """

    def __init__(self, model: Any, ids_BP: Tensor, mask_BP: Tensor, completion_ids_NT: Tensor) -> None:
        self.model, self.ids, self.mask, self.completion_ids = model, ids_BP, mask_BP, completion_ids_NT
        self.states: list[Tensor] = []

    def can_be_shared(self, group_size: int) -> bool:
        """Return whether a prompt has several completions and the model allows them to share it."""
        return group_size > 1 and self.ids.shape[1] > 1 and can_share_prompt(self.model)

    def chunks(self, mask_NT: Tensor, group_size: int) -> Iterator[Chunk]:
        """Split the batch into chunks of similar width; prompts that were read already do not count."""
        prompt_N = torch.arange(len(mask_NT), device=mask_NT.device) // group_size
        widths_N = mask_NT.sum(1) + (0 if self.states else self.mask.sum(1)[prompt_N])
        for numbers in chunks(widths_N.tolist(), TOKENS_AT_ONCE.get(self.ids.device.type, 16384)):
            rows = torch.tensor(numbers, device=mask_NT.device)
            width = max(1, int(mask_NT[rows].sum(1).max()))
            yield Chunk(rows, prompt_N[rows], self.completion_ids[rows, :width], mask_NT[rows, :width])

    def read(self) -> None:
        """Run all but the last token of every prompt, and keep keys and values (alternating, layer by layer) with their gradient."""
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
        self.states = [state for layer in cache.layers for state in (layer.keys, layer.values)]

    def states_of(self, chunk: Chunk) -> list[Tensor]:
        """Return the keys and values that each row of a chunk starts from."""
        return [state.index_select(0, chunk.prompt_n) for state in self.states]

    def logprobs(self, chunk: Chunk, states: list[Tensor] | None, temperature: float) -> Tensor:
        """Return log-probabilities [n, T] of the tokens of a chunk, 0 where masked, from kept states or with nothing shared."""
        run = self._in_full(chunk) if states is None else self._after(chunk, states)
        if not needs_chunking(self.model, chunk.ids_nT.numel()):
            keep = {"logits_to_keep": chunk.width} if states is None else {}
            logprobs_nT = token_logprobs(self.model(**run, **keep).logits[:, -chunk.width :], chunk.ids_nT, temperature)
            return logprobs_nT.masked_fill(~chunk.mask_nT, 0.0)
        hidden_nTD = decoder_of(self.model)(**run).last_hidden_state[:, -chunk.width :]
        logprobs_S = head_logprobs(self.model, hidden_nTD[chunk.mask_nT], chunk.ids_nT[chunk.mask_nT], temperature)
        return logprobs_S.new_zeros(chunk.mask_nT.shape).masked_scatter(chunk.mask_nT, logprobs_S)

    def _after(self, chunk: Chunk, states: list[Tensor]) -> dict[str, Any]:
        """Return logits of the last prompt token and all but the last completion token, which predict the T tokens."""
        row_mask = torch.cat([self.mask[chunk.prompt_n], chunk.mask_nT[:, :-1]], 1)
        return {
            "input_ids": torch.cat([self.ids[chunk.prompt_n, -1:], chunk.ids_nT[:, :-1]], 1),
            "attention_mask": row_mask.long(),
            "position_ids": positions(row_mask)[:, -chunk.width :],
            "past_key_values": _filled_cache(states),
            "use_cache": True,
        }

    def _in_full(self, chunk: Chunk) -> dict[str, Any]:
        """Return logits of whole rows without the last completion token, which predicts no token of the row."""
        prompt_mask = self.mask[chunk.prompt_n]
        longest = max(1, int(prompt_mask.sum(1).max()))  # padding that all rows have in common is cut off
        row_mask = torch.cat([prompt_mask[:, -longest:], chunk.mask_nT[:, :-1]], 1)
        return {
            "input_ids": torch.cat([self.ids[chunk.prompt_n][:, -longest:], chunk.ids_nT[:, :-1]], 1),
            "attention_mask": row_mask.long(),
            "position_ids": positions(row_mask),
            "use_cache": False,
        }


def _filled_cache(states: list[Tensor]) -> Any:
    """Return a cache that holds these keys and values, without copying them."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    cache: Any = DynamicCache()
    for keys, values in zip(states[::2], states[1::2], strict=True):
        layer = DynamicLayer()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        cache.layers.append(layer)
    return cache
