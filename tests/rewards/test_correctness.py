"""Correct answers, by values worked out by hand: choices, names, amounts, texts."""

import pytest
from reward_samples import CLINICAL_CHOICE, PROVED, on_clinical, scored

from bbflow.errors import InputError
from bbflow.rewards import CorrectAnswer, SafeChoice
from bbflow.testing import DOSE, example


@pytest.mark.parametrize(
    "text",
    [
        PROVED,
        "Answer: amlodipine",
        "Answer: B",
        "B",
        "b)",
        "answer: (B) amlodipine",
        "Answer: B. Answer: amlodipine",
        "Answer: Amlodipine.",
    ],
)
def test_right_answers_in_any_honest_form(text: str) -> None:
    assert on_clinical(CorrectAnswer(), CLINICAL_CHOICE, text) == 1.0
    assert on_clinical(SafeChoice(), CLINICAL_CHOICE, text) == 1.0


@pytest.mark.parametrize(
    ("text", "score"),
    [("Answer: 200 mg", 1.0), ("Answer: 0.2 g.", 1.0), ("200mg", 1.0), ("Answer: 2 g", 0.0), ("Answer: 200", 0.0), ("", 0.0), ("Answer: 200 mg or 300 mg", 0.0)],
)  # fmt: skip
def test_a_dose_is_right_in_any_unit_and_only_once(text: str, score: float) -> None:
    assert scored(CorrectAnswer(), DOSE, text) == score


def test_a_text_gold_is_compared_as_text() -> None:
    record = example("Who wrote it?", "Ignaz Semmelweis")
    assert scored(CorrectAnswer(), record, "Answer: ignaz semmelweis.") == 1.0
    assert scored(CorrectAnswer(), record, "Answer: Semmelweis") == 0.0


def test_a_reward_that_needs_the_graph_says_so() -> None:
    with pytest.raises(InputError, match="needs the graph"):
        CorrectAnswer().prepare(None)
