import math

import pytest

from bbflow.capabilities import Capability
from bbflow.errors import InputError
from bbflow.records import Example
from bbflow.rewards.base import Reward


class Fixed(Reward):
    def __init__(self, scores: list) -> None:
        self.scores = scores

    def __call__(self, examples, completions) -> list:
        return self.scores[: len(examples)]


def examples(*tasks: str) -> list[Example]:
    return [
        Example(example_id=str(i), task=t, capabilities=["mine"] if t == "a" else [], messages=[], response="", answer="")
        for i, t in enumerate(tasks)
    ]


def test_weighted_mean_by_name_over_rewards_that_do_not_abstain() -> None:
    capability = Capability(Fixed([1.0]), {"one": Fixed([1.0, None, None]), "two": Fixed([0.0, 0.5, None])}, mix={"one": 3.0})
    assert capability.reward("mine", examples("a", "a", "a"), ["", "", ""]) == [0.75, 0.5, None]


def test_only_judged_examples_are_scored() -> None:
    by_tag = Capability(Fixed([0.2, 0.4]), {"r": Fixed([0.2, 0.4])})
    assert by_tag.reward("mine", examples("a", "b", "a"), [""] * 3) == [0.2, None, 0.4]
    by_task = Capability(Fixed([0.2, 0.4]), {"r": Fixed([0.2, 0.4])}, tasks=["b"])
    assert by_task.measure("mine", examples("a", "b", "a"), [""] * 3) == [None, 0.2, None]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_score_names_reward_and_example(bad: float) -> None:
    with pytest.raises(InputError, match=r"reward 'r' \(Fixed\).*"):
        Capability(Fixed([0.0]), {"r": Fixed([bad])}).reward("mine", examples("a"), ["text"])


def test_a_reward_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(InputError, match="1 scores for 2"):
        Capability(Fixed([0.0]), {"r": Fixed([0.1])}).reward("mine", examples("a", "a"), ["", ""])


def test_problems_are_listed_together() -> None:
    wrong = Capability(Fixed([]), {"r": Fixed([])}, mix={"q": 1.0, "r": 0.0}, weight=-1.0, margin=2.0)
    text = "\n".join(str(p) for p in wrong.problems("model.init_args.capabilities.mine"))
    for part in ("'q' is no reward", "all rewards have weight 0", "weight must be 0 or more, not -1.0", "margin must lie in"):
        assert part in text
