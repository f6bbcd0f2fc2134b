"""The capability Jacobian of a batch of completions: one backward pass where the policy allows it, K where it does not.

The prompt of a group runs once. Its completions start from copies of its keys and values, cut off from the graph. The gradients of the
copies, weighted and summed over the group, are the gradient of capability k at the end of the prompt, and K short backward passes over the
prompts alone complete it.

The gradient of a token under a clipped loss depends on the sign of its advantage and on nothing else of the capability, so that two
backward passes, one per sign, are exact off-policy for any number of capabilities; one is enough on-policy and for stop-gradient weights
(CISPO).

Dimensions: K capabilities, N completions in groups of G, P and T tokens of the padded prompts and completions, n completions in a chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from bbflow.optimization.jacobian import Jacobian, capture, unsupported
from bbflow.policies.logprobs import Prompts, completion_logprobs
from bbflow.policies.rollouts.base import Rollouts

Mode = Literal["factored", "k_backward"]
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}
"""Largest relative difference between captured and differentiated rows with which rows are captured, by the parameters' precision."""


@dataclass(frozen=True)
class TokenWeights:
    """Factors of grad log p of each token, for an advantage of 1: the shape of a loss, without its advantage.

    Attributes:
        of: From log-probabilities [n, T] (no gradient), indices of the completions [n] and the sign of the advantage, to factors [n, T], 0
            where a token does not count.
        signed: Whether the factors depend on the sign.
    """

    of: Callable[[Tensor, Tensor, int], Tensor]
    signed: bool = False

    @property
    def signs(self) -> tuple[int, ...]:
        """Signs that need a backward pass each; 0: one for both."""
        return (1, -1) if self.signed else (0,)


def every_token(rollouts: Rollouts) -> TokenWeights:
    """Return the weights of a loss in which every token counts the same: log-likelihood, weighted by the advantages."""
    return TokenWeights(lambda logprobs_nT, rows_n, _: rollouts.completion_mask_NT[rows_n, : logprobs_nT.shape[1]].to(logprobs_nT))


@dataclass(frozen=True)
class Regularizer:
    """Terms of a loss that belong to no capability (KL penalty, entropy bonus), with a separate row.

    Attributes:
        row: Its row in the Jacobian.
        of: From log-probabilities [n, T] (no gradient) and indices of the completions [n] to factors of grad log p, [n, T].
    """

    row: int
    of: Callable[[Tensor, Tensor], Tensor]


