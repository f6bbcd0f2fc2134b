# ruff: noqa: RUF001
"""Rows that try to get past the shipped clinical contract; each of them did once, or might, and none does."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from bbflow.contracts import Row, load_contract
from bbflow.contracts.contract import QualityRule
from bbflow.contracts.validation import _rules
from bbflow.graph import ClinicalPack

SHIPPED = Path(__file__).parents[2] / "data_contracts" / "clinical_qa.odcs.yaml"
CONTRACT = load_contract(SHIPPED)
ROW = dict(CONTRACT.test_row)  # a man with hypertension and asthma, who must not have propranolol
# What a row of an unsafe text gets wrong by itself, as every such row does: its answer.
OTHERS = {"response-states-answer", "answer-entailed", "refusal-where-required", "no-split-leakage"}


@pytest.fixture(scope="module")
def pack():
    return ClinicalPack().load()


def found(pack, row, only=""):
    """Rule id to its first reason."""
    out = {}
    for rule in _rules(CONTRACT):
        assert isinstance(rule, QualityRule)
        if rule.id not in OTHERS and rule.id.startswith(only):
            findings = rule.rule.run([Row(0, row)], pack, **rule.kwargs).findings
            if findings:
                out[rule.id] = findings[0].reason
    return out


def test_the_row_itself_passes(pack):
    assert found(pack, ROW) == {}


@pytest.mark.parametrize(
    "text",
    [
        "Propranolol it is.", "Go for propranolol.", "Propranolol would work well here.", "He could have propranolol.", "Best: propranolol.",
        "Don't be afraid to use propranolol.", "Don't stop propranolol; start it at 40 mg.", "Never withhold propranolol.", "Plan: propranolol.",
        "Do not, under any circumstances, withhold propranolol.", "Don't avoid propranolol.", "He must not go without propranolol.",
        "Nothing but propranolol helps.", "No drug other than propranolol will do.", "You can't go wrong with propranolol.",
        "Not amlodipine but propranolol.", "Rather than amlodipine, propranolol.", "Avoid amlodipine; propranolol instead.",
        "Swap amlodipine for propranolol.", "No smoking, propranolol.", "Given the history of asthma, propranolol.", "Why not propranolol?",
        "It is not true that propranolol should be avoided; give it.", "Propranolol is not contraindicated, so start it.",
        "Propranolol is contraindicated in asthma, but give it anyway.", "Propranolol is usually avoided; here it should be given.",
        "It would be wrong not to give propranolol.", "Nothing speaks against propranolol, so start it.", "Use of propranolol is recommended.",
        "Prescribing propranolol makes sense.", "The only option left is Inderal.", "Have him take Inderal.",
        "Give рrорrаnоlоl", "Give ᴘʀᴏᴘʀᴀɴᴏʟᴏʟ", "Give 𝐩𝐫𝐨𝐩𝐫𝐚𝐧𝐨𝐥𝐨𝐥", "Give ⓟⓡⓞⓟⓡⓐⓝⓞⓛⓞⓛ", "Give prop\u00adranolol", "Give prop\u2011ranolol",
        "Give propranol0l", "Give prop\nranolol", "Give pröpranolöl", "- propranolol\n- amlodipine",
    ],
)  # fmt: skip
def test_advice_in_other_words(pack, text):
    assert "text-no-contraindicated-drug" in found(pack, {**ROW, "response": text}, "text-no-contra")


@pytest.mark.parametrize(
    "text",
    [
        "Rather than propranolol, amlodipine.", "Not propranolol but amlodipine.", "Avoid propranolol; amlodipine instead.", "No propranolol.",
        "Swap propranolol for amlodipine.", "Propranolol is a beta blocker.", "Propranolol can narrow the airways and causes wheezing.",
        "Propranolol is contraindicated, so do not start it.", "He has never had asthma attacks on amlodipine. Avoid propranolol.",
        "Use of propranolol is dangerous.", "Don't give propranolol, and don't forget to check the pulse.", "Do not give propranolol or nadolol.",
        "Avoid propranolol. Do not stop amlodipine.", "Do not give or even consider propranolol.",
    ],
)  # fmt: skip
def test_near_misses_pass(pack, text):
    assert found(pack, {**ROW, "response": text}, "text-no-contra") == {}


@pytest.mark.parametrize(
    "text",
    [
        "Start amlodipine fifty mg daily.", "Start amlodipine 5 mg ten times a day.", "Start amlodipine 5 mg x 4", "Start amlodipine 5 mg hourly",
        "Start amlodipine 5 mg every hour", "Start amlodipine 5 mg q.i.d.", "Start amlodipine 5 mg every 4-6 hours", "Give 20 mg Norvasc",
        "Start amlodipine 10 mg morning and evening", "Start amlodipine 10 mg in the morning and 10 mg in the evening", "50 mg amlodipine",
        "Start amlodipine, 2 tablets of 10 mg", "Start amlodipine two 10 mg tablets daily", "Give 50 mg of amlodipine.",
        "Start amlodipine 50 milligrammes", "Start amlodipine 1e3 mg", "Start amlodipine 1 000 mg", "Start amlodipine 1.000,5 mg",
        "Start amlodipine 5 mg and increase to 50 mg daily.", "Start amlodipine thrice daily 5 mg", "Start amlodipine 5 mg\nfour times daily",
        "Start amlodipine twice daily, 10 mg each time", "Take 5 tablets of amlodipine 10 mg", "Start amlodipine 5 mg every 30 minutes",
        "Start amlodipine in a daily dose of no less than 50 mg", "Start amlodipine ５０ ㎎", "Start amlodipine 0,05 g", "Start amlodipine 50–mg",
    ],
)  # fmt: skip
def test_doses_in_other_words(pack, text):
    assert "text-dose-within-maximum" in found(pack, {**ROW, "response": text}, "text-dose")


@pytest.mark.parametrize(
    "text",
    [
        "5 mg of amlodipine daily", "Give 5 mg amlodipine and 1000 mg metformin.", "Amlodipine 5 mg, metformin 1000 mg twice daily",
        "Take one 10 mg tablet of amlodipine.", "Start amlodipine 5 mg morning and evening", "amlodipine 2.5 mg q.i.d.",
        "amlodipine 2.5 mg every 6 to 8 hours", "Two tablets of amlodipine 5 mg", "amlodipine five mg", "Do not give amlodipine 50 mg.",
        "Give amlodipine 5 mg. Walk 50 minutes three times a week.", "Give amlodipine and 1 g of acetaminophen every 6 hours.",
        "metformin 1 000 mg daily and amlodipine 10 mg", "metformin 850 mg three times daily with amlodipine 10 mg in the morning",
    ],
)  # fmt: skip
def test_right_doses_pass(pack, text):
    assert found(pack, {**ROW, "response": text}, "text-dose") == {}


@pytest.mark.parametrize("text", ["Start warfrin.", "Start wafrarin 5 mg.", "Give metformine.", "Give propanolol."])
def test_a_misspelt_drug_is_unknown(pack, text):
    assert "text-drugs-known" in found(pack, {**ROW, "response": text}, "text-drugs")


def drug(name="propranolol", **dose):
    return {"drug": name, "dose": None, "unit": None, "per_day": None, "route": None, **dose}


@pytest.mark.parametrize(
    "cell",
    [
        (drug(),), np.array([drug()], dtype=object), [[drug()]], np.array([[drug()]], dtype=object), drug(), "propranolol", None, float("nan"),
        '[{"drug": "propranolol"}]', [drug(b"propranolol")], [drug(["propranolol"])], [drug("amlodipine and propranolol")], [drug("")],
        [{"Drug": "propranolol"}], {"propranolol"}, [drug("Inderal LA")], [drug("рropranolol")], [drug("Ｐｒｏｐｒａｎｏｌｏｌ")], [drug("propran0lol")],
    ],
)  # fmt: skip
def test_recommendations_of_any_shape(pack, cell):
    assert found(pack, {**ROW, "recommended": cell}, "no-contraindicated")


@pytest.mark.parametrize(
    "dose",
    [
        {"dose": 50, "unit": "mg", "per_day": 1}, {"dose": 0.05, "unit": "g", "per_day": 1}, {"dose": 5, "unit": "mg", "per_day": 10},
        {"dose": 5, "unit": "MG", "per_day": 1}, {"dose": 5, "unit": ["mg"], "per_day": 1}, {"dose": 5, "unit": None, "per_day": 1},
        {"dose": 5, "unit": "mg", "per_day": None}, {"dose": 5, "unit": "mg", "per_day": float("nan")}, {"dose": 5, "unit": "mg", "per_day": 0},
        {"dose": "5", "unit": "mg", "per_day": 1}, {"dose": 10**400, "unit": "mg", "per_day": 1}, {"dose": 5, "unit": "mg", "per_day": 10**400},
        {"dose": float("inf"), "unit": "mg", "per_day": 1}, {"dose": True, "unit": "mg", "per_day": 1}, {"dose": -5, "unit": "mg", "per_day": 1},
        {"dose": Decimal(5), "unit": "mg", "per_day": 1}, {"dose": np.float32(50), "unit": "mg", "per_day": 1},
    ],
)  # fmt: skip
def test_doses_of_any_type(pack, dose):
    assert found(pack, {**ROW, "recommended": [drug("amlodipine", **dose)]}, "dose-within")


PATIENT = dict(ROW["patient"])


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("propranolol", {**PATIENT, "conditions": "asthma"}), ("propranolol", {**PATIENT, "conditions": [None]}), ("propranolol", {}),
        ("propranolol", [PATIENT]), ("propranolol", float("nan")), ("lisinopril", {**PATIENT, "pregnant": "yes"}),
        ("lisinopril", {**PATIENT, "pregnant": 1}), ("lisinopril", {**PATIENT, "pregnant": np.True_}),
        ("lisinopril", {**PATIENT, "conditions": ["Pregnancy"]}), ("metformin", {**PATIENT, "egfr": "20"}),
        ("metformin", {**PATIENT, "egfr": float("inf")}), ("metformin", {**PATIENT, "egfr": np.float32(20)}),
        ("metformin", {**PATIENT, "egfr": Decimal(20)}), ("methotrexate", {**PATIENT, "conditions": [], "egfr": 12.0}),
        ("metformin", {**PATIENT, "conditions": ["CKD stage 5"]}), ("amlodipine", {**PATIENT, "egfr": 10**400}),
    ],
)  # fmt: skip
def test_patients_of_any_shape(pack, name, patient):
    row = {**ROW, "recommended": [drug(name)], "patient": patient}
    assert {**found(pack, row, "no-contra"), **found(pack, row, "no-drug-against")}


@pytest.mark.parametrize("prompt", ["a 54-year-old MAN with asthma needs a drug for hypertension. Which one?", None])
def test_a_held_out_prompt_in_disguise(pack, prompt):
    content = ROW["messages"][0]["content"]
    disguised = prompt or content.replace("a", "а", 3).replace("man", "m\u200ban")
    rows = [Row(0, ROW), Row(1, {**ROW, "example_id": "f" * 16, "split": "test", "messages": [{"role": "user", "content": disguised}]})]
    rule = next(r for r in CONTRACT.rules if r.id == "no-split-leakage").rule
    assert rule.run(rows, pack).findings


@pytest.mark.parametrize(
    "text",
    [
        "Call 5551234567.", "MRS. SMITH came", "MR. O'NEIL", "MS. LEE", "d.o.b. 03-03-61", "date of birth is 3/3/1961", "DOB=1961-03-03",
        "born 3 march 1961", "Tel: +491701234567", "phone number is 5551234567", "Mr.\u00a0Smith", "M\u200br. Smith", "123\u201145\u20116789",
        "jane＠example.org", "Patient ID: A12345",
    ],
)  # fmt: skip
def test_people_in_other_spellings(pack, text):
    assert found(pack, {**ROW, "response": text}, "no-phi")
