import json
import math
import re
import signal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bbflow.capabilities import Capability, DynamicMix
from bbflow.capabilities.capability import unreadable_records
from bbflow.capabilities.mix import groups_with_variance
from bbflow.errors import InputError, Problem, Refused
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


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -0.1, 1.1, "high", [0.5, 0.5]])
def test_what_is_no_score_names_reward_example_and_completion(bad) -> None:
    with pytest.raises(InputError) as caught:
        Capability(Fixed([0.0]), {"r": Fixed([0.5, bad])}).reward("mine", examples("a", "a"), ["first", "second"])
    for part in ("reward 'r' (Fixed)", repr(bad), "example 1", "completion 'second'"):
        assert part in str(caught.value)


@pytest.mark.parametrize(("scores", "named"), [([0.1], "example 1"), ([], "example 0"), ([0.1, 0.2, 0.3], "example 1")])
def test_a_reward_of_the_wrong_length_is_refused(scores: list, named: str) -> None:
    class Given(Fixed):
        def __call__(self, examples, completions) -> list:
            return self.scores

    with pytest.raises(InputError) as caught:
        Capability(Fixed([0.0]), {"r": Given(scores)}).reward("mine", examples("a", "a"), ["first", "second"])
    for part in ("reward 'r' (Given)", f"{len(scores)} scores for 2", named, "completion '"):
        assert part in str(caught.value)


def test_problems_are_listed_together() -> None:
    wrong = Capability(Fixed([]), {"r": Fixed([])}, mix={"q": 1.0, "r": 0.0}, weight=-1.0, margin=2.0)
    text = "\n".join(str(p) for p in wrong.problems("model.init_args.capabilities.mine"))
    for part in ("'q' is no reward", "all rewards have weight 0", "weight must be 0 or more, not -1.0", "margin must lie in"):
        assert part in text


# ---- the mix of several rewards


def dynamic(**bounds) -> Capability:
    parts = {"rule": Fixed([1.0, 0.0, 1.0, 1.0]), "model": Fixed([0.2, 0.2, 0.4, 0.4])}
    return Capability(Fixed([]), parts, mix={"rule": 1.0, "model": 0.5}, dynamic_mix=DynamicMix(**bounds))


def test_the_mix_starts_at_the_fixed_weights_and_moves_only_by_what_is_observed() -> None:
    capability, fixed = dynamic(), Capability(Fixed([]), dynamic().rewards, mix={"rule": 1.0, "model": 0.5})
    judged = (examples(*"aaaa"), ["", "", "", ""])
    assert capability.reward("mine", *judged) == capability.reward("mine", *judged) == fixed.reward("mine", *judged)
    capability.mixture.observe({"rule": 0.5, "model": 0.0})
    assert capability.reward("mine", *judged) != fixed.reward("mine", *judged)
    fixed.mixture.observe({"rule": 0.5, "model": 0.0})
    assert fixed.mixture.weights() == {"rule": 1.0, "model": 0.5}


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=20), st.floats(0.05, 1), st.floats(1, 5), st.floats(0, 0.99))
def test_dynamic_weights_stay_within_their_bounds(steps: list, low: float, high: float, memory: float) -> None:
    mixture = dynamic(at_least=low, at_most=high, memory=memory).mixture
    for rule, model in steps:
        mixture.observe({"rule": rule, "model": model})
        factors = [weight / mixture.fixed[name] for name, weight in mixture.weights().items()]
        assert all(low * (1 - 1e-12) <= factor <= high * (1 + 1e-12) for factor in factors)


def test_a_reward_that_tells_nothing_apart_any_more_falls_to_its_bound_and_comes_back() -> None:
    mixture = dynamic(at_least=0.25, at_most=4.0, memory=0.5).mixture
    for _ in range(30):
        mixture.observe({"rule": 0.8, "model": 0.0})
    assert mixture.weights() == pytest.approx({"rule": 2.0, "model": 0.125})
    for _ in range(30):
        mixture.observe({"rule": 0.8, "model": 0.8})
    assert mixture.weights() == pytest.approx({"rule": 1.0, "model": 0.5})


