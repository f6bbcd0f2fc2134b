"""Rollouts in plain PyTorch over any Hugging Face causal language model with a key/value cache."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from bbflow.errors import InputError, Problem, Refused
from bbflow.policies.logprobs import positions
from bbflow.policies.policy import Policy, eval_mode, pad
from bbflow.policies.rollouts.base import RolloutEngine, Rollouts, concat_rollouts
from bbflow.policies.rollouts.sampling import draw

COMPACT_BELOW = 0.75
"""Finished rows leave the batch when less than this share still runs: each time costs one copy of the cache."""

_BROKEN = "the policy computes numbers that are not finite, so that nothing can be sampled from it: its weights are broken"


@dataclass
class TransformersRollout(RolloutEngine):
    """Rollouts sampled from the whole distribution, without top-k or top-p, so that log-probabilities are those of the policy.

    The prompt of a group is read once and its cache handed to all G completions. A completion ends at any of the policy's end marks,
    and finished rows leave the batch. Where memory runs out, the prompts are completed in halves: the same uniform numbers, so the same
    completions but for rounding.
    """

    group_size: int = 8
    max_new_tokens: int = 96
    temperature: float = 1.0

    def __post_init__(self) -> None:
        self._parts = 1

    @torch.no_grad()
    def generate(
        self,
        policy: Policy,
        prompts: Sequence[Sequence[int]],
        *,
        group_size: int | None = None,
        generator: torch.Generator | None = None,
        greedy: bool = False,
    ) -> Rollouts:
        """Complete every prompt; see `RolloutEngine.generate`.

        Raises:
            InputError: A prompt is empty, or does not fit into the model's positions with `max_new_tokens` after it.
            Refused: The policy computes numbers that are not finite.
        """
        group_size = group_size or self.group_size
        _check_lengths(policy, prompts, self.max_new_tokens)
        shape = (self.max_new_tokens, len(prompts) * group_size)
        uniform_TN = torch.rand(shape, generator=generator, dtype=torch.float64, device=policy.device)
        made: list[Rollouts] = []
        while not made:
            size = -(-len(prompts) // self._parts)
            parts = [(prompts[i : i + size], uniform_TN[:, i * group_size : (i + size) * group_size]) for i in range(0, len(prompts), size)]
            try:
                made = [self._complete(policy, some, group_size, uniform_Tn, greedy) for some, uniform_Tn in parts]
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
            if not made:  # outside the handler, whose traceback holds on to the tensors of the attempt
                self._parts *= 2
                warnings.warn(f"out of memory: prompts are completed in {self._parts} parts from here on", stacklevel=2)
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
        return made[0] if len(made) == 1 else concat_rollouts(made, policy.pad_id)

    def _complete(self, policy: Policy, prompts: Sequence[Sequence[int]], group_size: int, uniform_TN: Tensor, greedy: bool) -> Rollouts:
        """Complete prompts that run together, from one uniform number per token and completion."""
        prompt_ids, prompt_mask = pad(prompts, policy.pad_id, "left", policy.device)
        rows = len(prompts) * group_size
        ids = prompt_ids.new_full((rows, self.max_new_tokens), policy.pad_id)
        logprobs = torch.zeros(rows, self.max_new_tokens, dtype=torch.float32, device=policy.device)
        lengths = torch.zeros(rows, dtype=torch.long, device=policy.device)
        ended = torch.zeros(rows, dtype=torch.bool, device=policy.device)
        eos_ids = torch.tensor(policy.eos_ids, device=policy.device)
        with eval_mode(policy.model):
            decoder = self.decoder(policy, prompt_ids, prompt_mask, group_size)
            row = torch.arange(rows, device=policy.device)  # which completion each row of the running batch is
            for step in range(self.max_new_tokens):
                logits = decoder.logits if self.temperature == 1.0 else decoder.logits.float() / self.temperature
                distribution = torch.log_softmax(logits, dim=-1, dtype=torch.float32)
                token = distribution.argmax(-1) if greedy else draw(distribution.exp(), uniform_TN[step, row])
                logprob = distribution.gather(1, token[:, None])[:, 0]
                running = ~ended[row]  # masks, where indexing by them would make a GPU wait
                ids[row, step] = torch.where(running, token, policy.pad_id)
                logprobs[row, step] = logprob.masked_fill(~running, 0.0)
                lengths[row] += running
                ended[row] |= torch.isin(token, eos_ids)
                left, broken = torch.stack([(~ended[row]).sum(), (running & ~logprob.isfinite()).sum()]).tolist()  # waits once
                if broken:
                    raise Refused(_BROKEN)
                if left == 0 or step == self.max_new_tokens - 1:
                    break
                if left < COMPACT_BELOW * len(row):
                    keep = (~ended[row]).nonzero()[:, 0]
                    decoder.select(keep)
                    row, token = row[keep], token[keep]
                decoder.advance(token)

        width = int(lengths.max())
        mask = torch.arange(width, device=policy.device)[None, :] < lengths[:, None]
        return Rollouts(prompt_ids, prompt_mask, ids[:, :width], mask, logprobs[:, :width], ~ended, group_size)

    def decoder(self, policy: Policy, prompt_ids_BP: Tensor, prompt_mask_BP: Tensor, group_size: int) -> Decoder:
        """Return the rows of a batch after their prompts; a faster engine overrides this."""
        return _CachedModel(policy, prompt_ids_BP, prompt_mask_BP, group_size, self.max_new_tokens)


class Decoder(Protocol):
    """Rows that grow by one token at a time.

    Attributes:
        logits: [rows, V], they predict the next token of each row.
    """

    logits: Tensor

    def advance(self, token: Tensor) -> None:
        """Append one token to every row."""

    def select(self, keep: Tensor) -> None:
        """Drop all other rows."""


class _CachedModel:
    """Decoder by the forward pass of transformers, with its cache."""

    def __init__(self, policy: Policy, prompt_ids: Tensor, prompt_mask: Tensor, group_size: int, room: int) -> None:
        from transformers import DynamicCache

        from bbflow.policies.rollouts.preallocated_cache import preallocate

        self.model = policy.model
        cache = DynamicCache(config=self.model.config)
        self.logits = self._forward(prompt_ids, prompt_mask, positions(prompt_mask), cache).repeat_interleave(group_size, 0)
        cache.batch_repeat_interleave(group_size)
        self.cache = preallocate(cache, room)
        self.position = prompt_mask.sum(1).repeat_interleave(group_size, 0)
        self.used = prompt_mask.shape[1]
        completion = prompt_mask.new_ones(len(self.position), room)
        self.mask = torch.cat([prompt_mask.repeat_interleave(group_size, 0), completion], 1)

    def advance(self, token: Tensor) -> None:
        """Append one token to every row."""
        self.used += 1
        self.logits = self._forward(token[:, None], self.mask[:, : self.used], self.position[:, None], self.cache)
        self.position = self.position + 1

    def select(self, keep: Tensor) -> None:
        """Drop all other rows."""
        self.cache.batch_select_indices(keep)
        self.mask, self.position = self.mask[keep], self.position[keep]

    def _forward(self, ids: Tensor, mask: Tensor, position_ids: Tensor, cache: object) -> Tensor:
        output = self.model(
            input_ids=ids,
            attention_mask=mask.long(),
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]


def _check_lengths(policy: Policy, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> None:
    if not prompts or not all(prompts):
        raise InputError(Problem("there is no prompt to complete" if not prompts else "a prompt has no token"))
    longest, room = max(len(p) for p in prompts), policy.context_length
    if room is not None and longest + max_new_tokens > room:
        what = f"a prompt of {longest} tokens and {max_new_tokens} new ones exceed the model's {room} positions"
        raise InputError(Problem(what, "max_new_tokens", "shorten the prompts or lower max_new_tokens"))
