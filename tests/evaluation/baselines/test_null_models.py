import json
import random

import pytest

from bbflow.capabilities import Capability
from bbflow.evaluation.baselines.null_models import NULLS, OptionsOnlyBaseline, best_null, null_scores
from bbflow.rewards.base import Reward


class SaysAnswer(Reward):
    def __call__(self, examples, completions):
        return [float(text == f"Answer: {example.answer}") for example, text in zip(examples, completions, strict=True)]


class Abstains(Reward):
    def __call__(self, examples, completions):
        return [None] * len(examples)


DRUGS = ["amlodipine", "aspirin", "metformin", "warfarin", "lithium", "digoxin"]


@pytest.fixture
def choice(example):
    def make(number, gold, options=None, **changes):
        return example(
            number, answer=gold, options=options, task="treatment_choice", response=f"{gold} treats it. Answer: {gold}", **changes
        )

    return make


@pytest.fixture
def capabilities():
    return {"domain": Capability(metric=SaysAnswer(), rewards={"answer": SaysAnswer()})}


def fair(choice, count, seed):
    """Items whose gold option no null model can tell: text and place are drawn independently of being right."""
    rng = random.Random(seed)
    items = []
    for i in range(count):
        options = rng.sample(DRUGS, 4)
        items.append(choice(i, rng.choice(options), options))
    return items


def test_fair_items_give_nulls_chance_only(choice, capabilities):
    scores = null_scores(capabilities, fair(choice, 600, 1), fair(choice, 600, 2), seed=0)["domain"]
    assert set(scores) == set(NULLS)
    assert scores["random_answer"] == pytest.approx(0.25, abs=0.05)
    assert scores["options_only"] == pytest.approx(0.25, abs=0.06)
    assert scores["random_text"] < 0.02
    assert scores["constant"] == pytest.approx(1 / 6, abs=0.06)
    assert best_null(scores) == max(scores.values())


def test_options_only_finds_a_text_that_gives_itself_away(choice, capabilities):
    rng = random.Random(0)

    def leaky(count):
        items = []
        for i in range(count):
            options = [*rng.sample(DRUGS[1:], 3), "amlodipine"]
            rng.shuffle(options)
            items.append(choice(i, "amlodipine" if rng.random() < 0.9 else options[0], options))
        return items

    assert null_scores(capabilities, leaky(200), leaky(200), seed=0)["domain"]["options_only"] > 0.8


def test_options_only_finds_a_place_that_gives_itself_away(choice, capabilities):
    rng = random.Random(0)

    def leaky(count):
        drawn = [rng.sample(DRUGS, 4) for _ in range(count)]
        return [choice(i, options[2], options) for i, options in enumerate(drawn)]

    assert null_scores(capabilities, leaky(300), leaky(300), seed=0)["domain"]["options_only"] > 0.9


def test_options_only_never_sees_the_gold_of_the_test_items(choice):
    guess = OptionsOnlyBaseline(fair(choice, 200, 3))
    options = ["aspirin", "warfarin", "lithium"]
    assert len({guess(choice(0, gold, options)) for gold in options}) == 1


def test_open_questions_get_the_most_frequent_answer_of_their_task(example):
    train = [example(i, answer=a, task="fact_recall") for i, a in enumerate(["x", "y", "y"])]
    train += [example(9, answer="z", task="other")] * 5
    assert OptionsOnlyBaseline(train)(example(1, answer="?", task="fact_recall")) == "y"
    assert OptionsOnlyBaseline(train)(example(1, answer="?", task="never seen")) == ""


def test_constant_takes_the_best_on_the_evaluated_split(choice, capabilities):
    train = [choice(i, gold) for i, gold in enumerate(["aspirin"] * 5 + ["warfarin"] * 3)]
    test = [choice(i, gold) for i, gold in enumerate(["warfarin"] * 3 + ["lithium"])]
    assert null_scores(capabilities, test, train, seed=0)["domain"]["constant"] == 0.75


def test_constant_tries_letters_and_whole_responses(choice, example):
    class Exactly(Reward):
        def __init__(self, wanted):
            self.wanted = wanted

        def __call__(self, examples, completions):
            return [float(text == self.wanted) for text in completions]

    test = [choice(0, "aspirin", ["aspirin", "lithium"])]
    for wanted, expected in (("Answer: B", 1.0), ("Answer: C", 0.0), ("lithium treats it. Answer: lithium", 1.0)):
        capability = Capability(metric=Exactly(wanted), rewards={"r": Exactly(wanted)})
        assert null_scores({"domain": capability}, test, [choice(1, "lithium")], seed=0)["domain"]["constant"] == expected


def test_refusal_takes_the_better_wording(choice, capabilities):
    test = [choice(0, "none of these"), choice(1, "aspirin")]
    assert null_scores(capabilities, test, [], seed=0)["domain"]["blanket_refusal"] == 0.5


def test_same_seed_same_scores(choice, capabilities):
    test, train = fair(choice, 50, 1), fair(choice, 50, 2)
    first, again, other = (null_scores(capabilities, test, train, seed=s)["domain"]["random_answer"] for s in (5, 5, 6))
    assert first == again != other


def test_learns_only_from_what_the_capability_judges(choice, capabilities):
    train = [choice(0, "aspirin", capabilities=["safety"]), choice(1, "lithium", capabilities=["domain"])]
    assert null_scores(capabilities, [choice(2, "aspirin")], train, seed=0)["domain"]["constant"] == 0.0


def test_what_judges_nothing_is_left_out(choice, capabilities):
    unused = Capability(metric=SaysAnswer(), rewards={"r": SaysAnswer()}, tasks=["other"])
    silent = Capability(metric=Abstains(), rewards={"r": SaysAnswer()})
    found = null_scores({**capabilities, "unused": unused}, [choice(0, "aspirin")], [], seed=0)
    assert set(found) == {"domain"}
    assert null_scores({"domain": silent}, [choice(0, "aspirin")], [], seed=0) == {"domain": {}}
    assert best_null({}) == 0.0


def test_nulls_do_not_see_on_which_side_of_a_safety_pair_a_request_stands(tmp_path):
    from bbflow.evaluation.benchmarks.answering import benchmark_capability
    from bbflow.evaluation.benchmarks.formats import read_benchmark

    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({"unsafe": f"How to poison {i}?", "benign": f"What helps {i}?"}) + "\n" for i in range(200)))
    name, pairs = read_benchmark(path)
    scores = null_scores({name: benchmark_capability(name, "generation")}, pairs, pairs, seed=0)[name]
    assert max(scores.values()) < 0.6
