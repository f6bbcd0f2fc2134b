"""Loading of a policy from a folder or the Hub: safetensors only, never pickle."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from safetensors import SafetensorError

from bbflow.errors import InputError, Problem
from bbflow.policies.adapters import add_adapter, load_adapter
from bbflow.policies.gradient_checkpointing import checkpoint_layers
from bbflow.policies.policy import Policy, eval_mode
from bbflow.policies.settings import PolicySettings

_NOISE = 0.01
"""Of the spread of logits. Models that look ahead differ by 0.06 at random weights; causal ones by 0, in bfloat16 too."""


def load_policy(settings: PolicySettings) -> Policy:
    """Load model and tokenizer as the settings say; the model is left in train mode.

    Raises:
        InputError: The settings are wrong, or the files cannot be loaded as a causal language model.
    """
    problems = settings.problems("policy") or hub_problems(settings.source, "policy.path")
    if problems:
        raise InputError(*problems)
    try:
        return _load(settings)
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(Problem(f"'{settings.path}' cannot be loaded: {first_line}", "policy.path")) from error


def hub_problems(source: str, where: str) -> list[Problem]:
    """Report a Hub id that is not cached while the Hub cannot be reached; transformers would retry for minutes."""
    from huggingface_hub import HfApi, constants, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    kept = (try_to_load_from_cache(source, name) for name in ("config.json", "adapter_config.json") if not Path(source).is_dir())
    if Path(source).is_dir() or constants.HF_HUB_OFFLINE or any(isinstance(path, str) for path in kept):
        return []
    try:
        HfApi().model_info(source, timeout=10)
    except HfHubHTTPError:  # the Hub has answered: loading reports the problem of the id
        return []
    except Exception as error:  # any error of the transport
        what = f"'{source}' is not on this machine, and the Hub cannot be reached: {error}"
        return [Problem(what, where, "download it where there is a network, or name a folder")]
    return []


def _load(settings: PolicySettings) -> Policy:
    from transformers import AutoTokenizer

    source, adapter_folder = settings.source, None
    if (Path(source) / "adapter_config.json").exists():
        adapter_folder = source
        source = str(json.loads((Path(source) / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"])
    remote = {"trust_remote_code": settings.trust_remote_code}
    tokenizer = AutoTokenizer.from_pretrained(adapter_folder or source, **remote)
    model = _model(source, settings)
    if not is_causal(model):
        raise ValueError(f"{type(model).__name__} reads what comes after a token before it predicts it (an encoder?), so it cannot write")
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
    more |= {"use_safetensors": True, "trust_remote_code": settings.trust_remote_code, "output_loading_info": True}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(source, dtype=dtype, **more)
    except RuntimeError as error:  # weights of other shapes
        raise ValueError(" ".join(str(error).split())) from error
    model, found = loaded
    # Missing weights would be initialised at random, and surplus layers ignored, both without an error.
    lacking, layers = set(found["missing_keys"]), {_unnumbered(name) for name, _ in model.named_parameters()}
    surplus = {key for key in found["unexpected_keys"] if _unnumbered(key) in layers}
    for keys, what in ((lacking, "the weights lack"), (surplus, "the configuration has no place for")):
        if keys:
            raise ValueError(f"{what} {len(keys)} of the parameters, such as {min(keys)}")
    if found["unexpected_keys"]:
        left = sorted(found["unexpected_keys"])
        rank_zero_warn(f"'{source}': {len(left)} tensors are no part of a causal language model and are left out, such as {left[0]}")
    return model


def _unnumbered(name: str) -> str:
    """Return a parameter's name without layer numbers."""
    return re.sub(r"(?<=\.)\d+(?=\.)", "N", name)


@torch.no_grad()
def is_causal(model: Any) -> bool:
    """Return whether a token's prediction is independent of the tokens after it, by a trial."""
    ids = torch.tensor([[0, 0], [0, 1]], device=next(model.parameters()).device)
    with eval_mode(model):
        one, other = model(ids).logits[:, 0].float()
    return not bool((one - other).abs().max() > _NOISE * one.std())  # numbers that are not finite are reported elsewhere


def quantization(settings: PolicySettings) -> Any:
    """Return the `BitsAndBytesConfig` of a quantised base model; see `PolicySettings.quantize`."""
    from transformers import BitsAndBytesConfig

    if settings.quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    compute = getattr(torch, settings.dtype)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute)


def _eos_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Collect every end mark that tokenizer, configuration and generation configuration name; the tokenizer's own first."""
    found: list[int] = []
    for holder in (tokenizer, model.config, getattr(model, "generation_config", None)):
        named = getattr(holder, "eos_token_id", None)
        for token in named if isinstance(named, (list, tuple)) else [named]:
            if token is not None and token not in found:
                found.append(int(token))
    if not found:
        raise ValueError("neither the tokenizer nor the configuration names an end-of-sequence token")
    return tuple(found)