def add_rows(
    jacobian: Jacobian,
    rows: slice,
    model: Any,
    rollouts: Rollouts,
    parts_KN: Tensor,
    factors: TokenWeights,
    *,
    temperature: float = 1.0,
    mode: Mode = "factored",
    regularizer: Regularizer | None = None,
) -> Tensor:
    """Add the gradient of each capability's objective, an ascent direction, summed over the tokens of a batch.

    Row k is sum_i A_ki sum_t c_it grad log p_it, with the factors c of the loss for the sign of A_ki.

    Args:
        jacobian: Gradients are added here.
        rows: The K rows that they go to.
        model: The policy, dropout off.
        rollouts: Completions with their prompts.
        parts_KN: Advantage of each completion for each capability, 0 where it abstains.
        factors: The shape of the loss.
        temperature: At which the completions were sampled.
        mode: See `choose_mode`.
        regularizer: Its gradient is added to a row of its own, for one more backward pass.

    Returns:
        [N, T] log-probabilities of the completions, without gradient.
    """
    parts_KN = parts_KN.to(jacobian.rows_RP)
    if mode == "k_backward":
        return _k_backward_passes(jacobian, rows, model, rollouts, parts_KN, factors, temperature, regularizer)
    prompts = Prompts(model, rollouts.prompt_ids_BP, rollouts.prompt_mask_BP, rollouts.completion_ids_NT)
    shared = prompts.can_be_shared(rollouts.group_size)
    if shared:
        prompts.read()
    kinds = len(parts_KN) + (regularizer is not None)
    sent_back = [torch.zeros(kinds, *s.shape, dtype=jacobian.rows_RP.dtype, device=s.device) for s in prompts.states]
    logprobs_NT = torch.zeros(rollouts.completion_ids_NT.shape, dtype=parts_KN.dtype, device=parts_KN.device)
    with capture(model, jacobian) as tap:
        for chunk in prompts.chunks(rollouts.completion_mask_NT, rollouts.group_size):
            leaves = [s.detach().requires_grad_() for s in prompts.states_of(chunk)]
            chunk_logprobs = prompts.logprobs(chunk, leaves if shared else None, temperature)
            logprobs_NT[chunk.rows_n, : chunk.width] = chunk_logprobs.detach().to(logprobs_NT)
            passes = _passes(chunk_logprobs.detach(), chunk.rows_n, parts_KN, rows, factors, regularizer)
            for number, (factor_nT, part, own_rows, kind) in enumerate(passes):
                scalar = (factor_nT * chunk_logprobs).sum()
                gradients = tap.backward(scalar, part, own_rows, leaves, retain_graph=number < len(passes) - 1)
                _sum_over_groups([total[kind] for total in sent_back], gradients, part, chunk.prompt_n)
    if shared:
        numbers = [*range(len(jacobian.rows_RP))[rows], *([] if regularizer is None else [regularizer.row])]
        _through_prompts(jacobian, numbers, prompts.states, sent_back)
    return logprobs_NT


def exact_mode(model: Any, rollouts: Rollouts, *, temperature: float = 1.0) -> tuple[Mode, str]:
    """Return how the rows of a model are formed, and the reason.

    Captured rows are compared with differentiated ones on the shortest group, which finds a model that uses a weight outside its layer.
    """
    strangers = unsupported(model)
    if strangers:
        more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        return "k_backward", f"{strangers[0]}{more}: no plain linear layer, embedding or norm"
    error, tolerance = _capture_error(model, rollouts, temperature)
    if not error <= tolerance:
        return "k_backward", f"captured rows differ from differentiated ones by {error:.1e}, more than {tolerance:.0e}"
    return "factored", f"captured rows agree with differentiated ones to {error:.1e}"


