"""Rewards of form."""

import pytest
from reward_samples import scored

from bbflow.rewards import NotOverlong
from bbflow.testing import CHOICE


def test_length_costs_only_right_answers() -> None:
    reward = NotOverlong(words=5, buffer=5)
    assert scored(reward, CHOICE, "x " * 5 + "Answer: B") == pytest.approx(0.6)  # 7 words, 2 of 5 over
    assert scored(reward, CHOICE, "x " * 50 + "Answer: B") == 0.0
