# ruff: noqa: RUF001
"""Doses as people write them: overdoses that are found, proper doses and other numbers that pass, doses that cannot be read."""

import pytest

from bbflow.contracts.engine.row import Row
from bbflow.contracts.rules.safety.text_doses import text_dose_within_maximum
from bbflow.contracts.rules.safety.text_safety import text_drugs_known
from bbflow.graph import ClinicalPack

OVERDOSES = [
    "Amlodipine 10 mg, two at night",
    "For high glucose give metformin 5000 mg.", "After the overdose give acetaminophen 10 g.",
    "From the box take 10 tablets of amlodipine 5 mg.", "For weight control start metformin 5 g daily.",
    "Amlodipine 10 mg, 2 tablets daily.", "Start amlodipine 10 mg (2 tablets) daily.", "Amlodipine 10 mg tablets, take 2.",
    "Take two 10 mg amlodipine.", "Amlodipine 10 mg bds", "Amlodipine 10 mg qAM and qHS", "Amlodipine 10 mg qAM and 10 mg qHS",
    "Amlodipine 10 mg mane et nocte", "Amlodipine 10 mg 1-0-1", "Amlodipine 10 mg, 1+1+1", "Amlodipine 10 mg with each meal",
    "Amlodipine 10 mg am & pm", "Amlodipine 10 mg ter in die", "Amlodipine 10 mg/h", "Amlodipine 10 mg o.d. + 10 mg nocte",
    "Amlodipine 10 mg ii tabs", "Amlodipine 10 mg, ii tabs daily", "Ibuprofen 800 mg, 2 tablets three times a day.",
    "Acetaminophen 500 mg: take 3 tablets every 6 hours.", "Acetaminophen 500 mg, 2 tabs 6 times/day.", "Acetaminophen 1 g 4/24.",
    "Metformin 1000 mg with each meal.", "Amlodipine 10 mg b.d.s.", "Amlodipine 10 mg q.a.m. and q.h.s.",
    "Amlodipine 10 mg, one tablet in the morning and one at bedtime.", "Amlodipine 10 mg: 1 tab mane, 1 tab nocte",
    "Amlodipine 10 mg tab: ii PO daily", "Take amlodipine 10 mg x 2 tablets daily.", "Take 2 x 10 mg amlodipine daily.",
    "Amlodipine 2 x 10 mg once a day", "Amlodipine 10 mg x2 OD", "Take two of the 10 mg tablets of amlodipine",
    "Amlodipine 10 mg tablets: two every morning", "Amlodipine 10 mg tablets, two tablets each morning", "Amlodipine 10 mg 1-1-1-1",
    "Amlodipine 5 mg 2-0-1", "Amlodipine 5 mg 1+1+1", "Amlodipine 10 mg after meals", "Amlodipine 10 mg before every meal",
    "Amlodipine 10 mg with breakfast and dinner", "Acetaminophen 1 g 4-hourly", "Acetaminophen 1 g four hourly", "Acetaminophen 1 g q4h",
    "Acetaminophen 1.5 g 6/24", "Acetaminophen 1 g at 4-hour intervals", "Acetaminophen 1 g 5x/day",
    "Acetaminophen 1 g every other hour", "Ibuprofen 800 mg q.i.d. + 800 mg nocte", "Ibuprofen 1200 mg tds pc",
    "Ibuprofen 1200 mg t.d.s.", "Ibuprofen 800 mg 1-1-1-2", "Metformin 1 g 1-1-1", "Metformin 1000 mg breakfast, lunch and dinner",
    "Metformin 1000 mg at mealtimes", "Metformin 500 mg, two tablets with each meal", "Metformin 850 mg qid",
    "Amlodipine 10 mg at 8 am and 8 pm", "Amlodipine 10 mg at 08:00 and 20:00", "Amlodipine 10 mg 12-hourly",
    "Amlodipine 10 mg bis in die", "Amlodipine 10 mg every twelve hours", "Amlodipine 10 mg in the a.m. and 10 mg in the p.m.",
    "Amlodipine 5 mg qAM plus 10 mg qPM", "Amlodipine 10 mg daily and another 5 mg at night", "Amlodipine 2 × 10 mg daily",
    "Lisinopril 30 mg, 2 bd", "Amlodipine 10 mg 2 daily", "Amlodipine 20 mg", "Acetaminophen 100 mg/kg/day for this 70 kg man.",
    "Acetaminophen 15 mg/kg q4h for a 90 kg man.", "Acetaminophen 1 g every 6 hours, max 8 g/day", "Acetaminophen 3 x 500 mg qid",
    "Take three acetaminophen 500 mg every 6 hours", "Acetaminophen 500 mg capsules, iii q6h",
    "Acetaminophen 500 mg, three capsules every six hours", "Give 1 g of acetaminophen every 4 hours.",
    "Acetaminophen 250 mg/5 mL, 30 mL every 6 hours", "Acetaminophen 500 mg tablets; take 3 four times daily",
    "Acetaminophen 500 mg. Take 3 tablets every 6 hours.", "Take 3 tablets of 500 mg acetaminophen four times a day",
    "Amlodipine 10 mg one tablet twice daily", "Amlodipine 10 mg daily at breakfast and at bedtime",
    "Amlodipine 10 mg each morning and each evening", "Amlodipine 10 mg q12", "Amlodipine 10mg BD", "Amlodipine 10 mg twice/day",
    "Amlodipine 10 mg 2/d", "Amlodipine 10 mg once in the morning and once in the evening", "Amlodipine, two 10-mg tablets a day",
    "Amlodipine 10 mg, take one tablet morning and night", "Amlodipine 10 mg, take a tablet every 8 hours",
    "Amlodipine 10 mg, 1 in the morning and 1 at night", "Amlodipine 10 mg 1 tds", "Amlodipine 10 mg ×2", "Amlodipine 10 mg ×3/d",
    "Lisinopril 40 mg 1½ tablets twice daily", "Lisinopril 40 mg, one and a half tablets bd",
]  # fmt: skip
PROPER = [
    "Acetaminophen 1 g QID (max 4 g/day).", "Ibuprofen 400 mg q8h prn, max 1200 mg/24 h.",
    "Metformin 500 mg BID, titrated up to a maximum of 2000 mg/day.", "Acetaminophen 500 mg 6-hourly.",
    "Acetaminophen 50 mg/kg/day for this 70 kg man.", "Acetaminophen 10 mg/kg q6h; he weighs 90 kg.", "Creatinine 1.2 mg/dL.",
    "Glucose 250 mg/dL.", "Weight 90 kg.", "Dispense 90 tablets of amlodipine 5 mg.",
    "He swallowed 12 g of acetaminophen an hour ago: call poison control.", "Amlodipine 5 mg, 2 tablets daily.", "Amlodipine 5 mg bds",
    "Amlodipine 5 mg mane et nocte", "Amlodipine 5 mg 1-0-1", "Amlodipine 10 mg 1-0-0", "Amlodipine 10 mg 0-0-1",
    "Amlodipine 10 mg, 1 tablet daily", "Amlodipine 10 mg tablets, take 1.", "Amlodipine 10 mg tablets, take one daily for 30 days.",
    "Amlodipine 10 mg i tab daily", "Amlodipine 5 mg tablets, dispense 30 tablets, 2 refills.", "Amlodipine 5 mg daily. Dispense #90.",
    "Amlodipine 5 mg qAM and 5 mg qHS", "Amlodipine 5 mg o.d. + 5 mg nocte", "Amlodipine 10 mg in the morning with breakfast",
    "Amlodipine 10 mg at 8 am", "Amlodipine 10 mg at 8 am in the morning", "Amlodipine 10 mg, half a tablet twice daily",
    "Amlodipine 10 mg ½ tablet bd", "Amlodipine 10 mg, 1/2 tablet twice daily", "Amlodipine 5-10 mg once daily",
    "Amlodipine 5 to 10 mg daily", "Take amlodipine 5-10 mg tablets daily", "Metformin 500 mg with each meal.",
    "Metformin 500 mg twice daily with meals.", "Metformin 1000 mg twice daily with meals", "Metformin 850 mg t.d.s. after meals",
    "Metformin 1000 mg with breakfast and dinner", "Metformin 500 mg with the evening meal", "Metformin 2000 mg in two divided doses",
    "Metformin 2000 mg/day divided bid", "Acetaminophen 1 g 6/24", "Acetaminophen 650 mg 4-6 hourly",
    "Acetaminophen 1 g every 4 to 6 hours as needed (max 4 g/day)", "Acetaminophen 1 g six hourly",
    "Acetaminophen 1 g every 6 hours; do not exceed 4 g in 24 hours", "Acetaminophen 500 mg, 2 tablets every 6 hours",
    "Acetaminophen 500 mg: take 2 tablets every 6 hours (no more than 8 tablets a day).", "Acetaminophen, not more than 4 g daily",
    "Acetaminophen 1000 mg (two 500 mg tablets) every 6 hours", "Acetaminophen 1000 mg (2 tablets of 500 mg) every 6 hours",
    "Acetaminophen 500 mg tablets, 2 tablets (1000 mg) every 6 hours", "Acetaminophen 250 mg/5 mL, 10 mL every 6 hours",
    "Ibuprofen 400 mg 1-1-1", "Ibuprofen 600 mg 3 times a day, up to a maximum of 2400 mg/day",
    "Ibuprofen 200 mg every 4 hours as needed", "Ibuprofen 400 mg tid for 5 days", "Ibuprofen 400 mg x 3 x 5 days",
    "Amlodipine 10 mg x 7 days", "Amlodipine 10 mg once daily x 30 days", "Amlodipine 5 mg, titrate to 10 mg daily after two weeks",
    "Amlodipine 5 mg twice daily, titrate to 10 mg", "Amlodipine 10 mg every other day", "Amlodipine 10 mg three times a week",
    "Amlodipine 10 mg weekly", "Amlodipine 10 mg daily; creatinine 1.2 mg/dL, glucose 250 mg/dL, weight 90 kg.",
    "Amlodipine 10 mg for this 90 kg man", "Amlodipine 10 mg reduces blood pressure", "Amlodipine 10 mg and lisinopril 40 mg daily",
    "The patient took 8 g of acetaminophen yesterday.", "She ingested about 10 g of acetaminophen; start the antidote.",
    "Amlodipine is available as 5 mg and 10 mg tablets.", "Amlodipine 5 mg daily for a week and 10 mg daily thereafter",
    "Amlodipine 5 mg daily, then increase to 10 mg daily", "Amlodipine 10 mg od", "Amlodipine 10 mg po daily", "Amlodipine 10 mg hs",
    "Amlodipine 10 mg stat", "Amlodipine 10 mg every day", "Amlodipine 10 mg every morning", "Amlodipine 10 mg per day is the maximum",
    "40 mg x 3 = 120 mg, which is above the maximum daily dose of amlodipine.", "Answer: 10 mg per day. Amlodipine",
    "Lisinopril 40 mg/day", "1. Lisinopril 40 mg daily 2. amlodipine 10 mg daily", "Lisinopril 20 mg, 1 bd", "Amlodipine 10 mg, 1 od",
    "Amlodipine 10 mg tablets 30 days", "Amlodipine 10 mg tablet 2 hours before bed", "Amlodipine 5 mg. Take 2 tablets daily.",
    "Amlodipine 5 mg ×2", "Amlodipine 10 mg daily. Take 2 tablets of lisinopril 20 mg daily.", "Amlodipine 10 mg at all times",
    "Amlodipine 5 mg 1 in the morning and 1 at night",
]  # fmt: skip
NOT_UNDERSTOOD = [
    "Acetaminophen 15 mg/kg q4h", "Acetaminophen 15 mg per kg every six hours.", "Amlodipine 5 mg several times a day",
    "Amlodipine 5 mg qxd", "Amlodipine 5 mg every few hours", "Amlodipine 5 mg alternis horis", "Amlodipine 5 mg/m2 daily",
    "Give 15 mg/kg of acetaminophen", "Amlodipine 5 mg qac", "Amlodipine 5 mg as often as needed", "Amlodipine 5 mg zds",
]  # fmt: skip