def _capture_error(model: Any, rollouts: Rollouts, temperature: float) -> tuple[float, float]:
    """Return the relative difference between captured and differentiated rows on one group, and its tolerance."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    some = rollouts.groups(rollouts.lengths_N.unflatten(0, (-1, rollouts.group_size)).sum(1).argmin()[None])
    parts_KN = torch.linspace(-1, 1, 2 * rollouts.group_size, device=some.prompt_ids_BP.device).view(2, -1)
    factors = every_token(some)
    found, expected = Jacobian(parameters, 2), Jacobian(parameters, 2)
    add_rows(found, slice(0, 2), model, some, parts_KN, factors, temperature=temperature)
    add_rows(expected, slice(0, 2), model, some, parts_KN, factors, temperature=temperature, mode="k_backward")
    scale = float(expected.rows_RP.norm())
    device = parameters[0].device.type
    precision = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else parameters[0].dtype
    return (float((found.rows_RP - expected.rows_RP).norm()) / scale if scale else 0.0), TOLERANCE[precision]


def _passes(
    logprobs_nT: Tensor, rows_n: Tensor, parts_KN: Tensor, rows: slice, factors: TokenWeights, regularizer: Regularizer | None
) -> list[tuple[Tensor, Tensor, slice, slice]]:
    """Return the backward passes of a chunk: factors, weights of the samples, rows of the Jacobian, and rows of the prompt gradients."""
    passes = []
    for sign in factors.signs:
        part_Kn = _of_sign(parts_KN[:, rows_n], sign)
        if part_Kn.any():
            passes.append((factors.of(logprobs_nT, rows_n, sign), part_Kn, rows, slice(0, len(parts_KN))))
    if regularizer is not None:
        everyone = parts_KN.new_ones(1, len(rows_n))
        own = slice(regularizer.row, regularizer.row + 1)
        passes.append((regularizer.of(logprobs_nT, rows_n), everyone, own, slice(len(parts_KN), len(parts_KN) + 1)))
    return passes


def _sum_over_groups(totals: list[Tensor], gradients: list[Tensor], part_Kn: Tensor, prompt_n: Tensor) -> None:
    """Add the weighted gradients that completions send into their prompts, for every capability by one product: [K b, n] @ [n, rest]."""
    prompts, place_n = prompt_n.unique(return_inverse=True)
    own_bn = (torch.arange(len(prompts), device=place_n.device)[:, None] == place_n).to(part_Kn.dtype)
    weights = (part_Kn[:, None, :] * own_bn[None]).flatten(0, 1)
    with torch.autocast(weights.device.type, enabled=False):  # the sum keeps the precision of the rows
        for total, gradient in zip(totals, gradients, strict=True):
            total[:, prompts] += (weights @ gradient.to(weights.dtype).flatten(1)).view(len(part_Kn), len(prompts), *gradient.shape[1:])


def _of_sign(parts_Kn: Tensor, sign: int) -> Tensor:
    return parts_Kn if sign == 0 else parts_Kn.clamp(min=0) if sign > 0 else parts_Kn.clamp(max=0)


def _through_prompts(jacobian: Jacobian, rows: list[int], states: list[Tensor], sent_back: list[Tensor]) -> None:
    """Add one backward pass over the prompts alone for each row; a row without a gradient there needs none."""
    alive = {row: k for k, row in enumerate(rows) if any(bool(total[k].any()) for total in sent_back)}
    _add_backward_passes(jacobian, list(alive), states, lambda row: [total[alive[row]] for total in sent_back])


def _k_backward_passes(
    jacobian: Jacobian,
    rows: slice,
    model: Any,
    rollouts: Rollouts,
    parts_KN: Tensor,
    factors: TokenWeights,
    temperature: float,
    regularizer: Regularizer | None,
) -> Tensor:
    """Differentiate every capability's objective separately: right for any model, at K times the cost."""
    prompts, completions = (rollouts.prompt_ids_BP, rollouts.prompt_mask_BP), (rollouts.completion_ids_NT, rollouts.completion_mask_NT)
    logprobs_NT = completion_logprobs(model, *prompts, *completions, group_size=rollouts.group_size, temperature=temperature)
    now_NT, every = logprobs_NT.detach(), torch.arange(len(logprobs_NT), device=logprobs_NT.device)
    factor_NT = {sign: factors.of(now_NT, every, sign) for sign in factors.signs}
    weights_NT = {
        row: sum((_of_sign(part_N, sign)[:, None] * factor for sign, factor in factor_NT.items()), torch.zeros_like(now_NT))
        for row, part_N in zip(range(len(jacobian.rows_RP))[rows], parts_KN, strict=True)
    }
    if regularizer is not None:
        weights_NT[regularizer.row] = regularizer.of(now_NT, every)
    _add_backward_passes(jacobian, list(weights_NT), [logprobs_NT], lambda row: [weights_NT[row]])
    return now_NT


def _add_backward_passes(jacobian: Jacobian, rows: list[int], outputs: list[Tensor], cotangents_of: Callable[[int], list[Tensor]]) -> None:
    """Add to each row the gradient of the outputs, weighted by the row's cotangents: one backward pass per row."""
    for number, row in enumerate(rows):
        cotangents = [cotangent.to(output.dtype) for output, cotangent in zip(outputs, cotangents_of(row), strict=True)]
        gradients = torch.autograd.grad(outputs, jacobian.parameters, cotangents, retain_graph=number < len(rows) - 1, allow_unused=True)
        jacobian.add(row, gradients)
