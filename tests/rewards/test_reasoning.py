"""Rewards of proofs, by values worked out by hand."""

import pytest
from reward_samples import CLINICAL_CHOICE, PROVED, clinical_example, on_clinical, scored

from bbflow.rewards import ChainReward, ConnectedReasoning, ReasonedAnswer
from bbflow.testing import MULTI_HOP


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (PROVED, 1.0),
        ("propranolol is contraindicated in asthma. Answer: amlodipine", 0.5),  # half the proof, nothing else
        ("hypertension is treated with amlodipine. asthma forbids propranolol. Answer: A", 1.0),  # the other way round
        (PROVED.replace("Answer", "warfarin treats gout. aspirin treats fever. Answer"), 0.5),  # two of four statements prove
        ("propranolol is contraindicated in asthma. " * 2 + "Answer: amlodipine", 0.25),  # half the proof, half the statements
        ("Answer: amlodipine", 0.0),
        ("some words. Answer: amlodipine", 0.0),
        ("", 0.0),
    ],
)
def test_chain_reward_by_hand(text: str, score: float) -> None:
    assert on_clinical(ChainReward(), CLINICAL_CHOICE, text) == pytest.approx(score)


def test_chain_reward_abstains_without_a_proof() -> None:
    assert on_clinical(ChainReward(), clinical_example(answer="x"), "x treats y. Answer: x") is None


@pytest.mark.parametrize(
    "text",
    [
        "propranolol is contraindicated in asthma. Answer: amlodipine",  # incomplete
        PROVED.replace("Answer", "warfarin treats gout. Answer"),  # a statement that is no edge
        PROVED.replace("Answer: amlodipine", "Answer: propranolol"),
    ],
)
def test_reasoned_answer_wants_all_of_it(text: str) -> None:
    assert on_clinical(ReasonedAnswer(), CLINICAL_CHOICE, text) == 0.0


ONE, TWO = "propranolol is contraindicated in asthma.", "asthma is diagnosed by spirometry."


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (f"{ONE} {TWO} Answer: A", 1.0),
        (f"{TWO} {ONE} Answer: A", 1.0),  # a chain has no direction of telling
        (f"{ONE} {TWO} aspirin treats osteoarthritis. Answer: A", 2 / 3),  # true, and no part of the chain
        (f"{ONE} {TWO} asthma is diagnosed by wheezing. Answer: A", 2 / 3),  # no edge
        (f"{ONE} {TWO} asthma presents with wheezing. Answer: A", 1.0),  # hangs together with the chain
        (f"{ONE} Answer: A", 0.0),  # does not reach the answer
        (f"{TWO} Answer: A", 0.0),  # does not start at the question
        (f"{ONE} {TWO}", 0.0),  # no answer
    ],
)
def test_connected_reasoning_by_hand(text: str, score: float) -> None:
    assert scored(ConnectedReasoning(), MULTI_HOP, text) == pytest.approx(score)
