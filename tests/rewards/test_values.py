"""Rewards on values worked out by hand: amounts, decisions, chains, citations, workflows, advice, shapes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbflow.records import Example
from bbflow.rewards import ConnectedReasoning, CorrectAnswer, GroundedCitations, NotOverlong, SafeAdvice, WorkflowSteps
from bbflow.rewards.ifeval_verifiers import VERIFIERS, is_met
from bbflow.testing import CHOICE, CITED, DOSE, GRAPH, MULTI_HOP, WORKFLOW, example
from bbflow.text.answers.quantities import decision, quantities, single_quantity


def scored(reward, record: Example, text: str):
    reward.prepare(GRAPH)
    return reward([record], [text])[0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("500 mg", "0.5 g", True), ("1,500 mg/day", "1.5 g daily", True), ("62.5 mg/h", "1500 mg per day", True), ("250 ug", "0.25 mg", True),
        ("5 mL", "0.005 L", True), ("10 mg/kg", "10 mg", False), ("500 mg", "500 mL", False), ("500", "500 mg", False), ("2 tablets", "2 tablet", True),
        ("1e3 mg", "1 g", True), ("-5", "5", False), ("30 %", "30%", True), ("90 mL/min", "0.09 L/min", True), ("0.333 g", "333 mg", True),
        ("5 mg/5 mL", "1 mg/mL", True),
    ],
)  # fmt: skip
def test_amounts_convert(one: str, other: str, same: bool) -> None:
    assert quantities(one)[0].equals(quantities(other)[0]) is same


@given(
    st.floats(0.001, 1e6, allow_nan=False), st.sampled_from(["kg", "g", "mg", "ug", "ng"]), st.sampled_from(["kg", "g", "mg", "ug", "ng"])
)
def test_any_mass_converts_back(value: float, unit: str, other: str) -> None:
    milligrams = {"kg": 1e6, "g": 1e3, "mg": 1.0, "ug": 1e-3, "ng": 1e-6}
    said = f"{value:.12f} {unit}"
    converted = f"{float(f'{value:.12f}') * milligrams[unit] / milligrams[other]:.15f} {other}"
    one, two = single_quantity(said), single_quantity(converted)
    assert one is not None
    assert two is not None
    if two.value > 1e-9:
        assert one.equals(two, tolerance=1e-2)


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


def test_decisions() -> None:
    assert [decision(t) for t in ("No, it is not.", "yes, maybe", "unknown", "MAYBE")] == ["no", None, None, "maybe"]


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


def test_citations_must_be_those_that_are_used() -> None:
    swapped = "propranolol is contraindicated in asthma [3]. asthma is diagnosed by spirometry [1]. Answer: spirometry"
    assert scored(GroundedCitations(), CITED, swapped) == 0.0
    assert scored(GroundedCitations(), CITED, CITED.response) == 1.0
    invented = "propranolol is contraindicated in asthma [7]. asthma is diagnosed by spirometry [3]. Answer: spirometry"
    assert scored(GroundedCitations(), CITED, invented) == pytest.approx(0.5)
    assert scored(GroundedCitations(), MULTI_HOP, MULTI_HOP.response) is None  # no numbered facts in the prompt


@given(st.permutations(WORKFLOW.workflow))
def test_any_order_but_the_right_one_costs(order: list[str]) -> None:
    value = scored(WorkflowSteps(), WORKFLOW, ", ".join(order))
    assert (value == 1.0) == (order == WORKFLOW.workflow)
    assert scored(WorkflowSteps(whole=True), WORKFLOW, ", ".join(order)) == float(order == WORKFLOW.workflow)


PREGNANT = {
    "age": 30,
    "sex": "female",
    "pregnant": True,
    "conditions": ["disease:osteoarthritis"],
    "medications": ["drug:warfarin"],
    "allergies": [],
}
ADULT = {"age": 40, "conditions": ["disease:osteoarthritis"], "medications": [], "allergies": [], "pregnant": False}
ALLERGIC = {"age": 40, "conditions": ["disease:osteoarthritis"], "medications": [], "allergies": ["drug:ibuprofen"], "pregnant": False}


@pytest.mark.parametrize(
    ("patient", "text", "score"),
    [
        (ADULT, "Give Advil 400 mg three times a day.", 1.0),
        (ADULT, "Give ibuprofen 1 g three times a day.", 0.0),  # 3,000 mg/d exceed 2,400
        (ADULT, "Give ibuprofen 3000 mg.", 0.0),
        (PREGNANT, "Give ibuprofen.", 0.0),  # contraindicated in pregnancy
        (PREGNANT, "Give aspirin.", 0.0),  # interacts with warfarin
        (PREGNANT, "Keep warfarin and avoid ibuprofen.", 0.0),  # advises nothing, and the record recommends something
        (ALLERGIC, "Answer: ibuprofen", 0.0),
        (ALLERGIC, "Answer: aspirin", 1.0),
    ],
)
def test_advice_is_judged_by_the_rules_of_the_contract(patient: dict, text: str, score: float) -> None:
    record = example(
        "Which drug?",
        "aspirin",
        patient=patient,
        recommended=[{"drug": "drug:aspirin"}],
        edges=[("drug:aspirin", "treats", "disease:osteoarthritis")],
    )
    assert scored(SafeAdvice(), record, text) == score


def test_length_costs_only_right_answers() -> None:
    reward = NotOverlong(words=5, buffer=5)
    assert scored(reward, CHOICE, "x " * 5 + "Answer: B") == pytest.approx(0.6)  # 7 words, 2 of 5 over
    assert scored(reward, CHOICE, "x " * 50 + "Answer: B") == 0.0


def test_kwargs_that_are_null_are_those_of_another_type() -> None:
    """Files of IFEval carry every argument, null where it is not the type's own."""
    assert is_met({"type": "punctuation:no_comma", "kwargs": {"num_words": None}}, "no comma")
    assert len(VERIFIERS) >= 26
