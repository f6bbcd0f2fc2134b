"""A reward model without its training: a policy as backbone, one head per dimension, and a gate that mixes them.

The mixture follows ArmoRM (arXiv 2406.12845): each head scores one dimension of the response, and the gate, which sees the prompt alone,
weighs the heads for it. A folder holds the backbone (or its adapter), the tokenizer, `reward_heads.safetensors` and
`reward_model.json`; without the last two it is only a policy.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bbflow.errors import InputError, Problem
from bbflow.policies.chunked_logits import decoder_of
from bbflow.policies.loading import load_policy
from bbflow.policies.policy import Policy, eval_mode
from bbflow.policies.settings import PolicySettings
from bbflow.records import Message

HEADS_FILE, SETTINGS_FILE = "reward_heads.safetensors", "reward_model.json"
GATED = "gated"
"""Name of the mixture of all heads, where a head can be chosen."""

Pooling = Literal["attention", "last"]


@dataclass(frozen=True)
class RewardModelFile:
    """Contents of `reward_model.json`.

    Attributes:
        heads: Names of the heads, in order.
        pooling: How a response becomes one vector.
        pointer: Whether each token of the response carries its support by the prompt.
        max_length: Longest prompt and response together, in tokens.
        temperature: Temperature of each head and of `gated`: sigmoid(score / temperature) is a probability of being correct.
        tokenizer_sha256: Hash of the tokenizer that the heads were trained with.
    """

    heads: tuple[str, ...]
    pooling: Pooling = "attention"
    pointer: bool = True
    max_length: int = 512
    temperature: dict[str, float] = field(default_factory=dict)
    tokenizer_sha256: str = ""


@dataclass(frozen=True)
class Scored:
    """Scores of N responses.

    Attributes:
        heads_NK: Logits of being correct, by head.
        gate_NK: Weights of the heads; each row adds up to 1.
        truncated_N: Whether tokens were cut off, so that the score covers a part.
    """

    heads_NK: Tensor
    gate_NK: Tensor
    truncated_N: Tensor

    @property
    def gated_N(self) -> Tensor:
        """Score of the mixture."""
        return (self.heads_NK * self.gate_NK).sum(1)


POINTER_WIDTH = 64
SILENT = -8.0
"""Least support of a token, in nats: what the pointer gives to a token that the prompt does not hold."""


class Pointer(nn.Module):
    """Support of each response token by the prompt: the copy mechanism of pointer networks (See et al., arXiv 1704.04368).

    From the state before a token it attends to the states of the prompt, and adds up the attention on positions that the same token
    follows. A name that the evidence gives in this context has support near 0 nats, another one less. Queries and keys are initialised
    equal, so that similar contexts match before training.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.key = nn.Linear(width, POINTER_WIDTH, bias=False)
        self.query = nn.Linear(width, POINTER_WIDTH, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(0.0))
        nn.init.orthogonal_(self.key.weight)
        with torch.no_grad():
            self.query.weight.copy_(self.key.weight)

    def forward(self, hidden_NLD: Tensor, ids_NL: Tensor, prompt_NL: Tensor) -> Tensor:
        """Return the support [N, L] of each token in nats, at most 0: `SILENT` where no token of the prompt could be pointed at."""
        state = self.norm(hidden_NLD[:, :-1])
        logits = self.query(state) @ self.key(state).transpose(1, 2) * self.log_scale.exp() / POINTER_WIDTH**0.5
        prompt_N1L = prompt_NL[:, None, 1:]
        attention = logits.masked_fill(~prompt_N1L, torch.finfo(logits.dtype).min).softmax(2)  # uniform where nothing is left to attend to
        same = prompt_N1L & (ids_NL[:, 1:, None] == ids_NL[:, None, 1:])
        support = (attention * same).sum(2).clamp(min=math.exp(SILENT)).log()
        return nn.functional.pad(support, (1, 0), value=SILENT)


