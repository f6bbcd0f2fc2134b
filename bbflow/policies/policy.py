"""A policy: a causal language model with its tokenizer, and the only place where chats become token ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor, nn

from bbflow.records import Message


@dataclass(frozen=True)
class Policy:
    """A model and its tokenizer.

    Attributes:
        model: A Hugging Face causal language model, perhaps with a peft adapter.
        tokenizer: Its tokenizer.
        eos_ids: Every token that ends a completion; the first is the one that training appends.
        pad_id: Fills batches; never read as an end mark, since it may be one of `eos_ids`.
        fresh_adapter: The adapter was made for this run, so that the model without it is the reference.
    """

    model: Any
    tokenizer: Any
    eos_ids: tuple[int, ...]
    pad_id: int
    fresh_adapter: bool = False

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.model.parameters()).device

    @property
    def context_length(self) -> int | None:
        """Tokens that the model reads, by its configuration; None where that sets no limit."""
        found = (getattr(self.model.config, name, None) for name in ("n_positions", "max_position_embeddings", "n_ctx", "max_seq_len"))
        return next((value for value in found if isinstance(value, int) and value > 0), None)

    def clamp_max_length(self, max_length: int) -> int:
        """Return how many of `max_length` tokens the model reads, with a note where it reads fewer."""
        room = self.context_length
        if room is None or max_length <= room:
            return max_length
        rank_zero_warn(f"max_length is {max_length}, and the model reads {room} tokens: longer examples are cut there")
        return room

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Return the token ids of a prompt, up to where the assistant's answer begins.

        A tokenizer without a chat template gets the turns' contents, one per line.
        """
        if getattr(self.tokenizer, "chat_template", None):
            text = self.tokenizer.apply_chat_template([dict(m) for m in messages], tokenize=False, add_generation_prompt=True)
        else:
            text = "".join(f"{message['content']}\n" for message in messages)
        return self._ids(text)

    def response_ids(self, text: str) -> list[int]:
        """Return the token ids of a complete response, end mark included."""
        return [*self._ids(text), self.eos_ids[0]]

    def texts(self, completions: Iterable[Sequence[int]]) -> list[str]:
        """Decode completions, special tokens removed."""
        return [self.tokenizer.decode(list(ids), skip_special_tokens=True) for ids in completions]

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def pad(rows: Sequence[Sequence[int]], pad_id: int, side: str, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Stack rows of unequal length.

    Args:
        rows: B lists of token ids.
        pad_id: Fills the rest.
        side: `left` for prompts (so that all end in the same column), `right` for completions.
        device: Device of the tensors.

    Returns:
        ids [B, L] (int64) and mask [B, L] (bool), the mask made from lengths alone.

    >>> ids, mask = pad([[5, 6], [7]], 0, "left")
    >>> ids.tolist(), mask.tolist()
    ([[5, 6], [0, 7]], [[True, True], [False, True]])
    """
    width = max((len(row) for row in rows), default=0)
    left = side == "left"
    ids = [[pad_id] * (width - len(row)) + list(row) if left else list(row) + [pad_id] * (width - len(row)) for row in rows]
    lengths = torch.tensor([len(row) for row in rows])[:, None]
    column = torch.arange(width)[None, :]
    mask = column >= width - lengths if left else column < lengths
    return torch.tensor(ids, dtype=torch.long, device=device).view(len(rows), width), mask.to(device)


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Switch a model to eval mode (dropout off, caches on) and restore every module's mode afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
