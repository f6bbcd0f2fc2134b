"""Rollout engines and the completions that they return."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from bbflow.errors import Problem
from bbflow.policies.policy import Policy, pad


@dataclass(frozen=True)
class Rollouts:
    """Completions of B prompts, G each; those of a prompt are neighbours, N = B * G.

    Attributes:
        prompt_ids_BP: Prompts, padded on the left.
        prompt_mask_BP: True on real tokens.
        completion_ids_NT: Completions with their end mark, padded on the right.
        completion_mask_NT: True on real tokens; made from lengths, never from the pad id.
        logprobs_NT: Log-probability of each sampled token at the sampling temperature; 0 where masked.
        truncated_N: True where the length limit came before an end mark.
        group_size: G.
    """

    prompt_ids_BP: Tensor
    prompt_mask_BP: Tensor
    completion_ids_NT: Tensor
    completion_mask_NT: Tensor
    logprobs_NT: Tensor
    truncated_N: Tensor
    group_size: int

    @property
    def lengths_N(self) -> Tensor:
        """Tokens per completion, end mark included."""
        return self.completion_mask_NT.sum(1)

    def widths(self) -> list[int]:
        """Return the tokens of each group: its prompt once, its completions as long as the longest of them."""
        longest_B = self.lengths_N.view(-1, self.group_size).max(1).values
        widths: list[int] = (self.prompt_mask_BP.sum(1) + self.group_size * longest_B).tolist()
        return widths

    def rows_of(self, groups: Tensor) -> Tensor:
        """Return the indices of the completions of some prompts, by the prompts' indices."""
        return (groups[:, None] * self.group_size + torch.arange(self.group_size, device=groups.device)).flatten()

    def groups(self, chosen: Tensor) -> Rollouts:
        """Return the rollouts of some prompts, by their indices."""
        rows = self.rows_of(chosen)
        completion = (self.completion_ids_NT[rows], self.completion_mask_NT[rows], self.logprobs_NT[rows], self.truncated_N[rows])
        return Rollouts(self.prompt_ids_BP[chosen], self.prompt_mask_BP[chosen], *completion, self.group_size)

    def replaced(self, chosen_B: Tensor, others: Rollouts) -> Rollouts:
        """Return the rollouts with the completions of chosen prompts (mask) exchanged for others of the same prompts."""
        rows_N, width = chosen_B.repeat_interleave(self.group_size), max(self.completion_ids_NT.shape[1], others.completion_ids_NT.shape[1])

        def exchanged(own_NT: Tensor, other_nT: Tensor) -> Tensor:
            wide_NT = F.pad(own_NT, (0, width - own_NT.shape[1]))
            wide_NT[rows_N] = F.pad(other_nT, (0, width - other_nT.shape[1]))
            return wide_NT

        truncated_N = self.truncated_N.clone()
        truncated_N[rows_N] = others.truncated_N
        return replace(
            self,
            completion_ids_NT=exchanged(self.completion_ids_NT, others.completion_ids_NT),
            completion_mask_NT=exchanged(self.completion_mask_NT, others.completion_mask_NT),
            logprobs_NT=exchanged(self.logprobs_NT, others.logprobs_NT),
            truncated_N=truncated_N,
        )

    def completions(self) -> list[list[int]]:
        """Return the token ids of each completion, without padding."""
        rows, lengths = self.completion_ids_NT.tolist(), self.lengths_N.tolist()
        return [row[:length] for row, length in zip(rows, lengths, strict=True)]


def concat_rollouts(parts: Sequence[Rollouts], pad_id: int) -> Rollouts:
    """Return the rollouts of several batches of prompts as one batch; they share their group size."""
    longest = max(part.prompt_ids_BP.shape[1] for part in parts)
    width = max(part.completion_ids_NT.shape[1] for part in parts)

    def left(name: str, fill: int) -> Tensor:
        return torch.cat([F.pad(t, (longest - t.shape[1], 0), value=fill) for t in (getattr(part, name) for part in parts)])

    def right(name: str, fill: int) -> Tensor:
        return torch.cat([F.pad(t, (0, width - t.shape[1]), value=fill) for t in (getattr(part, name) for part in parts)])

    return Rollouts(
        left("prompt_ids_BP", pad_id), left("prompt_mask_BP", False), right("completion_ids_NT", pad_id),
        right("completion_mask_NT", False), right("logprobs_NT", 0), torch.cat([part.truncated_N for part in parts]), parts[0].group_size,
    )  # fmt: skip


def rollouts_from_responses(
    prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], pad_id: int, device: torch.device | None = None
) -> Rollouts:
    """Return responses that were written and not sampled, one per prompt, in the form of rollouts.

    >>> rollouts_from_responses([[5, 6], [7]], [[8], [9, 10]], 0).completions()
    [[8], [9, 10]]
    """
    ids_NT, mask_NT = pad(responses, pad_id, "right", device)
    none_NT, whole_N = torch.zeros(ids_NT.shape, device=device), torch.zeros(len(ids_NT), dtype=torch.bool, device=device)
    return Rollouts(*pad(prompts, pad_id, "left", device), ids_NT, mask_NT, none_NT, whole_N, group_size=1)


class RolloutEngine(ABC):
    """A sampler of completions from a policy. Subclass it to add your own; a recipe names it by `class_path`.

    Attributes:
        group_size: Completions per prompt, G.
        max_new_tokens: Longest completion, in tokens.
        temperature: Divides the logits before sampling; the same value divides them wherever log-probabilities are compared.
    """

    group_size: int
    max_new_tokens: int
    temperature: float

    @abstractmethod
    def generate(
        self,
        policy: Policy,
        prompts: Sequence[Sequence[int]],
        *,
        group_size: int | None = None,
        generator: torch.Generator | None = None,
        greedy: bool = False,
    ) -> Rollouts:
        """Complete every prompt `group_size` times.

        Args:
            policy: Policy to sample from; its mode (train or eval) is left unchanged.
            prompts: B lists of token ids.
            group_size: G; the engine's setting where None.
            generator: Source of randomness on the policy's device; the global one where None.
            greedy: Take the likeliest token instead of sampling.
        """

    def prepare(self, policy: Policy) -> None:  # noqa: B027 (most engines have nothing to do)
        """Check the policy once it is loaded, and prepare for it.

        Raises:
            InputError: The engine cannot sample from this policy.
        """

    def problems(self, where: str) -> list[Problem]:
        """List the problems of the settings; `where` is their key in the recipe."""
        found = []
        if self.group_size < 1:
            found.append(Problem(f"group_size must be at least 1, not {self.group_size}", f"{where}.group_size"))
        if self.max_new_tokens < 1:
            found.append(Problem(f"max_new_tokens must be at least 1, not {self.max_new_tokens}", f"{where}.max_new_tokens"))
        if not 0 < self.temperature < float("inf"):
            found.append(Problem(f"the temperature must be positive, not {self.temperature}", f"{where}.temperature"))
        return found
