"""Sampling from a policy, shared by the stages of curation that use a language model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from bbflow.errors import Problem
from bbflow.records import Message

if TYPE_CHECKING:
    from bbflow.policies import Policy


class PolicySampler:
    """Sample completions of a policy, deterministic in prompts and seed; the policy is loaded on first use.

    Args:
        path: `tiny`, a folder or a Hub id.
        tries: Completions of each prompt.
        temperature: Sampling temperature.
        max_new_tokens: Longest completion.
        batch_size: Prompts of one batch.
    """

    def __init__(self, path: str, tries: int, temperature: float, max_new_tokens: int, batch_size: int) -> None:
        self.path, self.tries, self.temperature = path, tries, temperature
        self.max_new_tokens, self.batch_size = max_new_tokens, batch_size

    def problems(self, where: str) -> list[Problem]:
        """List settings that yield no completion, and the mistakes in the path."""
        from bbflow.policies.settings import PolicySettings

        least = {"tries": self.tries, "max_new_tokens": self.max_new_tokens, "batch_size": self.batch_size}
        found = [Problem(f"{name} must be at least 1, not {value}", where) for name, value in least.items() if value < 1]
        found += PolicySettings(self.path).problems(where)
        return found if self.temperature > 0 else [*found, Problem(f"the temperature must be above 0, not {self.temperature}", where)]

    @cached_property
    def _policy(self) -> Policy:
        from bbflow.policies.loading import load_policy
        from bbflow.policies.settings import PolicySettings

        policy = load_policy(PolicySettings(self.path))
        policy.model.eval()
        return policy

    def __call__(self, prompts: Sequence[Sequence[Message]], seed: int) -> list[list[str]]:
        """Return `tries` completions of each prompt."""
        import torch

        from bbflow.policies.rollouts.transformers_rollout import TransformersRollout

        engine = TransformersRollout(self.tries, self.max_new_tokens, self.temperature)
        found: list[list[str]] = []
        for start in range(0, len(prompts), self.batch_size):
            ids = [self._policy.prompt_ids(prompt) for prompt in prompts[start : start + self.batch_size]]
            generator = torch.Generator(self._policy.device).manual_seed(seed * 1_000_003 + start)
            rollouts = engine.generate(self._policy, ids, generator=generator)
            texts = self._policy.texts(rollouts.completions())
            found += [texts[i : i + self.tries] for i in range(0, len(texts), self.tries)]
        return found
