"""LoRA adapters through peft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem
from bbflow.policies.settings import LoraSettings


def add_adapter(model: Any, settings: LoraSettings) -> Any:
    """Freeze a model and wrap it with a new, trainable adapter, which has no effect yet: its second factor is 0.

    Raises:
        InputError: The model has no such modules.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # peft computes with floats although it annotates int
        lora_dropout=settings.dropout,
        target_modules=settings.target_modules,
        use_dora=settings.use_dora,
        use_rslora=settings.use_rslora,
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise InputError(Problem(str(error).partition(". Please")[0], "policy.adapter.target_modules")) from error


def load_adapter(model: Any, folder: str) -> Any:
    """Wrap a model with an adapter that was trained before, trainable again.

    Raises:
        ValueError: The files lack weights of the adapter, or are of another model.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    try:
        wrapped = PeftModel.from_pretrained(model, folder, is_trainable=True)
    except RuntimeError as error:  # weights of other shapes
        raise ValueError(f"the adapter does not fit its base: {' '.join(str(error).split())}") from error
    with safe_open(Path(folder) / "adapter_model.safetensors", "pt") as file:
        kept = set(file.keys())
    wanted = set(get_peft_model_state_dict(wrapped))
    for keys, what in ((wanted - kept, "the adapter's weights lack"), (kept - wanted, "the base has no place for")):
        if keys:
            raise ValueError(f"{what} {len(keys)} of its parameters, such as {min(keys)}")
    return wrapped
