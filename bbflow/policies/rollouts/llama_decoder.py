"""Decoding of Llama-like models by a custom forward pass: a step is a dozen large operations per layer and nothing else.

Llama, Qwen2, Qwen3 and their relatives (SmolLM2 is a Llama) share one block: RMS norm, attention with rotary positions and grouped keys,
RMS norm, gated MLP. They differ in biases, in a norm on queries and keys (Qwen3), and in numbers that the configuration holds. The
library's forward builds masks, caches and outputs anew for every token, which for small models costs more than the arithmetic.

Dimensions: B prompts, N rows, P columns of prompts, T columns that rows have written, L tokens, D width, H query heads, J key heads (H is
g times J), E width of a head, S positions, V words of the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bbflow.policies.chunked_logits import head_of, without_adapters
from bbflow.policies.logprobs import positions

MODEL_TYPES = ("llama", "qwen2", "qwen3")
STATIC_ROPE = ("default", "linear", "llama3", "yarn")
"""Kinds of rotary positions whose angles depend on the position alone, not on how long the text has become."""
ALIGNED = 16
"""Columns of prompts come in multiples of this, which a GPU's products of matrices ask for to be fast."""


def unsupported_reason(model: Any) -> str:
    """Return the reason why a model cannot be decoded here; empty where it can.

    >>> unsupported_reason(type("Model", (), {"config": type("Config", (), {"model_type": "gpt2"})()})())
    "its architecture is 'gpt2', not llama, qwen2 or qwen3"
    """
    config = model.config
    if config.model_type not in MODEL_TYPES:
        return f"its architecture is '{config.model_type}', not {', '.join(MODEL_TYPES[:-1])} or {MODEL_TYPES[-1]}"
    if config.hidden_act != "silu":
        return f"its activation is '{config.hidden_act}', not silu"
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        return f"its layers attend by {', '.join(sorted(kinds))}, not to everything before"
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if rope not in STATIC_ROPE:
        return f"its rotary positions are '{rope}', which change with the length of the text"
    inner = _inner(model)
    if type(inner.embed_tokens) is not nn.Embedding:
        return f"its embedding is a {type(inner.embed_tokens).__name__}"
    linear = {name: module for name, module in inner.named_modules() if name.endswith("_proj")} | {"head": head_of(model)}
    for name, module in linear.items():
        if _effective(module) is None:
            return f"its {name} is a {type(module).__name__}, whose weight is not a plain matrix"
    return ""


@dataclass(frozen=True)
class _Layer:
    """Weights of a layer; queries, keys and values in one matrix, gate and up in another."""

    input_norm_D: Tensor
    qkv: tuple[Tensor, Tensor | None]
    qk_norms: tuple[Tensor, Tensor] | None
    out: tuple[Tensor, Tensor | None]
    mlp_norm_D: Tensor
    gate_up: tuple[Tensor, Tensor | None]
    down: tuple[Tensor, Tensor | None]


class LlamaWeights:
    """A snapshot of a model's weights, packed for decoding; LoRA updates are added in. It costs a copy of the layers.

    Args:
        model: A model without an `unsupported_reason`.
        columns: Number of positions needed.
    """

    def __init__(self, model: Any, columns: int) -> None:
        config, inner = model.config, _inner(model)
        self.heads, self.key_heads = config.num_attention_heads, config.num_key_value_heads
        self.width = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.eps = config.rms_norm_eps
        self.embedding_VD, self.norm_D = inner.embed_tokens.weight, inner.norm.weight
        device = self.embedding_VD.device
        autocast = torch.is_autocast_enabled(device.type)
        self.dtype = torch.get_autocast_dtype(device.type) if autocast else self.embedding_VD.dtype
        self.head = self._packed([head_of(model)])
        self.layers = [self._layer(layer) for layer in inner.layers]
        place = torch.arange(columns, device=device)[None]
        cos, sin = inner.rotary_emb(self.embedding_VD[:1, None].float(), place)
        self.cos_SE, self.sin_SE = cos[0].to(self.dtype), sin[0].to(self.dtype)

    def _layer(self, layer: Any) -> _Layer:
        attention, mlp = layer.self_attn, layer.mlp
        norms = (attention.q_norm.weight, attention.k_norm.weight) if hasattr(attention, "q_norm") else None
        return _Layer(
            layer.input_layernorm.weight, self._packed([attention.q_proj, attention.k_proj, attention.v_proj]), norms,
            self._packed([attention.o_proj]), layer.post_attention_layernorm.weight, self._packed([mlp.gate_proj, mlp.up_proj]),
            self._packed([mlp.down_proj]),
        )  # fmt: skip

    def _packed(self, modules: list[nn.Module]) -> tuple[Tensor, Tensor | None]:
        """Return weights and biases of linear maps of one input, stacked."""
        weights, biases = zip(*(_effective(module) or (None, None) for module in modules), strict=True)
        some = next((b for b in biases if b is not None), None)
        bias = None
        if some is not None:
            bias = torch.cat([some.new_zeros(len(w)) if b is None else b for w, b in zip(weights, biases, strict=True)]).to(self.dtype)
        return (weights[0] if len(weights) == 1 else torch.cat(weights)).to(self.dtype), bias


