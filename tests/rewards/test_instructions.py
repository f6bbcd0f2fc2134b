"""Constraints count only with the right content, and malformed constraints are errors."""

import pytest
from reward_samples import CLINICAL_LIST, clinical_example, on_clinical

from bbflow.errors import InputError
from bbflow.rewards import ConstraintReward, CorrectAnswer, FollowsInstructions
from bbflow.rewards.ifeval_verifiers import VERIFIERS, is_met


@pytest.mark.parametrize(
    ("text", "content", "share", "strict"),
    [
        ("* aspirin\n* naproxen", 1.0, 1.0, 1.0),
        ("aspirin and ibuprofen", 1.0, 0.5, 0.0),  # no bullets
        ("aspirin, ibuprofen", 1.0, 0.0, 0.0),
        ("* aspirin\n* warfarin", 0.0, 0.0, 0.0),  # the right form, the wrong content
        ("* aspirin", 0.0, 0.0, 0.0),  # too few
        ("* aspirin\n* aspirin", 0.0, 0.0, 0.0),  # twice the same
        ("* aspirin\n* ibuprofen\n* naproxen", 0.0, 0.0, 0.0),  # too many
        ("* Advil\n* naproxen for osteoarthritis", 1.0, 1.0, 1.0),  # a brand name; the disease asked about counts neither way
        ("* a\n* b", 0.0, 0.0, 0.0),
    ],
)
def test_instructions_pay_only_with_content(text: str, content: float, share: float, strict: float) -> None:
    assert on_clinical(CorrectAnswer(), CLINICAL_LIST, text) == content
    assert on_clinical(ConstraintReward(), CLINICAL_LIST, text) == share
    assert on_clinical(FollowsInstructions(), CLINICAL_LIST, text) == strict


def test_options_under_a_demanded_form_are_read_from_the_one_name_that_occurs() -> None:
    quoted = clinical_example(
        options=["heart failure", "failure", "asthma"], answer="heart failure", constraints=[{"type": "startend:quotation", "kwargs": {}}]
    )
    assert on_clinical(FollowsInstructions(), quoted, '"heart failure"') == 1.0
    assert on_clinical(FollowsInstructions(), quoted, "heart failure") == 0.0  # right, but not in quotation marks
    assert on_clinical(CorrectAnswer(), quoted, '"heart failure, asthma"') == 0.0
    assert on_clinical(CorrectAnswer(), quoted, '"failure"') == 0.0
    assert on_clinical(CorrectAnswer(), quoted, '""') == 0.0


def test_unknown_constraints_and_wrong_arguments_are_errors() -> None:
    with pytest.raises(InputError, match="did you mean 'punctuation:no_comma'"):
        is_met({"type": "punctuation:no_commas", "kwargs": {}}, "x")
    with pytest.raises(InputError, match="does not take"):
        is_met({"type": "punctuation:no_comma", "kwargs": {"n": 1}}, "x")


def test_kwargs_that_are_null_are_those_of_another_type() -> None:
    """Files of IFEval carry every argument, null where it is not the type's own."""
    assert is_met({"type": "punctuation:no_comma", "kwargs": {"num_words": None}}, "no comma")
    assert len(VERIFIERS) >= 26
