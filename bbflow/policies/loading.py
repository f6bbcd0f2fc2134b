"""Loads a policy from a folder or the Hub: safetensors only, never pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from bbflow.errors import InputError, Problem
from bbflow.policies.adapters import add_adapter, load_adapter
from bbflow.policies.checkpointing import checkpoint_layers
from bbflow.policies.policy import Policy
from bbflow.policies.settings import PolicySettings


def load_policy(settings: PolicySettings) -> Policy:
    """Loads model and tokenizer as the settings say; the model is left in train mode.

    Raises:
        InputError: The settings are wrong, or the files cannot be loaded as a causal language model.
    """
    problems = settings.problems("policy")
    if problems:
        raise InputError(*problems)
    try:
        return _load(settings)
    except (OSError, ValueError, KeyError, ImportError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(Problem(f"'{settings.path}' cannot be loaded: {first_line}", "policy.path")) from error


def _load(settings: PolicySettings) -> Policy:
    from transformers import AutoTokenizer

    source, adapter_folder = settings.source, None
    if (Path(source) / "adapter_config.json").exists():
        adapter_folder = source
        source = str(json.loads((Path(source) / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"])
    remote = {"trust_remote_code": settings.trust_remote_code}
    tokenizer = AutoTokenizer.from_pretrained(adapter_folder or source, **remote)
    model = _model(source, settings)
    if model.get_input_embeddings().num_embeddings < len(tokenizer):
        raise ValueError(f"the tokenizer knows {len(tokenizer)} tokens, the model {model.get_input_embeddings().num_embeddings}")
    if adapter_folder:
        model = load_adapter(model, adapter_folder)
    if settings.adapter:
        if adapter_folder:
            raise ValueError("it is an adapter already; leave `adapter` null to go on training it")
        model = add_adapter(model, settings.adapter)
    if settings.gradient_checkpointing:
        checkpoint_layers(model)
    model.train()  # `from_pretrained` leaves a model in eval mode, and Lightning keeps it so
    eos_ids = _eos_ids(model, tokenizer)
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else eos_ids[0]
    return Policy(model, tokenizer, eos_ids, pad_id, fresh_adapter=settings.adapter is not None)


def _model(source: str, settings: PolicySettings) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    dtype = getattr(torch, settings.dtype)
    if settings.initialize == "random":
        config = AutoConfig.from_pretrained(source, trust_remote_code=settings.trust_remote_code)
        return AutoModelForCausalLM.from_config(config, trust_remote_code=settings.trust_remote_code).to(dtype)
    more = {} if settings.quantize is None else {"quantization_config": quantization(settings)}
    remote = settings.trust_remote_code
    return AutoModelForCausalLM.from_pretrained(source, dtype=dtype, use_safetensors=True, trust_remote_code=remote, **more)


def quantization(settings: PolicySettings) -> Any:
    """What bitsandbytes is told of a quantised base; see `PolicySettings.quantize`."""
    from transformers import BitsAndBytesConfig

    if settings.quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    compute = getattr(torch, settings.dtype)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute)


def _eos_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Collects every end mark that tokenizer, configuration and generation configuration name; the tokenizer's own first."""
    found: list[int] = []
    for holder in (tokenizer, model.config, getattr(model, "generation_config", None)):
        named = getattr(holder, "eos_token_id", None)
        for token in named if isinstance(named, (list, tuple)) else [named]:
            if token is not None and token not in found:
                found.append(int(token))
    if not found:
        raise ValueError("neither the tokenizer nor the configuration names an end-of-sequence token")
    return tuple(found)
