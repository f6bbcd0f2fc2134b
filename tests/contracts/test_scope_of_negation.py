"""How far a negation reaches, and advice that is no advice: commas, colons, dashes, double negation, and what would be done."""

from pathlib import Path

import pytest

from bbflow.contracts import Row, load_contract
from bbflow.graph import ClinicalPack

CONTRACT = load_contract(Path(__file__).parents[2] / "data_contracts" / "clinical_qa.odcs.yaml")
(RULE,) = [rule for rule in CONTRACT.rules if rule.id == "text-no-contraindicated-drug"]
PATIENT = {"age": 54, "sex": "female", "pregnant": None, "conditions": ["asthma"], "medications": [], "allergies": [], "egfr": None}
SILENT_PROMPT = {"messages": [{"role": "user", "content": "What helps?"}]}


@pytest.fixture(scope="module")
def pack():
    return ClinicalPack().load()


def refused(pack, text, **patient):
    row = {**CONTRACT.test_row, **SILENT_PROMPT, "recommended": [], "response": text, "patient": {**PATIENT, **patient}}
    return bool(RULE.rule.run([Row(0, row)], pack, **RULE.kwargs).findings)


@pytest.mark.parametrize(
    "text",
    [
        "Do not give amlodipine, propranolol is the drug of choice. Answer: hypertension", "Avoid amlodipine, propranolol instead.",
        "Amlodipine should not be given, propranolol is preferred.", "Amlodipine is not suitable, propranolol is.",
        "She should not take amlodipine, propranolol should be used.", "Without amlodipine, propranolol is the best option.",
        "Not amlodipine: propranolol.", "Avoid amlodipine - propranolol is the best option.",
        "Do not use amlodipine or losartan, propranolol is preferred.",
        "Avoid amlodipine, and propranolol is preferred.", "Amlodipine must be avoided, propranolol can be used.", "Not amlodipine - propranolol.",
        "Avoid amlodipine: propranolol.", "Do not give amlodipine, low-dose propranolol is preferred.", "Never amlodipine, propranolol works best.",
        "Amlodipine is contraindicated, propranolol is fine.", "Don't use amlodipine, propranolol would be better.",
        "No amlodipine \u2014 propranolol.", "Rather than withholding propranolol, start it at a low dose.",
        "Instead of stopping propranolol, use it at half the dose.", "You can't go wrong with Inderal.",
        "Had she not had gout, I would hesitate, but give propranolol.", "If he did not have gout he would get aspirin, so give propranolol.",
        "If it were not for the swelling, we would keep amlodipine; give propranolol.",
        "Do not start losartan, amlodipine or lisinopril, propranolol is best.", "Amlodipine is not an option, propranolol will do.",
        "Without losartan, propranolol remains the choice.", "Skip amlodipine, propranolol instead.",
        "Avoid amlodipine, propranolol should be started.", "Avoid amlodipine (propranolol is better).",
        "Avoid amlodipine... propranolol is better.",
    ],
)  # fmt: skip
def test_advice_after_a_negation_that_has_ended(pack, text):
    assert refused(pack, text)


@pytest.mark.parametrize("text", ["Instead of avoiding bupropion, use it.", "Avoid sertraline, bupropion would be better."])
def test_advice_against_a_seizure_threshold(pack, text):
    assert refused(pack, text, conditions=["epilepsy"])


@pytest.mark.parametrize(
    "text",
    [
        "Do not give propranolol, amlodipine is the drug of choice.", "Avoid propranolol, amlodipine instead.",
        "Propranolol should not be given, amlodipine is preferred.", "Propranolol is not suitable, amlodipine is.",
        "She should not take propranolol, amlodipine should be used.", "Without propranolol, amlodipine is the best option.",
        "Not propranolol: amlodipine.", "Avoid propranolol - amlodipine is the best option.",
        "Do not use propranolol or labetalol, amlodipine is preferred.", "Instead of propranolol, use amlodipine.",
        "Avoid propranolol, labetalol and carvedilol.", "Avoid propranolol, carvedilol should also be avoided.",
        "No propranolol, labetalol or carvedilol should be given.", "Do not give propranolol, metoprolol is not allowed either.",
        "Avoid these drugs:\n- propranolol\n- labetalol", "Never give propranolol, not even at a low dose.",
        "Had she not had asthma, propranolol would have been an option; amlodipine is used instead.",
        "If it were not for the asthma, we would give propranolol.", "If not for the asthma, I would give propranolol.",
        "If she did not have asthma, propranolol would be ideal; give amlodipine.", "Were it not for your asthma, propranolol could be used.",
        "But for the asthma, propranolol would be an option, but amlodipine is used.",
        "Propranolol would have been an option without the asthma.", "The patient asked for Inderal, but amlodipine is what I prescribe.",
        "In the absence of asthma, propranolol would be an option.", "He requested propranolol; I prescribed amlodipine.",
    ],
)  # fmt: skip
def test_what_is_opposed_or_not_done_is_no_advice(pack, text):
    assert not refused(pack, text)


def test_a_class_that_a_reason_names_is_not_advised_with_the_drug(pack):
    text = "Because ACE inhibitors are teratogenic, labetalol is the choice."
    assert not refused(pack, text, pregnant=True, conditions=[])
    assert refused(pack, "Labetalol is out, ACE inhibitors are preferred.", pregnant=True, conditions=[])
