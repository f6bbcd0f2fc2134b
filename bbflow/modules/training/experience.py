"""Experience of a batch of prompts: completions and their rewards; groups without any signal are sampled again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from bbflow.capabilities import Capability
from bbflow.capabilities.mix import groups_with_variance, mixed
from bbflow.io.atomic import atomic_write
from bbflow.modules.training.metric_sums import MetricSums
from bbflow.optimization.advantages import Advantages, any_alive, group_statistics, groups_with_spread
from bbflow.policies import Policy
from bbflow.policies.rollouts import Rollouts
from bbflow.records import Example
from bbflow.rewards.base import Score


@dataclass(frozen=True)
class RolloutRecord:
    """Rollouts of one training step as text, for logs and reports; N completions, those of an example are neighbours.

    Attributes:
        examples: Example of each completion.
        completions: Texts, special tokens removed.
        rewards: Capability to N rewards, NaN where it abstained.
        advantages: N combined advantages.
        truncated: Whether the length limit came before an end mark.
    """

    examples: list[Example]
    completions: list[str]
    rewards: dict[str, list[float]]
    advantages: list[float]
    truncated: list[bool]

    def write(self, path: Path, step: int) -> None:
        """Write a Parquet file with one row per completion; a reader never sees a half-written one.

        Columns: step, example_id, prompt, completion, proof (the graph's edges), `reward_<capability>` (empty where it abstained),
        advantage, truncated.
        """
        import pandas as pd

        columns = {
            "step": step,
            "example_id": [example.example_id for example in self.examples],
            "prompt": [example.prompt for example in self.examples],
            "completion": self.completions,
            "proof": ["; ".join(" ".join(edge) for edge in example.edges) for example in self.examples],
            **{f"reward_{name}": pd.array(values, dtype="float64") for name, values in self.rewards.items()},
            "advantage": self.advantages,
            "truncated": self.truncated,
        }
        with atomic_write(path) as draft:
            pd.DataFrame(columns).to_parquet(draft, index=False)


@dataclass
class Experience:
    """Completions of a batch with their rewards; N = B * G completions.

    Attributes:
        rollouts: The completions.
        examples: Example of each completion.
        completions: Their texts.
        parts: Capability to the scores of each of its rewards alone.
        names: Names of the K capabilities, in the order of `rewards_KN`.
        rewards_KN: Rewards, float64, NaN where a capability abstains.
        tokens: Tokens generated, including those of groups that were sampled again.
        resampled: Number of groups that were sampled again, each time counted.
        seconds: Time spent on sampling (`rollout`) and on scoring (`reward`).
        old_NT: Log-probabilities that later updates are compared with; None before the first update, unless those of the engine are used.
        reference_NT: Log-probabilities under the reference; None without a KL penalty, or before the first update.
    """

    rollouts: Rollouts
    examples: list[Example]
    completions: list[str]
    parts: dict[str, dict[str, list[Score]]]
    names: tuple[str, ...]
    rewards_KN: Tensor
    tokens: int = 0
    resampled: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {"rollout": 0.0, "reward": 0.0})
    old_NT: Tensor | None = None
    reference_NT: Tensor | None = None

    def record(self, advantages: Advantages) -> RolloutRecord:
        """Return the texts and numbers that logs and reports keep."""
        rewards = dict(zip(self.names, self.rewards_KN.tolist(), strict=True))
        truncated = self.rollouts.truncated_N.tolist()
        return RolloutRecord(self.examples, self.completions, rewards, advantages.combined_N.tolist(), truncated)

    def add_to(self, sums: MetricSums) -> None:
        """Add the metrics of the completions; `tokens` and `resampled` are counts, of which no mean is taken."""
        rollouts, mask_NT = self.rollouts, self.rollouts.completion_mask_NT
        count = len(rollouts.truncated_N)
        sums.add("train/completion_length", rollouts.lengths_N.sum(), count)
        sums.add("train/truncated", rollouts.truncated_N.sum(), count)
        sums.add("train/entropy", -rollouts.logprobs_NT.double().sum(), mask_NT.sum())
        for kind, seconds in self.seconds.items():
            sums.add(f"train/{kind}_seconds", seconds, 1)
        sums.add("tokens", self.tokens, 0)
        sums.add("resampled", self.resampled, 0)

    def groups_with_variance(self) -> Tensor:
        """Return [rewards of all capabilities in order, 2]: groups in which each reward varies, and groups that it judges."""
        counts = [groups_with_variance(row, self.rollouts.group_size) for parts in self.parts.values() for row in parts.values()]
        return torch.tensor(counts, dtype=torch.float64)


def gather_experience(
    policy: Policy,
    sample: Callable[[list[Example], int], Rollouts],
    capabilities: Mapping[str, Capability],
    examples: list[Example],
    resample: int = 0,
) -> Experience:
    """Sample and score G completions per example; sample a group again in which no capability varies.

    A group is alive as long as some capability with a weight varies in it, even where the sum is flat (DAPO's dynamic sampling, arXiv
    2503.14476, looks at a single reward). The same prompt is tried again, so that a batch keeps its prompts and ranks need not wait for
    one another; a group that is still dead after the last attempt stays.

    Args:
        policy: Turns tokens into texts.
        sample: Completes examples; the second argument is the number of the attempt, from 0.
        capabilities: Their rewards score.
        examples: B examples.
        resample: Most further attempts.
    """
    weights_K = torch.tensor([capability.weight for capability in capabilities.values()], dtype=torch.float64)
    result = _attempt(policy, sample, capabilities, examples, 0)
    for attempt in range(1, resample + 1):
        _, std_KN = group_statistics(result.rewards_KN, result.rollouts.group_size)
        dead_B = ~any_alive(groups_with_spread(std_KN, result.rollouts.group_size), weights_K)
        if not dead_B.any():
            break
        chosen = [examples[i] for i in dead_B.nonzero()[:, 0].tolist()]
        result = _replaced(result, dead_B, _attempt(policy, sample, capabilities, chosen, attempt))
    return result


def _attempt(
    policy: Policy,
    sample: Callable[[list[Example], int], Rollouts],
    capabilities: Mapping[str, Capability],
    examples: list[Example],
    number: int,
) -> Experience:
    started = time.perf_counter()
    rollouts = sample(examples, number)
    sampled = time.perf_counter()
    repeated = [example for example in examples for _ in range(rollouts.group_size)]
    completions = policy.texts(rollouts.completions())
    parts = {name: capability.parts(name, repeated, completions) for name, capability in capabilities.items()}
    rewards_KN = torch.stack([_rewards(mixed(parts[name], capability.mixture.weights())) for name, capability in capabilities.items()])
    seconds = {"rollout": sampled - started, "reward": time.perf_counter() - sampled}
    tokens = int(rollouts.completion_mask_NT.sum())
    return Experience(rollouts, repeated, completions, parts, tuple(capabilities), rewards_KN, tokens, seconds=seconds)


def _replaced(before: Experience, dead_B: Tensor, again: Experience) -> Experience:
    """Return the experience with its dead groups exchanged for those of a further attempt."""
    rows_N = dead_B.repeat_interleave(before.rollouts.group_size)
    rows = rows_N.nonzero()[:, 0].tolist()
    for place, new in zip(rows, range(len(rows)), strict=True):
        before.completions[place] = again.completions[new]
        for name, parts in before.parts.items():
            for part, scores in parts.items():
                scores[place] = again.parts[name][part][new]
    before.rewards_KN[:, rows_N] = again.rewards_KN
    before.rollouts = before.rollouts.replaced(dead_B.to(before.rollouts.truncated_N.device), again.rollouts)
    before.tokens += again.tokens
    before.resampled += int(dead_B.sum())
    before.seconds = {kind: seconds + again.seconds[kind] for kind, seconds in before.seconds.items()}
    return before


def _rewards(scores: list[Score]) -> Tensor:
    """Return [N] rewards, NaN where a score is None."""
    return torch.tensor([math.nan if score is None else score for score in scores], dtype=torch.float64)


def update_reward_mixes(capabilities: Mapping[str, Capability], counts_R2: Tensor) -> None:
    """Update each capability's reward mix with the share of groups, over all ranks, in which each reward varied.

    Args:
        capabilities: By name.
        counts_R2: Result of `Experience.groups_with_variance`, summed over ranks.
    """
    rows = iter(counts_R2.tolist())
    for capability in capabilities.values():
        counts = {part: next(rows) for part in capability.rewards}
        capability.mixture.observe({part: apart / judged for part, (apart, judged) in counts.items() if judged})


def reward_metrics(names: Sequence[str], rewards_KN: Tensor, advantages: Advantages) -> dict[str, float]:
    """Return the reward metrics of each capability, by name; a capability without a scored completion is left out."""
    values = {"train/dead_groups": 1 - float(advantages.alive_G.double().mean())}
    for name, rewards_N, alive_G in zip(names, rewards_KN, advantages.alive_KG, strict=True):
        judged = rewards_N[~rewards_N.isnan()]
        if len(judged):
            values[f"train/reward/{name}"] = float(judged.mean())
            values[f"train/reward_std/{name}"] = float(judged.std(correction=0))
            values[f"train/signal/{name}"] = float(alive_G.double().mean())
    return values
