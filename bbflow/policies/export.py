"""Export a checkpoint to a folder that transformers loads: adapter or merged, safetensors, with the same logits."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bbflow.errors import InputError, Problem, Refused
from bbflow.io.checksums import file_sha256
from bbflow.policies.loading import load_policy
from bbflow.policies.policy import Policy, eval_mode
from bbflow.policies.settings import PolicySettings
from bbflow.records import Message

TOLERANCE = 1e-4
"""Largest difference of a logit that a float32 export may show."""
_PROBES = ("Which drug treats hypertension?", "Answer with one word.", "A patient of 60 years takes warfarin. May aspirin be given?")


def restore(settings: PolicySettings, weights: Mapping[str, torch.Tensor], where: str) -> Policy:
    """Load the policy at the start of the run, then the checkpoint's weights.

    Raises:
        InputError: The weights are those of another architecture.
    """
    policy = load_policy(settings)
    try:
        policy.model.load_state_dict(weights)
    except RuntimeError as error:
        why = textwrap.shorten(str(error).splitlines()[-1], 160, placeholder=" ...")  # it may name every tensor
        raise InputError(Problem(f"the weights do not fit '{settings.path}': {why}", where)) from None
    return policy


def is_adapter(policy: Policy) -> bool:
    """Return whether a policy is a base model with an adapter."""
    return hasattr(policy.model, "peft_config")


def save_policy(policy: Policy, folder: Path, merge: bool) -> float:
    """Write model and tokenizer, load them again and compare the logits.

    Args:
        policy: The policy. With `merge` its adapter is folded into its weights.
        folder: Target folder.
        merge: Fold an adapter in; without one there is nothing to fold.

    Returns:
        The largest difference of a logit between the policy and its export.

    Raises:
        Refused: A float32 export differs by more than `TOLERANCE`.
    """
    from transformers import AutoModelForCausalLM

    before = _logits(policy, policy.model)
    model = policy.model.merge_and_unload() if merge and is_adapter(policy) else policy.model
    model.save_pretrained(str(folder))
    policy.tokenizer.save_pretrained(str(folder))
    # Load the files as a user would: transformers loads some adapters (DoRA) incorrectly, without a warning.
    written = AutoModelForCausalLM.from_pretrained(str(folder), dtype=model.dtype)
    difference = max(float((a - b).abs().max()) for a, b in zip(before, _logits(policy, written), strict=True))
    if model.dtype == torch.float32 and not difference <= TOLERANCE:
        hint = "" if merge or not is_adapter(policy) else "; transformers cannot load this kind of adapter: use --merge"
        raise Refused(f"the exported policy gives other logits than the checkpoint, by up to {difference:.2g}{hint}")
    return difference


def base_folder(folder: Path) -> Path | None:
    """Return the local folder that an adapter names as its base; None without an adapter, or where it names a Hub id."""
    config = folder / "adapter_config.json"
    base = Path(json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"]) if config.is_file() else None
    return base if base is not None and base.is_dir() else None


def weights_sha256(folder: Path) -> dict[str, str]:
    """Return the hash of each file of weights in a folder, by name."""
    return {path.name: file_sha256(path) for path in sorted(folder.glob("*.safetensors"))}


@torch.no_grad()
def _logits(policy: Policy, model: Any) -> list[torch.Tensor]:
    with eval_mode(model):
        rows = [policy.prompt_ids([Message(role="user", content=text)]) for text in _PROBES]
        return [model(input_ids=torch.tensor([ids], device=model.device)).logits.float().cpu() for ids in rows]
