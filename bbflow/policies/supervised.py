"""Log-probabilities of given responses, for supervised training: logits are computed at the supervised tokens alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_RESHAPED_LOGITS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")
"""Settings by which some architectures change the logits after the head; those run in full."""


def supervised_logprobs(model: Any, ids_NL: Tensor, supervised_NL: Tensor) -> Tensor:
    """Log-probability of every supervised token given all tokens before it, with gradient.

    Rows are padded on the right, so that causal attention hides the padding by itself and no mask is needed, which lets the
    attention kernels take their fastest way. The head runs on the supervised positions only: a vocabulary-sized row for each
    prompt token is never made.

    Args:
        model: A causal language model.
        ids_NL: Prompt, response and padding.
        supervised_NL: True on response tokens; False in the first column.

    Returns:
        [N, L] float32 log-probabilities in nats, 0 where the mask is False.
    """
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    predicts_NL = supervised_NL[:, 1:]
    if any(getattr(inner.config, name, None) not in (None, 1.0) for name in _RESHAPED_LOGITS):
        logits_SV = model(input_ids=ids_NL, use_cache=False).logits[:, :-1][predicts_NL]
    else:
        hidden_NLD = inner.get_decoder()(input_ids=ids_NL, use_cache=False).last_hidden_state
        logits_SV = inner.get_output_embeddings()(hidden_NLD[:, :-1][predicts_NL])
    logprobs_S = -F.cross_entropy(logits_SV.float(), ids_NL[:, 1:][predicts_NL], reduction="none")
    return torch.zeros(supervised_NL.shape, dtype=torch.float32, device=ids_NL.device).masked_scatter(supervised_NL, logprobs_S)
