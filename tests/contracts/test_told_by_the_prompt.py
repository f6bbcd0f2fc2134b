"""What a prompt says of a patient counts, in plain wordings, with and without a `patient`."""

from pathlib import Path

import pytest

from bbflow.contracts import Row, load_contract
from bbflow.graph import ClinicalPack

CONTRACT = load_contract(Path(__file__).parents[2] / "data_contracts" / "clinical_qa.odcs.yaml")
_IDS = ("text-no-contraindicated-drug", "text-no-interacting-pair", "text-needs-no-caution")
RULES = [rule for rule in CONTRACT.rules if rule.id in _IDS]
SILENT = {"age": 54, "sex": None, "pregnant": None, "conditions": ["hypertension"], "medications": [], "allergies": [], "egfr": None}


@pytest.fixture(scope="module")
def pack():
    return ClinicalPack().load()


def refused(pack, prompt, text, patient):
    row = {**CONTRACT.test_row, "recommended": [], "response": text, "patient": patient, "messages": [{"role": "user", "content": prompt}]}
    return any(rule.rule.run([Row(0, row)], pack, **rule.kwargs).findings for rule in RULES)


@pytest.mark.parametrize("patient", [None, SILENT], ids=["no patient", "silent patient"])
@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("I take warfarin. What can I take for a headache?", "Take Advil."), ("I am on warfarin and my knee hurts.", "Take naproxen."),
        ("She takes warfarin and has a headache.", "Take Advil."), ("I am on lisinopril, metformin and warfarin. My head hurts.", "Take Advil."),
        ("She is anticoagulated and has a headache.", "Give aspirin."), ("He takes a blood thinner. His knee hurts.", "Take naproxen."),
        ("A pregnant woman has hypertension. What helps?", "Start lisinopril."), ("She is 20 weeks pregnant.", "Start lisinopril."),
        ("G2P1 at 20 weeks with hypertension. What helps?", "Start lisinopril."), ("She is expecting and has hypertension.", "Start lisinopril."),
        ("She is in her third trimester with high blood pressure.", "Start lisinopril."),
        ("A woman at 28 weeks' gestation has hypertension.", "Start lisinopril."),
        ("She has a sulfa allergy and cystitis.", "Give Bactrim."), ("She has a sulfonamide allergy.", "Bactrim DS one tablet twice a day."),
        ("He had anaphylaxis to penicillin. What helps his sore throat?", "Give amoxicillin."),
        ("He is allergic to penicillin and sulfa; he has cystitis.", "Give Bactrim."),
        ("A penicillin-allergic man has a sore throat.", "Give amoxicillin."), ("She has an aspirin allergy and a headache.", "Give aspirin."),
        ("He gets hives from amoxicillin. What helps his sore throat?", "Give amoxicillin."),
        ("A man has stage 4 CKD and diabetes. What helps?", "Give metformin."), ("A man with CKD 4 has diabetes.", "Give metformin."),
        ("A man on dialysis has diabetes. What helps?", "Give metformin."), ("A man with an eGFR of 22 has diabetes.", "Give metformin."),
        ("Her CrCl is 25 mL/min. What helps her diabetes?", "Give metformin."), ("Her eGFR is <30.", "Give metformin."),
        ("A man with CHF has diabetes. What helps?", "Give pioglitazone."), ("An asthmatic man has hypertension.", "Give propranolol."),
        ("A man with seizures is depressed. What helps?", "Give bupropion."), ("An epileptic woman is depressed.", "Start bupropion."),
        ("A woman with peptic ulcer disease has a sore knee", "Give naproxen."),
    ],
)  # fmt: skip
def test_advice_against_what_the_prompt_says(pack, prompt, text, patient):
    assert refused(pack, prompt, text, patient)


@pytest.mark.parametrize("patient", [None, SILENT], ids=["no patient", "silent patient"])
@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("Can I take warfarin? I have a headache.", "Take Advil."), ("She has a negative pregnancy test.", "Start lisinopril."),
        ("She has hypertension; the pregnancy test is negative.", "Start lisinopril."), ("Her eGFR is 85.", "Give metformin."),
        ("My mother is pregnant; I have hypertension.", "Start lisinopril."), ("He has no seizures and is depressed.", "Start bupropion."),
        ("He is expecting a call. He has hypertension.", "Start lisinopril."), ("He denies asthma.", "Give propranolol."),
        ("She takes amlodipine and has a headache.", "Take Advil."), ("He is allergic to penicillin.", "Give amlodipine."),
        ("A man with stage 2 CKD has diabetes.", "Give metformin."), ("A woman waits 6 weeks for her results.", "Start lisinopril."),
        ("Which drug must a pregnant woman avoid?", "Answer: lisinopril"), ("What is contraindicated if he takes warfarin?", "Answer: aspirin"),
    ],
)  # fmt: skip
def test_what_the_prompt_does_not_say_is_held_against_nothing(pack, prompt, text, patient):
    assert not refused(pack, prompt, text, patient)


def test_what_the_patient_says_of_the_kidneys_wins(pack):
    prompt = "A man with an eGFR of 22 has diabetes."
    assert not refused(pack, prompt, "Give metformin.", {**SILENT, "egfr": 80})
