"""The answer of a completion, and what takes it back."""

import pytest

from bbflow.testing import CHOICE, GRAPH, OPEN
from bbflow.text.answers.consistency import denied, has_single_answer, is_taken_back
from bbflow.text.answers.extraction import (
    answered_option,
    chosen_option,
    final_answers,
    folding,
    has_answer_marker,
    mentioned_option,
    option_index,
    parses,
)
from bbflow.text.answers.obfuscation import is_obfuscated

OPTIONS = ["propranolol", "amlodipine", "none of these"]


@pytest.mark.parametrize(
    ("completion", "answers"),
    [
        ("Answer: B", ["B"]), ("answer : *amlodipine*. It is safe.", ["amlodipine"]), ("Answer: A\nAnswer: B.", ["A", "B"]),
        ("Just amlodipine.", ["Just amlodipine"]), ("Answer: 2.5 mg", ["2.5 mg"]), ("", [""]),
    ],
)  # fmt: skip
def test_final_answers(completion, answers):
    assert final_answers(completion) == answers
    assert has_answer_marker(completion) == ("nswer" in completion)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("B", 1), ("(b)", 1), ("b.", 1), ("B) amlodipine", 1), ("Amlodipine!", 1), ("A) amlodipine", None), ("D", None), ("both", None),
        ("None of these", 2),
    ],
)  # fmt: skip
def test_an_option_by_letter_text_or_both(text, index):
    assert option_index(text, OPTIONS) == index


def test_options_that_fold_alike_are_told_apart_by_their_text():
    assert option_index("5 mg", ["<5 mg", ">5 mg"]) is None
    assert option_index("<5 mg", ["<5 mg", ">5 mg"]) == 0
    assert folding(["a", "\u03b2"])("\u03b2-X") == "\u03b2 x"
    assert folding(["a"])("\u03b2-X") == "x"


def test_one_choice_and_no_second_one():
    assert chosen_option(CHOICE, "Answer: B") == 1
    assert chosen_option(CHOICE, "Answer: B. Answer: A") is None
    assert mentioned_option(CHOICE, "I would give amlodipine") == 1
    assert mentioned_option(CHOICE, "amlodipine or propranolol") is None
    assert is_taken_back(CHOICE, "Answer: B. No, A.", 1) is True
    assert is_taken_back(CHOICE, "Answer: B. Amlodipine is safe.", 1) is False
    assert has_single_answer(OPEN, "Answer: aspirin") is True
    assert has_single_answer(OPEN, "Answer: aspirin. Answer: ibuprofen") is False


def test_claims_after_and_before_the_answer():
    assert final_answers(r"\boxed{A} Answer: B. Wait, C. Good!") == ["A", "B"]
    assert answered_option("B (the safe one)", OPTIONS) == (1, "the safe one")
    assert answered_option("it must be C", OPTIONS) == (2, "")
    assert is_taken_back(CHOICE, "Answer: B. But it must be C", 1) is True


@pytest.mark.parametrize(("text", "says_no"), [("Never aspirin", True), ("aspirin is not it", True), ("aspirin, not ibuprofen", False)])
def test_a_denied_name(text, says_no):
    assert denied(OPEN, text, ["aspirin"]) is says_no


@pytest.mark.parametrize(
    ("text", "hidden"), [("\u0430spirin", True), ("as\u200bpirin", True), ("~~aspirin~~", True), ("5 \u00b5g aspirin", False)]
)
def test_letters_that_hide_an_answer(text, hidden):
    assert is_obfuscated(OPEN, text) is hidden


def test_an_answer_that_can_be_read():
    assert parses(CHOICE, "Answer: Z or something", GRAPH) is False
    assert parses(CHOICE, "Answer: Am-lodipine", GRAPH) is True
    assert parses(OPEN, "Coumadin", GRAPH) is True
