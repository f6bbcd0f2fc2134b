"""What a reader of the options alone can know: nothing, and letters tell nothing either."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log

import pytest

from bbflow.graph import ClinicalPack
from bbflow.records import Example
from bbflow.synthesis import generate
from bbflow.synthesis.curation import Curation
from bbflow.synthesis.tasks import DifferentialFromFindings, JointCase, MetapathQuestion, OpenBook

GRAPH = ClinicalPack().load()


def options_only(examples: Sequence[Example], folds: int = 5) -> tuple[float, float]:
    """Cross-validated accuracy of a classifier that sees the options and nothing else, and chance.

    It learns how often each text, and each rank in length, was right where it was offered, and picks the option with the best odds.
    """
    right, chance = 0, 0.0
    for fold in range(folds):
        offered: dict[object, list[int]] = defaultdict(lambda: [1, 4])
        for i, e in enumerate(examples):
            if i % folds != fold:
                for feature, is_right in features(e):
                    offered[feature][0] += is_right
                    offered[feature][1] += 1
        for i, e in enumerate(examples):
            if i % folds == fold:
                odds: Counter[int] = Counter()
                for n, (feature, _) in enumerate(features(e)):
                    odds[n // 2] += log(offered[feature][0] / offered[feature][1])
                right += e.options[max(range(len(e.options)), key=lambda n: odds[n])] == e.answer
                chance += 1 / len(e.options)
    return right / len(examples), chance / len(examples)


def features(e: Example):
    ranks = sorted(e.options, key=len)
    for option in e.options:
        yield ("text", option), option == e.answer
        yield ("length", len(e.options), ranks.index(option)), option == e.answer


def test_the_classifier_finds_a_leak_where_there_is_one() -> None:
    made = generate(GRAPH, {"t": MetapathQuestion()}, {"test": 300}, {}, 0).examples["test"]
    common = Counter(option for e in made for option in e.options)
    leaky = [Example(**{**vars(e), "answer": max(e.options, key=lambda o: (common[o], o))}) for e in made]
    score, chance = options_only(leaky)
    assert score > chance + 0.15


ENOUGH = {"train": 2000, "validation": 1500, "test": 1500}
FEWER = {"train": 1500, "validation": 96, "test": 250}  # open-book questions hold out entities: the pack has few of them


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "sizes"),
    [(MetapathQuestion, ENOUGH), (OpenBook, FEWER), (DifferentialFromFindings, ENOUGH), (JointCase, ENOUGH)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_options_alone_are_worth_chance_within_three_points(make: type, sizes: dict) -> None:
    made = generate(GRAPH, {"t": make()}, sizes, {}, 0, curation=Curation())
    for split, size in sizes.items():
        examples = made.examples[split]
        assert len(examples) > size / 4
        score, chance = options_only(examples)
        assert score <= chance + 0.03 + 2 * (chance * (1 - chance) / len(examples)) ** 0.5
        letters = Counter(e.options.index(e.answer) for e in examples)
        assert all(abs(n / len(examples) - chance) <= 0.01 for n in letters.values()), (split, letters)