class RewardHeads(nn.Module):
    """Heads and gate on the hidden states of a backbone.

    With `attention` pooling each head attends to the response tokens with a separate query, so that one wrong word can decide; `last`
    reads the end mark alone, as is usual for large backbones. With a pointer every token also carries its support by the prompt.

    Args:
        width: D, width of the hidden states.
        heads: Number of heads, K.
        pooling: See above.
        pointer: See above.
    """

    def __init__(self, width: int, heads: int, pooling: Pooling = "attention", pointer: bool = True) -> None:
        super().__init__()
        self.pooling = pooling
        self.pointer = Pointer(width) if pointer else None
        seen = width + 2 * pointer
        self.inner = nn.Linear(seen, width)
        self.value = nn.Linear(width, heads)
        self.query = nn.Linear(seen, heads) if pooling == "attention" else None
        self.gate = nn.Linear(width, heads)
        nn.init.zeros_(self.gate.weight)  # every head counts alike at the start
        nn.init.zeros_(self.gate.bias)

    def forward(self, hidden_NLD: Tensor, ids_NL: Tensor, response_NL: Tensor) -> tuple[Tensor, Tensor]:
        """Score rows.

        Args:
            hidden_NLD: Hidden states, right-padded.
            ids_NL: Token ids.
            response_NL: True on the tokens of the response.

        Returns:
            heads_NK and gate_NK.
        """
        hidden_NLD = hidden_NLD.to(self.value.weight.dtype)
        row = torch.arange(len(hidden_NLD), device=hidden_NLD.device)
        first_N, length_N = response_NL.int().argmax(1), response_NL.sum(1)
        seen_NLC = hidden_NLD
        if self.pointer is not None:
            prompt_NL = torch.arange(ids_NL.shape[1], device=ids_NL.device) < first_N[:, None]
            support_NL = self.pointer(hidden_NLD, ids_NL, prompt_NL)
            mean_N = (support_NL * response_NL).sum(1) / length_N
            seen_NLC = torch.cat([hidden_NLD, support_NL[..., None], mean_N[:, None, None].expand(*support_NL.shape, 1)], 2)
        values_NLK = self.value(nn.functional.gelu(self.inner(seen_NLC)))
        if self.query is None:
            heads_NK = values_NLK[row, first_N + length_N - 1]
        else:
            weights_NLK = self.query(seen_NLC).masked_fill(~response_NL[..., None], -torch.inf).softmax(1)
            heads_NK = (weights_NLK * values_NLK).sum(1)
        return heads_NK, self.gate(hidden_NLD[row, (first_N - 1).clamp(min=0)]).softmax(1)


