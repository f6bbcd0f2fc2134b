"""Citations of numbered facts."""

import pytest
from reward_samples import scored

from bbflow.rewards import GroundedCitations
from bbflow.testing import CITED, MULTI_HOP


def test_citations_must_be_those_that_are_used() -> None:
    swapped = "propranolol is contraindicated in asthma [3]. asthma is diagnosed by spirometry [1]. Answer: spirometry"
    assert scored(GroundedCitations(), CITED, swapped) == 0.0
    assert scored(GroundedCitations(), CITED, CITED.response) == 1.0
    invented = "propranolol is contraindicated in asthma [7]. asthma is diagnosed by spirometry [3]. Answer: spirometry"
    assert scored(GroundedCitations(), CITED, invented) == pytest.approx(0.5)
    assert scored(GroundedCitations(), MULTI_HOP, MULTI_HOP.response) is None  # no numbered facts in the prompt
