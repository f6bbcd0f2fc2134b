from types import SimpleNamespace

import pytest
import torch

from bbflow.capabilities import Capability, DynamicMix
from bbflow.modules.training.experience import gather_experience, update_reward_mixes
from bbflow.policies.policy import pad
from bbflow.policies.rollouts import Rollouts
from bbflow.rewards.base import Reward

POLICY = SimpleNamespace(texts=lambda completions: [" ".join(map(str, ids)) for ids in completions])


class Length(Reward):
    """Pays for tokens."""

    def __call__(self, examples, completions):
        return [len(text.split()) / 10 for text in completions]


class Starts(Reward):
    """Pays for a first token of 9."""

    def __call__(self, examples, completions):
        return [float(text.startswith("9")) for text in completions]


def sampler(attempts):
    """Groups of two, by example and attempt; also what was asked for."""
    asked = []

    def sample(examples, attempt):
        asked.append((attempt, [e.example_id for e in examples]))
        rows = [row for e in examples for row in attempts[attempt][e.example_id]]
        ids, mask = pad(rows, 0, "right")
        prompts = pad([[1]] * len(examples), 0, "left")
        return Rollouts(*prompts, ids, mask, -ids.float(), torch.tensor([len(r) > 3 for r in rows]), 2)

    return sample, asked


def gather(attempts, examples, capabilities, resample):
    sample, asked = sampler(attempts)
    return gather_experience(POLICY, sample, capabilities, examples, resample), asked


def capability(*rewards, **changes):
    return Capability(rewards[0], {type(r).__name__: r for r in rewards}, **changes)


def test_dead_groups_are_sampled_again_and_live_ones_kept(example):
    attempts = [
        {"e0000": [[1, 1], [1, 1, 1]], "e0001": [[2], [2]], "e0002": [[3], [4]]},
        {"e0001": [[5, 5, 5, 5], [5]], "e0002": [[6], [7]]},
        {"e0002": [[8, 8], [8, 8]]},
    ]
    examples = [example(i) for i in range(3)]
    found, asked = gather(attempts, examples, {"domain": capability(Length())}, resample=2)
    assert asked == [(0, ["e0000", "e0001", "e0002"]), (1, ["e0001", "e0002"]), (2, ["e0002"])]
    assert found.names == ("domain",)
    assert found.completions == ["1 1", "1 1 1", "5 5 5 5", "5", "8 8", "8 8"]  # the last attempt stays, dead as it is
    assert found.rewards_KN[0].tolist() == pytest.approx([0.2, 0.3, 0.4, 0.1, 0.2, 0.2])
    assert found.parts["domain"]["Length"] == found.rewards_KN[0].tolist()
    assert found.rollouts.completions() == [[1, 1], [1, 1, 1], [5, 5, 5, 5], [5], [8, 8], [8, 8]]
    assert found.rollouts.truncated_N.tolist() == [False, False, True, False, False, False]
    torch.testing.assert_close(found.rollouts.logprobs_NT, -found.rollouts.completion_ids_NT.float())
    assert found.tokens == 5 + 2 + 2 + 5 + 2 + 4
    assert found.resampled == 3


def test_a_group_lives_while_any_capability_with_a_weight_tells_it_apart(example):
    attempts = [{"e0000": [[9, 1], [1, 1]]}, {"e0000": [[2], [2, 2]]}]
    starts, length = capability(Starts()), capability(Length())
    _, asked = gather(attempts, [example(0)], {"domain": length, "other": starts}, resample=1)
    assert asked == [(0, ["e0000"])] * 0 + [(0, ["e0000"]), (1, ["e0000"])]  # `other` judges no example here
    both = {"domain": length, "other": capability(Starts(), tasks=["fact_recall"])}
    _, asked = gather(attempts, [example(0)], both, resample=1)
    assert asked == [(0, ["e0000"])]
    both["other"].weight = 0.0
    _, asked = gather(attempts, [example(0)], both, resample=1)
    assert len(asked) == 2


def test_mixes_learn_from_the_groups_that_each_reward_tells_apart(example):
    attempts = [{"e0000": [[9, 1], [1, 1]], "e0001": [[1], [2]]}]
    mixed = capability(Length(), Starts(), dynamic_mix=DynamicMix(memory=0.0))
    found, _ = gather(attempts, [example(0), example(1)], {"domain": mixed}, resample=0)
    assert found.groups_with_variance().tolist() == [[0, 2], [1, 2]]
    update_reward_mixes({"domain": mixed}, found.groups_with_variance() * 2)  # as two equal ranks would
    assert mixed.mixture.shares == {"Length": 0.0, "Starts": 0.5}
    assert mixed.mixture.weights() == {"Length": 0.5, "Starts": 2.0}


def test_a_capability_that_no_example_of_the_batch_feeds_abstains(example):
    found, _ = gather([{"e0000": [[1], [1, 1]]}], [example(0)], {"safety": capability(Length()), "domain": capability(Length())}, 0)
    assert found.rewards_KN[0].isnan().all()
    update_reward_mixes(
        {"safety": capability(Length(), dynamic_mix=DynamicMix()), "domain": capability(Length())}, found.groups_with_variance()
    )
