"""Drugs under the names that clinicians and patients use: abbreviations, salts, components, brands of other countries, families."""

from pathlib import Path

import pytest

from bbflow.contracts import Row, load_contract
from bbflow.graph import ClinicalPack

CONTRACT = load_contract(Path(__file__).parents[2] / "data_contracts" / "clinical_qa.odcs.yaml")
NOBODY = {"age": 54, "sex": "female", "pregnant": None, "conditions": [], "medications": [], "allergies": [], "egfr": None}
SILENT_PROMPT = {"messages": [{"role": "user", "content": "What helps?"}]}


@pytest.fixture(scope="module")
def pack():
    return ClinicalPack().load()


def failing(pack, text, **patient):
    """Return the ids of the text rules that a response breaks."""
    row = {**CONTRACT.test_row, **SILENT_PROMPT, "recommended": [], "response": text, "patient": {**NOBODY, **patient}}
    rules = [rule for rule in CONTRACT.rules if rule.id.startswith("text-")]
    return {rule.id for rule in rules if rule.rule.run([Row(0, row)], pack, **rule.kwargs).findings}


@pytest.mark.parametrize(
    ("text", "patient"),
    [
        ("ASA 325 mg now, then 81 mg daily.", {"conditions": ["active bleeding"]}),
        ("ASA 325 mg now, then 81 mg daily.", {"conditions": ["hemorrhagic stroke"]}),
        ("MTX 15 mg weekly with folic acid.", {"pregnant": True}), ("VPA 500 mg BID.", {"pregnant": True}),
        ("TMP-SMX DS one tablet BID", {"allergies": ["sulfonamide allergy"]}), ("Li 300 mg TID", {"egfr": 20}),
        ("Start sulfamethoxazole.", {"allergies": ["sulfonamide allergy"]}),
        ("Give sulfamethoxazole/trimethoprim 800/160 mg.", {"allergies": ["sulfonamide allergy"]}),
        ("Give SMX/TMP.", {"allergies": ["sulfonamide allergy"]}), ("Start TMP + SMX.", {"allergies": ["sulfonamide allergy"]}),
        ("Septrin forte twice daily.", {"allergies": ["sulfonamide allergy"]}), ("Start divalproex.", {"pregnant": True}),
        ("Start Epilim 500 mg twice daily.", {"pregnant": True}), ("Restart Maxtrex.", {"pregnant": True}),
        ("Sodium valproate 500 mg twice daily.", {"pregnant": True}), ("Give Dociton 40 mg.", {"conditions": ["asthma"]}),
        ("Give Avlocardyl.", {"conditions": ["asthma"]}), ("Propranolol hydrochloride 40 mg daily.", {"conditions": ["asthma"]}),
        ("Give Elontril.", {"conditions": ["epilepsy"]}), ("Start Clamoxyl.", {"allergies": ["penicillin allergy"]}),
        ("Anticoagulation is recommended.", {"conditions": ["active bleeding"]}), ("Prescribe a blood thinner.", {"conditions": ["active bleeding"]}),
    ],
)  # fmt: skip
def test_what_the_patient_must_not_have_is_found(pack, text, patient):
    assert "text-no-contraindicated-drug" in failing(pack, text, **patient)


@pytest.mark.parametrize(
    ("text", "medication"),
    [
        ("Add HCTZ.", "lithium"), ("Give SL NTG", "sildenafil"), ("GTN spray", "sildenafil"), ("Give ASA 81 mg.", "warfarin"),
        ("Nitrolingual as needed.", "sildenafil"), ("Start Klaricid.", "simvastatin"), ("Take Brufen.", "warfarin"),
    ],
)  # fmt: skip
def test_what_interacts_is_found(pack, text, medication):
    assert {"text-no-interacting-pair", "text-needs-no-caution"} & failing(pack, text, medications=[medication])


@pytest.mark.parametrize(
    "text",
    [
        "Pen VK 500 mg QID.", "Start ABC 15 mg.", "Start ABCD 15 mg.", "Give INH 300 mg daily.", "Start PTU.", "XYZ 20 mg twice daily.",
        "Start Augmentin.", "Give trimethoprim 200 mg.", "Add MMF 1 g.",
    ],
)  # fmt: skip
def test_a_name_that_the_graph_does_not_have_is_an_unknown_drug(pack, text):
    assert "text-drugs-known" in failing(pack, text, allergies=["penicillin allergy"])


@pytest.mark.parametrize("text", ["APAP 1500 mg QID.", "Paracetamol sodium 1500 mg QID.", "HCTZ 500 mg daily.", "HCT 500 mg daily."])
def test_doses_of_other_names_are_read(pack, text):
    assert failing(pack, text) == {"text-dose-within-maximum"}


@pytest.mark.parametrize(
    "text",
    [
        "Metformin hydrochloride 500 mg twice daily.", "Amlodipine besylate 5 mg daily.", "Metoprolol tartrate 25 mg twice daily.",
        "Metoprolol succinate 50 mg daily.", "Levothyroxine sodium 50 mcg daily.", "Warfarin sodium 5 mg daily.",
        "Naproxen sodium 220 mg twice daily.", "Losartan potassium 50 mg daily.", "Atorvastatin calcium 20 mg daily.",
        "Lithium carbonate 300 mg twice daily.", "Azithromycin monohydrate 500 mg daily.", "Azithromycin dihydrate 500 mg daily.",
        "Amoxicillin trihydrate 500 mg three times daily.", "Cephalexin monohydrate 500 mg four times daily.", "Metformin HCl 500 mg twice daily.",
        "Sodium valproate 500 mg twice daily.", "Sumatriptan succinate 50 mg once.", "Diltiazem (hydrochloride) 60 mg three times daily.",
        "5 mg amlodipine besilate daily.", "Give HCTZ 25 mg.", "Give APAP 500 mg.", "Doxycycline hyclate 100 mg twice daily.",
        "Max 40 mg daily.", "LDL 130 mg/dL.", "Amlodipine tab 5 mg daily.", "Add 5 mg amlodipine.", "Start Istin 5 mg daily.",
        "Take Panadol 500 mg.", "Lev is a name.",
    ],
)  # fmt: skip
def test_known_drugs_under_other_names_pass(pack, text):
    assert failing(pack, text) == set()