def test_rewards_that_all_teach_nothing_keep_the_fixed_mix() -> None:
    mixture = dynamic().mixture
    mixture.observe({"rule": 0.0, "model": 0.0})
    assert mixture.weights() == mixture.fixed


def test_what_a_reward_tells_apart_is_counted_by_groups() -> None:
    capability = dynamic()
    parts = capability.parts("mine", examples(*"aaba"), [""] * 4)
    assert parts["rule"] == [1.0, 0.0, None, 1.0]
    assert {name: groups_with_variance(row, 2) for name, row in parts.items()} == {"rule": (1, 2), "model": (0, 2)}


def test_bounds_are_checked() -> None:
    found = [str(p) for p in dynamic(at_least=1.5, memory=1.0).problems("c")]
    assert len(found) == 2
    assert "0 < at_least <= 1" in found[0]
    assert "memory must lie in" in found[1]


def test_of_many_records_that_cannot_be_judged_some_are_named_and_all_counted() -> None:
    class Picky(Fixed):
        def record_problems(self, examples) -> list:
            return [Problem("unreadable", f"example {example.example_id}") for example in examples]

    capabilities = {"mine": Capability(Picky([0.0]), {"r": Picky([0.0])})}
    found = unreadable_records(capabilities, examples(*"abaaa"), shown=3)
    assert [str(p) for p in found] == [*(f"example {i}: unreadable" for i in (0, 2, 3)), "and 1 more records cannot be judged"]


class Hangs(Reward):
    """Never ends, whatever is raised inside."""

    def __call__(self, examples, completions):
        while True:
            try:
                re.fullmatch("(a+)+b", "a" * 40)
            except TimeoutError:
                if self.stubborn:
                    self.stubborn -= 1
                else:
                    raise


@pytest.mark.parametrize("stubborn", [0, 1])
def test_a_reward_that_hangs_is_stopped_and_named(stubborn: int) -> None:
    reward = Hangs()
    reward.stubborn = stubborn
    capability = Capability(metric=reward, rewards={"endless": reward}, timeout=0.1)
    with pytest.raises(InputError, match=r"reward 'endless' \(Hangs\) hangs: longer than 0.1 s for 1 completions"):
        capability.reward("mine", examples("a"), ["x"])
    with pytest.raises(InputError, match=r"reward 'mine.metric' \(Hangs\) hangs"):
        capability.measure("mine", examples("a"), ["x"])
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


class Fails(Reward):
    """Raises what it was given, from one line."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, examples, completions):
        return [self.score(text) for text in completions]

    def score(self, text):
        json.loads("0", parse_int=self.one)

    def one(self, text):
        raise self.error


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("division\nby zero"), TimeoutError("timed out"), torch.OutOfMemoryError("out of memory")]
)
def test_a_reward_that_raises_is_named_with_its_line(error: Exception) -> None:
    capability, line = Capability(metric=Fails(error), rewards={"broken": Fails(error)}), Fails.one.__code__.co_firstlineno + 1
    with pytest.raises(InputError) as caught:
        capability.reward("mine", examples("a"), ["x"])
    told = f"reward 'broken' (Fails) raised {type(error).__name__}: {' '.join(str(error).split())}"
    assert str(caught.value) == f"{__file__}:{line}: {told} (example 0 and those after it)"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [InputError("the reward model is missing"), Refused("no"), KeyboardInterrupt()])
def test_what_a_reward_says_itself_stands_as_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        Capability(metric=Fails(error), rewards={"broken": Fails(error)}).measure("mine", examples("a"), ["x"])
    assert caught.value is error


@pytest.mark.parametrize("returned", [None, 0.5, True])
def test_a_reward_that_returns_no_list_is_named(returned) -> None:
    class Given(Fixed):
        def __call__(self, examples, completions):
            return self.scores

    with pytest.raises(InputError) as caught:
        Capability(Fixed([]), {"r": Given(returned)}).reward("mine", examples("a"), ["x"])
    assert f"reward 'r' (Given) returned {returned}, not one score for each completion" in str(caught.value)


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("inf"), float("nan")])
def test_the_time_limit_must_be_a_limit(timeout: float) -> None:
    assert any(p.where == "c.timeout" for p in Capability(metric=Hangs(), rewards={"endless": Hangs()}, timeout=timeout).problems("c"))
