"""What writes an answer and what verifies it share nothing but names, so each checks the other."""

import random

from hypothesis import given
from hypothesis import strategies as st

from bbflow.rewards.instruction import VERIFIERS, is_met
from bbflow.synthesis.demands import DEMANDS, draw_demands, write_answer
from bbflow.synthesis.rendering import templates

NAMES = ["aspirin", "heart failure", "type 2 diabetes", "C-reactive protein"]


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 4))
def test_a_written_answer_meets_every_drawn_demand(seed: int, number: int, count: int) -> None:
    constraints = draw_demands(DEMANDS, number, count, random.Random(seed))
    text = write_answer(NAMES[:count], constraints)
    assert all(is_met(c, text) for c in constraints), (text, constraints)
    assert all(name in text for name in NAMES[:count])


def test_a_plain_answer_meets_none_of_the_demands_by_itself() -> None:
    for demand in DEMANDS:
        kwargs = demand.kwargs(2, random.Random(0))
        assert not is_met({"type": demand.type, "kwargs": kwargs}, "aspirin, heart failure"), demand.type


def test_every_demand_has_a_verifier_and_templates() -> None:
    for demand in DEMANDS:
        assert demand.type in VERIFIERS
        assert f"demand/{demand.type}" in templates()
