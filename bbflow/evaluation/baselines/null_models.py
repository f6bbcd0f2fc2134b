"""Null models: scores that can be reached without reading the question.

Each null model writes completions from the train split alone and is scored by the same metric as the policy. If it has several
candidates (constants, wordings of a refusal), the one that scores best on the evaluated split counts: a null should be hard to beat.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import log
from string import ascii_uppercase as LETTERS
from zlib import crc32

from bbflow.capabilities import Capability
from bbflow.records import Example

CONSTANTS = 12
"""Number of most frequent train answers, and of most frequent whole train responses, that the constant null tries."""
REFUSALS = ("Answer: none of these", "No. Answer: no")

Completions = list[str]
Null = Callable[[Sequence[Example], Sequence[Example], int], Iterable[Completions]]
"""Function of test examples, train examples and a seed to candidate completions of the test examples; the best candidate counts."""


def random_text(test: Sequence[Example], train: Sequence[Example], seed: int) -> Iterable[Completions]:
    """Return words of the train responses in random order, as many as a random train response has."""
    rng = random.Random(seed)  # noqa: S311 (resampling, not cryptography)
    lengths = [len(e.response.split()) for e in train] or [8]
    words = [word for e in train for word in e.response.split()] or ["answer"]
    yield [" ".join(rng.choices(words, k=rng.choice(lengths))) for _ in test]


def random_answer(test: Sequence[Example], train: Sequence[Example], seed: int) -> Iterable[Completions]:
    """Return well-formed random answers: one of the options, or without options one of the task's train answers."""
    rng = random.Random(seed)  # noqa: S311
    answers = _answers_by_task(train)
    yield [_answer(rng.choice(e.options or answers.get(e.task) or [""])) for e in test]


def constant(test: Sequence[Example], train: Sequence[Example], seed: int) -> Iterable[Completions]:
    """Return the same text for all examples: a frequent train answer, an option letter, or a frequent whole response."""
    answers = [text for text, _ in Counter(e.answer for e in train).most_common(CONSTANTS)]
    width = max((len(e.options or ()) for e in test), default=0)
    responses = [text for text, _ in Counter(e.response for e in train).most_common(CONSTANTS)]
    for text in [*map(_answer, [*answers, *LETTERS[:width]]), *responses]:
        yield [text] * len(test)


def blanket_refusal(test: Sequence[Example], train: Sequence[Example], seed: int) -> Iterable[Completions]:
    """Refuse every request, in the wording that scores more."""
    for text in REFUSALS:
        yield [text] * len(test)


def options_only(test: Sequence[Example], train: Sequence[Example], seed: int) -> Iterable[Completions]:
    """Guess from the texts and positions of the options, without the question; open questions get the task's most frequent answer.

    If the tested items are among the train examples, each half is guessed by a model learned on the other half.
    """
    known = {e.example_id for e in train}
    halves = [train, train]
    if any(e.example_id in known for e in test):
        halves = [[e for e in train if _half(e) != half] for half in (0, 1)]
    guesses = [OptionsOnlyBaseline(half) for half in halves]
    yield [_answer(guesses[_half(example)](example)) for example in test]


NULLS: dict[str, Null] = {
    "random_text": random_text,
    "random_answer": random_answer,
    "constant": constant,
    "blanket_refusal": blanket_refusal,
    "options_only": options_only,
}


class OptionsOnlyBaseline:
    """Naive Bayes on the text and position of an option: smoothed log-odds of being gold, learned on the train split.

    Args:
        train: Examples to learn from.
        smoothing: Pseudo-count, spread as the overall share of gold options; an option never seen has that share.

    >>> def item(options, gold):
    ...     return Example("i", "t", ["domain"], [], "r", gold, options=options)
    >>> guess = OptionsOnlyBaseline([item(["a", "b"], "b"), item(["c", "b"], "b"), item(["a", "c"], "a")])
    >>> guess(item(["a", "b", "c"], "a"))
    'b'
    """

    def __init__(self, train: Sequence[Example], smoothing: float = 1.0) -> None:
        self.smoothing = smoothing
        self._shown: dict[object, float] = defaultdict(float)
        self._gold: dict[object, float] = defaultdict(float)
        for example in train:
            for place, option in enumerate(example.options or ()):
                for key in (None, option, place):
                    self._shown[key] += 1
                    self._gold[key] += option == example.answer
        self.rate = (self._gold[None] + 0.5) / (self._shown[None] + 1)
        self._answers = {task: answers[0] for task, answers in _answers_by_task(train).items()}

    def log_odds(self, key: object) -> float:
        """Return the log-odds that an option with this text (str) or position (int) is gold, relative to any option."""
        share = (self._gold.get(key, 0.0) + self.smoothing * self.rate) / (self._shown.get(key, 0.0) + self.smoothing)
        return log(share / (1 - share)) - log(self.rate / (1 - self.rate))

    def __call__(self, example: Example) -> str:
        """Return the text of the guessed answer."""
        if not example.options:
            return self._answers.get(example.task, "")
        places = range(len(example.options))
        options = example.options
        return options[max(places, key=lambda place: self.log_odds(options[place]) + self.log_odds(place))]


def null_scores(
    capabilities: Mapping[str, Capability], test_examples: Sequence[Example], train_examples: Sequence[Example], seed: int
) -> dict[str, dict[str, float]]:
    """Score every null model on every capability.

    Args:
        capabilities: By name; their metrics must have been prepared with the graph where they need it.
        test_examples: The split that the policy is scored on.
        train_examples: Examples that the nulls learn from; those of the capability are used.
        seed: Seed of the random nulls.

    Returns:
        Capability to null to mean score. A capability that judges no test example is left out.
    """
    result: dict[str, dict[str, float]] = {}
    for name, capability in capabilities.items():
        test = [e for e in test_examples if capability.judges(name, e)]
        train = [e for e in train_examples if capability.judges(name, e)]
        if test:
            scores = {null: _best(name, capability, test, model(test, train, seed)) for null, model in NULLS.items()}
            result[name] = {null: score for null, score in scores.items() if score is not None}
    return result


def best_null(scores: Mapping[str, float]) -> float:
    """Return the score of the best null model, 0 if there is none.

    >>> best_null({"constant": 0.2, "options_only": 0.3})
    0.3
    """
    return max(scores.values(), default=0.0)


def _best(name: str, capability: Capability, test: Sequence[Example], candidates: Iterable[Completions]) -> float | None:
    means = []
    for completions in candidates:
        scores = [s for s in capability.measure(name, test, completions) if s is not None]
        if scores:
            means.append(sum(scores) / len(scores))
    return max(means, default=None)


def _answers_by_task(examples: Sequence[Example]) -> dict[str, list[str]]:
    """Return the answers of each task, the most frequent first, each as often as it occurs."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        counts[example.task][example.answer] += 1
    return {task: [text for text, times in counter.most_common() for _ in range(times)] for task, counter in counts.items()}


def _half(example: Example) -> int:
    return crc32(example.example_id.encode()) % 2


def _answer(text: str) -> str:
    return f"Answer: {text}"
