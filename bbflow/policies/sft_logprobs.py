"""Reference responses for supervised training: their tokens, and log-probabilities from logits at the supervised tokens alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bbflow.errors import InputError, Problem
from bbflow.policies.chunked_logits import decoder_of, has_plain_head, head_logprobs, token_logprobs
from bbflow.policies.policy import Policy
from bbflow.records import Example


def encode(policy: Policy, example: Example, max_length: int | None = None) -> tuple[list[int], list[int]]:
    """Return the token ids of an example's prompt and of its reference response with the end mark.

    Args:
        policy: Tokenises.
        example: An example.
        max_length: Longest prompt and response together: the end of the prompt and the beginning of the response are kept; None: any.

    Raises:
        InputError: The response is empty.
    """
    if not example.response.strip():
        raise InputError(Problem("no token to learn from: the response is empty", f"example {example.example_id}"))
    prompt, response = policy.prompt_ids(example.messages), policy.response_ids(example.response)
    if max_length is None:
        return prompt, response
    response = response[: max_length - 1]
    return prompt[-(max_length - len(response)) :], response


def supervised_logprobs(model: Any, ids_NL: Tensor, supervised_NL: Tensor, positions_NL: Tensor | None = None) -> Tensor:
    """Return the log-probability of every supervised token given all tokens before it, with gradient.

    Rows are padded on the right, so that causal attention hides the padding by itself and no mask is needed, which lets the
    attention kernels take their fastest path. The head runs on the supervised positions only, never on prompt tokens.

    Args:
        model: A causal language model.
        ids_NL: Prompt, response and padding; with positions, several such sequences one after the other.
        supervised_NL: True on response tokens; False on the first token of a sequence.
        positions_NL: Position of each token in its own sequence, for a model that `isolates_packed_sequences`.

    Returns:
        [N, L] float32 log-probabilities in nats, 0 where the mask is False.
    """
    packed = {} if positions_NL is None else {"position_ids": positions_NL}
    predicts_NL = supervised_NL[:, 1:]
    answers_S = ids_NL[:, 1:][predicts_NL]
    if has_plain_head(model):
        hidden_NLD = decoder_of(model)(input_ids=ids_NL, use_cache=False, **packed).last_hidden_state
        logprobs_S = head_logprobs(model, hidden_NLD[:, :-1][predicts_NL], answers_S)
    else:
        logits_SV = model(input_ids=ids_NL, use_cache=False, **packed).logits[:, :-1][predicts_NL]
        logprobs_S = token_logprobs(logits_SV[None], answers_S[None], 1.0)[0]
    logprobs_S = logprobs_S.float()
    return torch.zeros(supervised_NL.shape, dtype=torch.float32, device=ids_NL.device).masked_scatter(supervised_NL, logprobs_S)


def pack(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Put sequences into as few rows as first-fit finds, the longest first, so that no row is wider than `width`.

    Args:
        lengths: Tokens of each sequence; a longer one than `width` has a row alone.
        width: Most tokens of a row.

    Returns:
        Rows of sequence indices.

    >>> pack([3, 8, 5, 2], 10)
    [[1, 3], [2, 0]]
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        for row in range(len(rows)):
            if lengths[i] <= room[row]:
                rows[row].append(i)
                room[row] -= lengths[i]
                break
        else:
            rows.append([i])
            room.append(width - lengths[i])
    return rows


def isolates_packed_sequences(model: Any) -> bool:
    """Return, by a trial, whether a packed sequence with restarted positions has the log-probabilities that it has alone.

    Most architectures derive the start of a sequence from its positions; one that does not would let examples read each other.
    """
    from bbflow.policies.policy import eval_mode

    first, second = torch.arange(3, 9), torch.arange(5, 14) % model.get_input_embeddings().num_embeddings
    device = next(model.parameters()).device
    ids = torch.cat([first, second])[None].to(device)
    positions = torch.cat([torch.arange(len(first)), torch.arange(len(second))])[None].to(device)
    after_first = torch.ones_like(ids, dtype=torch.bool)
    after_first[0, [0, len(first)]] = False
    with torch.no_grad(), eval_mode(model):
        packed = supervised_logprobs(model, ids, after_first, positions)[0, len(first) :]
        alone = supervised_logprobs(model, ids[:, len(first) :], after_first[:, len(first) :])[0]
    return bool((packed - alone).abs().max() < 0.02)
