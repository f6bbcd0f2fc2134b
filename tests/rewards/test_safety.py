"""Safe advice and refusals, by values worked out by hand."""

import pytest
from reward_samples import clinical_example, on_clinical, scored

from bbflow.rewards import SafeAdvice, SafeChoice
from bbflow.testing import example

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


def test_refusal_is_right_where_nothing_is_safe_and_wrong_elsewhere() -> None:
    refuse = clinical_example(options=["propranolol", "none of these"], answer="none of these", patient={"conditions": []})
    assert on_clinical(SafeChoice(), refuse, "Answer: none of these") == 1.0
    assert on_clinical(SafeChoice(), refuse, "Answer: propranolol") == 0.0
    assert on_clinical(SafeChoice(), clinical_example(answer="x"), "x") is None