class LlamaDecoder:
    """Rows that grow by one token at a time; `logits` [N, V] predict the next token of each.

    Keys and values of a prompt are kept once for its G rows, and read once per step: the queries of a group are laid out next to each
    other like a text, multiplied with the prompt in one matrix product and with each row's tokens in another, and the two are joined
    as one softmax (Hydragen, arXiv 2402.05099). Scores are products in the weights' precision, their softmax is in float32.

    Args:
        weights: Weights of the model.
        prompt_ids_BP: Prompts, padded on the left.
        prompt_mask_BP: True on real tokens.
        group_size: G; each prompt is read once for so many rows.
        room: How many tokens may follow.
    """

    def __init__(self, weights: LlamaWeights, prompt_ids_BP: Tensor, prompt_mask_BP: Tensor, group_size: int, room: int) -> None:
        self.weights, self.group_size, self.written = weights, group_size, 0
        count, length = prompt_ids_BP.shape
        causal_LL = torch.ones(length, length, dtype=torch.bool, device=prompt_ids_BP.device).tril()
        mask_B1LL = prompt_mask_BP[:, None, None, :] & causal_LL
        # padding sees itself: a softmax over nothing would not be finite
        mask_B1LL = mask_B1LL | torch.eye(length, dtype=torch.bool, device=prompt_ids_BP.device)
        spare = -length % ALIGNED
        self.prompts: list[tuple[Tensor, Tensor]] = []

        def attend(number: int, q_BHLE: Tensor, k_BJLE: Tensor, v_BJLE: Tensor) -> Tensor:
            keys, values = (F.pad(states, (0, 0, 0, spare)).contiguous() for states in (k_BJLE, v_BJLE))  # else every step would copy them
            self.prompts.append((keys, values))
            return F.scaled_dot_product_attention(q_BHLE, k_BJLE, v_BJLE, attn_mask=mask_B1LL, enable_gqa=True)

        self.logits = self._forward(prompt_ids_BP, positions(prompt_mask_BP), attend).repeat_interleave(group_size, 0)
        self.hidden_BP = F.pad(~prompt_mask_BP, (0, spare), value=True)
        shape = (len(weights.layers), count * group_size, weights.key_heads, room, weights.width)
        self.keys, self.values = (weights.head[0].new_empty(shape) for _ in range(2))
        self.position_N = prompt_mask_BP.sum(1).repeat_interleave(group_size, 0)
        self.place_N = torch.arange(count * group_size, device=prompt_ids_BP.device)  # which of all B * G rows each is

    def advance(self, token: Tensor) -> None:
        """Append one token to every row."""
        column, stop = self.written, self.written + 1

        def attend(number: int, q_NHLE: Tensor, k_NJLE: Tensor, v_NJLE: Tensor) -> Tensor:
            keys, values = self.keys[number], self.values[number]
            keys[:, :, column], values[:, :, column] = k_NJLE[:, :, 0], v_NJLE[:, :, 0]
            return self._attended(number, q_NHLE, keys[:, :, :stop], values[:, :, :stop])

        self.logits = self._forward(token[:, None], self.position_N[:, None], attend)
        self.position_N, self.written = self.position_N + 1, stop

    def _attended(self, number: int, q_NH1E: Tensor, keys_NJTE: Tensor, values_NJTE: Tensor, hidden_T: Tensor | None = None) -> Tensor:
        """Return the attention of one token's queries over their prompts and over the T columns of their rows."""
        own, (keys_BJPE, values_BJPE) = self.weights, self.prompts[number]
        q_NJgE = q_NH1E.reshape(len(q_NH1E), own.key_heads, own.heads // own.key_heads, own.width)
        of_prompt = _weighed(self._by_prompt(q_NJgE), keys_BJPE, values_BJPE, self.hidden_BP[:, None, None])
        top, total, seen = (self._apart(part) for part in of_prompt)
        own_top, own_total, own_seen = _weighed(q_NJgE, keys_NJTE, values_NJTE, hidden_T)
        both = torch.maximum(top, own_top)
        factor, own_factor = (top - both).exp_(), (own_top - both).exp_()
        seen_NJgE = (seen * factor + own_seen * own_factor) / (total * factor + own_total * own_factor)
        return seen_NJgE.to(q_NH1E.dtype).reshape(q_NH1E.shape)

    def _by_prompt(self, rows_NJgE: Tensor) -> Tensor:
        """Return [N, J, g, E] as [B, J, G * g, E]: the rows of a prompt next to each other, zeros where one has left."""
        count, (_, heads, queries, size) = len(self.hidden_BP), rows_NJgE.shape
        if len(rows_NJgE) < count * self.group_size:
            rows_NJgE = rows_NJgE.new_zeros(count * self.group_size, heads, queries, size).index_copy_(0, self.place_N, rows_NJgE)
        return rows_NJgE.view(count, self.group_size, heads, queries, size).transpose(1, 2).reshape(count, heads, -1, size)

    def _apart(self, groups_BJMX: Tensor) -> Tensor:
        """Return [B, J, G * g, X] as [N, J, g, X], the inverse of `_by_prompt`."""
        rows = groups_BJMX.unflatten(2, (self.group_size, -1)).transpose(1, 2).flatten(0, 1)
        return rows if len(self.place_N) == len(rows) else rows[self.place_N]

    def select(self, keep: Tensor) -> None:
        """Drop all other rows, and prompts without any."""
        self.keys, self.values = self.keys[:, keep], self.values[:, keep]
        self.position_N, self.place_N = self.position_N[keep], self.place_N[keep]
        left_B, number_N = torch.unique(self.place_N // self.group_size, return_inverse=True)
        if len(left_B) < len(self.hidden_BP):
            self.place_N = number_N * self.group_size + self.place_N % self.group_size
            self.hidden_BP = self.hidden_BP[left_B]
            self.prompts = [(keys[left_B], values[left_B]) for keys, values in self.prompts]

    def _forward(self, ids_NL: Tensor, place_NL: Tensor, attend: Any) -> Tensor:
        """Return logits [N, V] after the last token; `attend` gets queries, keys and values of a layer and keeps what it needs."""
        own = self.weights
        x_NLD = F.embedding(ids_NL, own.embedding_VD).to(own.dtype)
        cos_NL1E, sin_NL1E = own.cos_SE[place_NL][:, :, None], own.sin_SE[place_NL][:, :, None]
        heads = own.heads + own.key_heads
        for number, layer in enumerate(own.layers):
            qkv = F.linear(_rms(x_NLD, layer.input_norm_D, own.eps), *layer.qkv).unflatten(-1, (heads + own.key_heads, own.width))
            qk, value = qkv[:, :, :heads], qkv[:, :, heads:]
            if layer.qk_norms is not None:
                parts = zip(qk.split((own.heads, own.key_heads), 2), layer.qk_norms, strict=True)
                qk = torch.cat([_rms(part, norm, own.eps) for part, norm in parts], 2)
            first, second = qk.chunk(2, -1)
            qk = qk * cos_NL1E + torch.cat([-second, first], -1) * sin_NL1E
            query, key = qk.transpose(1, 2).split((own.heads, own.key_heads), 1)
            seen = attend(number, query, key, value.transpose(1, 2))
            x_NLD = x_NLD + F.linear(seen.transpose(1, 2).flatten(2), *layer.out)
            gate, up = F.linear(_rms(x_NLD, layer.mlp_norm_D, own.eps), *layer.gate_up).chunk(2, -1)
            x_NLD = x_NLD + F.linear(F.silu(gate) * up, *layer.down)
        return F.linear(_rms(x_NLD[:, -1], own.norm_D, own.eps), *own.head)


def _weighed(q: Tensor, keys: Tensor, values: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return the largest score of each query, in float32, and the sums of exp(score - largest) and of the values weighed by it."""
    scores = (q @ keys.mT).float().mul_(q.shape[-1] ** -0.5)
    if hidden is not None:
        scores.masked_fill_(hidden, -torch.inf)
    top = scores.amax(-1, keepdim=True)
    weights = scores.sub_(top).exp_()
    return top, weights.sum(-1, keepdim=True), weights.to(values.dtype) @ values


def _rms(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Return the RMS norm, its mean in float32 as in transformers."""
    return F.rms_norm(x.float(), (x.shape[-1],), eps=eps).to(x.dtype) * weight.to(x.dtype)


def _inner(model: Any) -> Any:
    """Return the decoder below head and adapters."""
    return without_adapters(model).model


def _effective(module: nn.Module) -> tuple[Tensor, Tensor | None] | None:
    """Return weight and bias of a linear map, active LoRA adapters included; None where there is no such matrix."""
    if type(module) is nn.Linear:
        return module.weight, module.bias
    lora: Any = module
    base = getattr(lora, "base_layer", None)
    if type(base) is not nn.Linear or not hasattr(lora, "lora_A"):
        return None
    if any((*lora.use_dora.values(), *lora.lora_bias.values(), *lora.lora_variant.values())):
        return None
    weight = base.weight
    if not lora.disable_adapters and not lora.merged:
        for name in lora.active_adapters:
            if name in lora.lora_A:
                weight = weight + lora.get_delta_weight(name).to(weight.dtype)
    return weight, base.bias