class RewardScorer(nn.Module):
    """Backbone and heads together: texts in, scores out.

    Args:
        policy: The backbone.
        file: Heads, pooling, longest input.
    """

    def __init__(self, policy: Policy, file: RewardModelFile) -> None:
        super().__init__()
        self.policy, self.file = policy, file
        self.model = policy.model
        width = policy.model.get_input_embeddings().weight.shape[1]
        self.heads = RewardHeads(width, len(file.heads), file.pooling, file.pointer)

    def encode(self, messages: Sequence[Message], response: str) -> tuple[list[int], list[int], bool]:
        """Return the token ids of prompt and response, and whether they had to be cut.

        A pair that is too long keeps the end of its prompt and the beginning of its response.
        """
        prompt, answer, limit = self.policy.prompt_ids(messages), self.policy.response_ids(response), self.file.max_length
        cut = len(prompt) + len(answer) > limit
        answer = answer[: limit - 1]
        return prompt[max(0, len(prompt) + len(answer) - limit) :], answer, cut

    def forward(self, ids_NL: Tensor, response_NL: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return heads_NK, gate_NK and the hidden states [N, L, D] of right-padded rows; causal attention needs no mask for those."""
        hidden_NLD = decoder_of(self.model)(input_ids=ids_NL, use_cache=False).last_hidden_state
        return *self.heads(hidden_NLD, ids_NL, response_NL), hidden_NLD

    @torch.no_grad()
    def score(
        self,
        prompts: Sequence[Sequence[Message]],
        responses: Sequence[str],
        batch_size: int = 32,
        progress: Callable[[int], None] | None = None,
    ) -> Scored:
        """Score responses in eval mode, those of similar length together.

        Args:
            prompts: N chats.
            responses: N texts.
            batch_size: Rows of one forward pass.
            progress: Called with the number of rows just done.
        """
        rows = [self.encode(messages, text) for messages, text in zip(prompts, responses, strict=True)]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]) + len(rows[i][1]))
        heads_NK = torch.zeros(len(rows), len(self.file.heads))
        gate_NK = torch.zeros_like(heads_NK)
        with eval_mode(self):
            for start in range(0, len(order), batch_size):
                chosen = order[start : start + batch_size]
                ids, mask = stack([rows[i][:2] for i in chosen], self.policy.pad_id)
                heads, gate, _ = self(ids.to(self.policy.device), mask.to(self.policy.device))
                heads_NK[chosen], gate_NK[chosen] = heads.float().cpu(), gate.float().cpu()
                if progress is not None:
                    progress(len(chosen))
        return Scored(heads_NK, gate_NK, torch.tensor([row[2] for row in rows], dtype=torch.bool))

    def probability(self, logits: Tensor, head: str) -> Tensor:
        """Return the calibrated probability of being correct, sigmoid(logit / temperature)."""
        return torch.sigmoid(logits / self.file.temperature.get(head, 1.0))

    def save(self, folder: str | Path) -> None:
        """Write backbone or adapter, tokenizer, heads and settings; `load_scorer` reads them back."""
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder)
        self.policy.tokenizer.save_pretrained(folder)
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in self.heads.state_dict().items()}, folder / HEADS_FILE)
        facts = {**asdict(self.file), "tokenizer_sha256": tokenizer_sha256(self.policy.tokenizer)}
        (folder / SETTINGS_FILE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def stack(rows: Sequence[Sequence[list[int]]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Right-pad (prompt, response) rows to a common width, a multiple of 8; return ids [N, L] and the response mask [N, L]."""
    width = -(-max(len(prompt) + len(answer) for prompt, answer in rows) // 8) * 8
    ids = [[*prompt, *answer, *[pad_id] * (width - len(prompt) - len(answer))] for prompt, answer in rows]
    mask = [[len(prompt) <= i < len(prompt) + len(answer) for i in range(width)] for prompt, answer in rows]
    return torch.tensor(ids), torch.tensor(mask)


def tokenizer_sha256(tokenizer: Any) -> str:
    """Return the hash of a tokenizer's vocabulary and chat template, which decide the token ids of a text."""
    facts = [sorted(tokenizer.get_vocab().items()), getattr(tokenizer, "chat_template", None)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def recorded_tokenizer(path: str) -> str:
    """Return the hash of the tokenizer that a reward-model folder was trained with."""
    return _settings(Path(path).expanduser()).tokenizer_sha256


def reward_model_problems(path: str, where: str, head: str | None = None) -> list[Problem]:
    """List the problems of a reward-model folder without loading a weight; `where` is its key in the recipe."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        return [Problem(f"there is no reward-model folder '{path}'", where, "train one with recipes/reward.yaml")]
    missing = [name for name in (HEADS_FILE, SETTINGS_FILE) if not (folder / name).is_file()]
    if missing:
        hint = "a policy alone is no reward model; `RewardModel` writes these files next to it"
        return [Problem(f"'{path}' lacks its head: {', '.join(missing)}", where, hint)]
    try:
        file = _settings(folder)
    except InputError as error:
        return [Problem(p.what, where, p.hint) for p in error.problems]
    found = []
    if head is not None and head not in (GATED, *file.heads):
        found.append(Problem(f"the reward model has no head '{head}'", where, f"one of: {', '.join((GATED, *file.heads))}"))
    return found + PolicySettings(path=path).problems(where)


def load_scorer(path: str, dtype: Literal["float32", "bfloat16"] = "float32") -> RewardScorer:
    """Load a reward model, frozen.

    Raises:
        InputError: A file is missing or wrong, or the tokenizer is not the one that the heads were trained with.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    problems = reward_model_problems(path, "reward model")
    if problems:
        raise InputError(*problems)
    folder = Path(path).expanduser()
    file = _settings(folder)
    policy = load_policy(PolicySettings(path=path, dtype=dtype))
    if tokenizer_sha256(policy.tokenizer) != file.tokenizer_sha256:
        raise InputError(
            Problem("the tokenizer is not the one that the head was trained with", str(folder), "copy it from the training run")
        )
    scorer = RewardScorer(policy, file)
    try:
        scorer.heads.load_state_dict(load_file(folder / HEADS_FILE))
    except (RuntimeError, SafetensorError) as error:
        raise InputError(Problem(f"the head does not fit the backbone: {str(error).splitlines()[0]}", str(folder / HEADS_FILE))) from error
    return scorer.requires_grad_(False).eval()


def _settings(folder: Path) -> RewardModelFile:
    path = folder / SETTINGS_FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return RewardModelFile(**{**raw, "heads": tuple(raw["heads"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(Problem(f"'{path}' is no description of a reward model: {error}")) from error