@pytest.fixture(scope="module")
def pack():
    return ClinicalPack().load()


def reasons(pack, text, prompt="Which drug?", patient=None):
    row = Row(0, {"response": text, "patient": patient, "messages": [{"role": "user", "content": prompt}]})
    return [str(reason) for reason in text_dose_within_maximum(row, pack)]


@pytest.mark.parametrize("text", OVERDOSES)
def test_an_overdose_is_found(pack, text):
    assert any("exceeds the maximum" in reason for reason in reasons(pack, text))


@pytest.mark.parametrize("text", PROPER)
def test_a_proper_dose_and_a_number_that_is_no_dose_pass(pack, text):
    assert reasons(pack, text) == []
    row = Row(0, {"response": text, "patient": None})
    assert list(text_drugs_known(row, pack)) == []


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_a_dose_that_cannot_be_read_is_a_finding_of_its_own(pack, text):
    [reason] = reasons(pack, text)
    assert reason.startswith("the dose '")
    assert "was not understood" in reason


def test_a_dose_that_cannot_be_read_is_quoted_with_its_reason(pack):
    assert reasons(pack, "Amlodipine 5 mg qxd") == ["the dose '5 mg qxd' was not understood: its frequency cannot be read"]
    assert reasons(pack, "Give acetaminophen 15 mg/kg q4h.") == ["the dose '15 mg/kg' was not understood: no body weight is given"]


def test_what_is_advised_against_or_has_no_maximum_need_not_be_understood(pack):
    assert reasons(pack, "Do not give amlodipine 5 mg qxd.") == []


@pytest.mark.parametrize(("weight", "found"), [(40, False), (70, True)])
def test_the_weight_is_that_of_the_response_the_patient_or_the_prompt(pack, weight, found):
    text = "Give acetaminophen 15 mg/kg q4h."  # 90 mg/kg/day: 3600 mg at 40 kg, 6300 mg at 70 kg
    assert bool(reasons(pack, f"{text} He weighs {weight} kg.")) == found
    assert bool(reasons(pack, text, prompt=f"A man of {weight} kg has fever.")) == found
    assert bool(reasons(pack, text, patient={"weight_kg": weight})) == found
    assert (
        reasons(pack, f"{text} He weighs {weight} kg.", prompt="A man of 300 kg")[:1] == reasons(pack, text, patient={"weight": weight})[:1]
    )


def test_a_weight_in_pounds_is_converted(pack):
    assert reasons(pack, "Give acetaminophen 15 mg/kg q4h; she weighs 154 lb.") == [
        "acetaminophen 6286.79 mg/d exceeds the maximum of 4000 mg/d"
    ]
