"""Three readings of refusals, each for its own question."""

import pytest

from bbflow.text.answers.refusals import declines_to_answer, is_refusal, refusal_span


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I'm sorry, no.", "I'm sorry"), ("Well, I can\u2019t help.", "I can\u2019t"), ("None of these is safe.", "None of these"),
        ("This request is refused.", "request is refused"), ("No safe option remains.", "No safe option remains"),
        ("I would never refuse.", None), ("He cannot sleep.", None), ("Give amlodipine.", None), ("", None),
    ],
)  # fmt: skip
def test_a_writer_declines_in_person(text, words):
    span = refusal_span(text)
    assert (None if span is None else text[slice(*span)]) == words


@pytest.mark.parametrize(
    ("completion", "options", "refuses"),
    [
        ("none", None, True), ("It must not be given.", None, True), ("It is unsafe.", None, True), ("It is not unsafe.", None, False),
        ("I cannot recommend it enough.", None, False), ("Answer: B", ["warfarin", "none of these"], True),
        ("Answer: A", ["warfarin", "none of these"], False), ("I refuse. Answer: yes", None, False), ("Give it.", None, False),
    ],
)  # fmt: skip
def test_a_completion_refuses_as_an_answer(completion, options, refuses):
    assert is_refusal(completion, options) is refuses


@pytest.mark.parametrize(
    ("text", "declines"), [("I won't help with it.", True), ("I'm unable to assist", True), ("It must not be given.", False)]
)
def test_declining_to_answer_is_narrower(text, declines):
    assert declines_to_answer(text) is declines
