"""Multiple choice by log-likelihood: the option whose text is likeliest after the question.

Tokens are split as in lm-evaluation-harness 0.4, so that both give the same numbers for each item: question and option are tokenised
together, and the option's tokens are those beyond the question's; inputs that are too long are cut at the beginning. No chat template.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from bbflow.evaluation.benchmarks.formats import continuations
from bbflow.policies.chunked_logits import decoder_of, has_plain_head, head_of
from bbflow.policies.policy import Policy, eval_mode
from bbflow.records import Example

TOKENS_AT_ONCE = 4096


@dataclass(frozen=True)
class Likelihoods:
    """Log-likelihood of each option of an item, in nats."""

    values: tuple[float, ...]

    @property
    def best(self) -> int:
        """Index of the likeliest option; the first among equals (`acc`)."""
        return max(range(len(self.values)), key=lambda i: self.values[i])


def option_likelihoods(
    policy: Policy, examples: Sequence[Example], tokens_at_once: int = TOKENS_AT_ONCE, progress: Callable[[int, int], None] | None = None
) -> list[Likelihoods]:
    """Compute the log-likelihood of every option of every example.

    Args:
        policy: Policy to evaluate.
        examples: Items with options; the prompt is the text of their last user turn.
        tokens_at_once: Tokens of one forward pass, padding included.
        progress: Called with (rows done, rows in all).
    """
    requests: dict[tuple[int, ...], dict[tuple[int, ...], float]] = {}
    wanted: list[list[tuple[tuple[int, ...], tuple[int, ...]]]] = []
    longest = _longest(policy)
    for example in examples:
        pairs = []
        for text in continuations(example):
            context, option = split_tokens(policy.tokenizer, example.prompt, f" {text}")
            read = tuple((context + option)[-(longest + 1) :][:-1])
            requests.setdefault(read, {})[tuple(option)] = 0.0
            pairs.append((read, tuple(option)))
        wanted.append(pairs)
    _score(policy, requests, tokens_at_once, progress)
    return [Likelihoods(tuple(requests[read][option] for read, option in pairs)) for pairs in wanted]


def split_tokens(tokenizer: Any, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """Tokenise context and continuation together and split after the context's tokens; trailing spaces go with the continuation."""
    spaces = len(context) - len(context.rstrip())
    if spaces:
        context, continuation = context[:-spaces], context[-spaces:] + continuation
    whole = list(tokenizer(context + continuation, add_special_tokens=False)["input_ids"])
    alone = list(tokenizer(context, add_special_tokens=False)["input_ids"])
    return whole[: len(alone)], whole[len(alone) :]


def _longest(policy: Policy) -> int:
    return policy.context_length or 2048


@torch.no_grad()
def _score(policy: Policy, requests: dict[Any, dict[Any, float]], budget: int, progress: Callable[[int, int], None] | None) -> None:
    """Add the log-likelihoods; rows of similar length run together, padded on the right, which causal attention ignores."""
    todo = sorted(requests, key=lambda row: (-len(row), row))
    done = 0
    with eval_mode(policy.model):
        while done < len(todo):
            width = len(todo[done])
            batch = todo[done : done + max(1, budget // width)]
            ids = torch.tensor([list(row) + [policy.pad_id] * (width - len(row)) for row in batch], device=policy.device)
            kept = max(len(option) for row in batch for option in requests[row])
            ends = torch.tensor([len(row) for row in batch])
            logits = _last_logits(policy.model, ids, ends, kept)
            for row, logprobs in zip(batch, F.log_softmax(logits.float(), -1).cpu(), strict=True):
                for option in requests[row]:
                    places = range(kept - len(option), kept)
                    requests[row][option] = float(sum(logprobs[place, token] for place, token in zip(places, option, strict=True)))
            done += len(batch)
            if progress:
                progress(done, len(todo))


def _last_logits(model: Any, ids_NL: torch.Tensor, ends_N: torch.Tensor, kept: int) -> torch.Tensor:
    """Return logits [N, kept, V] at the last `kept` real tokens of each row; the head is applied at those only."""
    places = (ends_N[:, None] - kept + torch.arange(kept)).clamp(min=0).to(ids_NL.device)
    rows = torch.arange(len(ids_NL), device=ids_NL.device)[:, None]
    if not has_plain_head(model):
        return model(input_ids=ids_NL, use_cache=False).logits[rows, places]
    return head_of(model)(decoder_of(model)(input_ids=ids_NL, use_cache=False).last_hidden_state[rows, places])
