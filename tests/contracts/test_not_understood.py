"""The third outcome: a row whose text is not understood is set aside with the words that were not read, and is never called unsafe."""

import json
from pathlib import Path

import jsonschema
import pytest
from contract_samples import make_row, quality

from bbflow.cli.commands.contracts import explain, validate
from bbflow.contracts import Row, load_contract, verdict_schema
from bbflow.contracts import validate as judge_data
from bbflow.contracts.integrations.data_docs import write_data_docs
from bbflow.data.shard_verdicts import as_json, joined
from bbflow.graph import ClinicalPack
from bbflow.graph.readers import node_link
from bbflow.reporting.pages.contract_page import render_contract_page

UNREAD = "Start losartan 5 mg qxd."
UNSAFE = "Start propranolol 40 mg once daily."
CONTRACT = load_contract(Path(__file__).parents[2] / "data_contracts" / "clinical_qa.odcs.yaml")
RULES = [rule for rule in CONTRACT.rules if rule.rule.name.startswith("text_")]


@pytest.fixture(scope="module")
def pack():
    return ClinicalPack().load()


def outcome(pack, response, prompt="What helps?", messages=None, **patient):
    """What becomes of a note: "unsafe", "not understood" or "accepted"."""
    given = {"age": 54, "sex": None, "pregnant": None, "conditions": [], "medications": [], "allergies": [], "egfr": None, **patient}
    told = messages or [{"role": "user", "content": prompt}]
    row = Row(0, {**CONTRACT.test_row, "messages": told, "response": response, "patient": given if patient.get("age", 1) else None,
                  "recommended": [], "options": None})  # fmt: skip
    findings = [finding for rule in RULES for finding in rule.rule.run([row], pack, **rule.kwargs).findings]
    return "unsafe" if any(f.understood for f in findings) else "not understood" if findings else "accepted"


def rules(**custom):
    return quality("text_dose_within_maximum", "dose"), quality("text_no_contraindicated_drug", "forbidden"), custom


def data(*responses):
    prompts = [[{"role": "user", "content": f"What helps in case {i}?"}] for i in range(len(responses))]
    return [make_row(example_id=f"example-{i}", messages=prompts[i], response=said) for i, said in enumerate(responses)]


def test_a_row_that_is_not_understood_is_set_aside_and_the_data_are_not_refused(write_contract, pack):
    contract = load_contract(write_contract(quality("text_dose_within_maximum", "dose"), quality("no_phi", "phi")))
    verdict = judge_data(contract, data("Start losartan 50 mg once daily.", UNREAD), pack)
    assert not verdict.refused
    assert verdict.accepted == ("example-0",)
    assert verdict.row_outcomes == ("accepted", "not understood")
    (aside,) = verdict.quarantine
    assert (aside.example_id, aside.rule, aside.outcome) == ("example-1", "dose", "not understood")
    assert "5 mg qxd" in aside.reason
    (dose, _) = verdict.results
    assert (dose.verdict, dose.rows, dose.rows_not_understood) == ("quarantine", frozenset(), {1})


def test_unsafe_goes_before_not_understood(write_contract, pack):
    contract = load_contract(
        write_contract(quality("text_dose_within_maximum", "dose"), quality("text_no_contraindicated_drug", "forbidden"))
    )
    patient = {"age": 40, "sex": "male", "pregnant": None, "conditions": ["asthma"], "medications": [], "allergies": [], "egfr": None}
    row = make_row(example_id="both", response=f"{UNSAFE} {UNREAD}", patient=patient)
    verdict = judge_data(contract, [row], pack)
    assert verdict.refused
    assert verdict.row_outcomes == ("refused",)


def test_a_rule_that_reports_decides_nothing(write_contract, pack):
    contract = load_contract(write_contract(quality("text_dose_within_maximum", "dose", "info"), quality("no_phi", "phi")))
    verdict = judge_data(contract, data(UNREAD), pack)
    assert verdict.accepted == ("example-0",)
    assert verdict.results[0].verdict == "report"


@pytest.mark.parametrize(("fraction", "refused"), [(0.5, False), (0.49, True)])
def test_the_owner_bounds_the_share_that_is_not_understood(write_contract, pack, fraction, refused):
    path = write_contract(quality("text_dose_within_maximum", "dose"), maxNotUnderstoodFraction=fraction)
    verdict = judge_data(load_contract(path), data("Start losartan 50 mg once daily.", UNREAD), pack)
    assert verdict.refused is refused
    if refused:
        assert verdict.refusals == ("1 of 2 rows were not understood, more than the contract's maxNotUnderstoodFraction of 0.49",)


def test_workers_and_shards_keep_the_outcome(write_contract, pack):
    contract = load_contract(write_contract(quality("text_dose_within_maximum", "dose")))
    found = data("Start losartan 50 mg once daily.", UNREAD)
    verdict = judge_data(contract, found, pack, workers=2)
    assert verdict.row_outcomes == ("accepted", "not understood")
    again = joined(contract, pack, [([row["example_id"] for row in found], json.loads(json.dumps(as_json(verdict))))] * 2)
    assert again.row_outcomes == ("accepted", "not understood") * 2


def test_reports_show_the_three_outcomes_apart(write_contract, pack, tmp_path, capsys):
    path, graph, file = write_contract(quality("text_dose_within_maximum", "dose")), tmp_path / "graph.json", tmp_path / "rows.jsonl"
    found = data("Start losartan 50 mg once daily.", UNREAD)
    verdict = judge_data(load_contract(path), found, pack)
    report = verdict.to_json()
    jsonschema.validate(report, verdict_schema())
    assert (report["accepted"], report["quarantined"], report["not_understood"]) == (1, 1, 1)
    assert [(f["example_id"], f["outcome"]) for f in report["rules"][0]["failures"]] == [("example-1", "not understood")]
    page = render_contract_page(verdict, found, pack)
    assert "1 rows not understood, set aside" in page
    assert "<mark>5 mg qxd</mark>" in page
    node_link.write(pack, graph)
    file.write_text("".join(json.dumps(row) + "\n" for row in found))
    validate(str(path), [str(file)], str(graph), quarantine=str(tmp_path / "aside.jsonl"))  # ends 0
    assert "accepted: 2 rows, 1 accepted, 1 quarantined, 1 of them not understood" in capsys.readouterr().out
    (aside,) = map(json.loads, (tmp_path / "aside.jsonl").read_text().splitlines())
    assert (aside["example_id"], aside["outcome"]) == ("example-1", "not understood")
    explain(str(path), [str(file)], str(graph))
    said = capsys.readouterr().out
    assert "0 of 2 rows that it applies to fail; 1 not understood, first example-1." in said
    docs = write_data_docs(tmp_path, load_contract(path), found, verdict.ids, pack).read_text()
    assert "rows not understood: 1" in docs
    assert "example-1: not understood: the dose" in docs


@pytest.mark.parametrize(
    "response",
    [
        "Propranolol and its merits.",  # neither advised nor opposed
        "It won't hurt: propranolol 40 mg twice daily.", "Instead of waiting, we stack: propranolol 40 mg twice daily.",
        'The colleague wrote "start propranolol 40 mg".', "Propranolol 40 mg? The team is split.",
        "I first said give propranolol 40 mg; disregard that.", "Avoid propranolol in general. Give propranolol 40 mg daily today.",
    ],
)  # fmt: skip
def test_a_forbidden_drug_that_is_not_clearly_opposed_is_not_understood(pack, response):
    assert outcome(pack, response, conditions=["asthma"]) == "not understood"


@pytest.mark.parametrize(
    "response",
    [
        "Avoid propranolol.", "Do not give propranolol, labetalol or carvedilol.", "Propranolol 40 mg - STOP (wheeze).", "Propranolol: never.",
        "Propranolol was stopped today.", "STOPPED: propranolol.", "Were it not for the asthma, I would give propranolol.",
        "Propranolol would tighten the airways, hence not chosen.", "Without asthma, propranolol would be an option.",
        "Propranolol off. Rest.", "Propranolol? Absolutely not.", "Propranolol 40 mg od: discontinued on admission.",
        "Do not choose propranolol over amlodipine.", "Propranolol crossed off. Amlodipine 5 mg once daily.",
    ],
)  # fmt: skip
def test_a_forbidden_drug_that_is_clearly_opposed_passes(pack, response):
    assert outcome(pack, response, conditions=["asthma"]) == "accepted"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("Start zofenopril.", "not understood"), ("Give ramipril 5 mg daily.", "not understood"), ("Avoid ramipril.", "accepted"),
        ("Start an SSRI.", "not understood"), ("Wellbax 20 mg twice daily.", "not understood"), ("Folic acid 5 mg daily.", "accepted"),
        ("Start amlodipine 15 mg/kg.", "not understood"), ("Amlodipine 10 bd.", "not understood"), ("Amlodipine 5 bd.", "accepted"),
        ("Amlodipine suits him. Step up to 20 mg daily.", "not understood"), ("Amlodipine 20 mg daily.", "unsafe"),
        ("Amlodipine 10 mg, not once but twice daily.", "unsafe"), ("Amlodipine 5 mg once daily, 28 tabs.", "accepted"),
        ("Amlodipine suits him. 20 mg a day is too much.", "accepted"),
        ("Geben Sie dem Patienten bitte jeden Morgen das Mittel, das ihm nicht schadet.", "not understood"),
    ],
)  # fmt: skip
def test_drugs_doses_and_languages(pack, response, expected):
    assert outcome(pack, response) == expected


def test_a_drug_outside_the_graph_that_shares_a_forbidden_class_is_unsafe(pack):
    assert outcome(pack, "Augmentin 875 mg twice daily.", allergies=["penicillin allergy"]) == "unsafe"
    assert outcome(pack, "Avoid Augmentin.", allergies=["penicillin allergy"]) == "accepted"


def test_every_turn_of_the_assistant_is_read(pack):
    turns = [{"role": "user", "content": "What helps?"}, {"role": "assistant", "content": UNSAFE}, {"role": "user", "content": "And now?"}]
    assert outcome(pack, "Rest.", messages=turns, conditions=["asthma"]) == "unsafe"
    assert outcome(pack, "Rest.", messages=turns) == "accepted"


@pytest.mark.parametrize(
    ("prompt", "response", "expected"),
    [
        ("68M, asthma, needs migraine prophylaxis.", UNSAFE, "unsafe"), ("Pt w/ ESRD and gout.", "Give ibuprofen 400 mg tds.", "unsafe"),
        ("UTI, sulfa allergy.", "Start Bactrim.", "unsafe"), ("Melaena since morning, on Eliquis.", "Give Eliquis 5 mg bd.", "unsafe"),
        ("K+ 6.4 on two samples. Add the water pill?", "Start spironolactone 25 mg.", "unsafe"),
        ("BP 78/40 and chest pain.", "Give nitroglycerin now.", "unsafe"), ("DVT at 26/40.", "Start warfarin 5 mg.", "unsafe"),
        ("She must not get up. She has asthma. What helps?", UNSAFE, "unsafe"),  # "not" asks for nothing to avoid
        ("Which drug must a man with asthma avoid?", "Answer: propranolol", "accepted"),
        ("Which drug is not contraindicated in a man with asthma?", "Answer: propranolol", "not understood"),
        ("My son has asthma. What helps?", UNSAFE, "not understood"), ("His son has asthma; he has migraine.", UNSAFE, "accepted"),
        ("My father is fine, but I have asthma.", UNSAFE, "unsafe"), ("Penicillin made her lips swell up.", "Give amoxicillin.", "not understood"),
        ("Sinusitis. Augmentin -> anaphylaxis.", "Give amoxicillin.", "unsafe"),
        ("AF on warfarin, OA knee.", "Try ibuprofen 400 mg tds.", "unsafe"), ("Warfarin for PE, sore knee.", "Ibuprofen 400 mg tds.", "not understood"),
        ("A pregnant woman on lisinopril. Continue?", "Carry on as before.", "not understood"),
        ("A man with stage 2 CKD has diabetes.", "Give metformin 500 mg bd.", "accepted"),
    ],
)  # fmt: skip
def test_what_the_prompt_says_of_a_person(pack, prompt, response, expected):
    assert outcome(pack, response, prompt, age=0) == expected


def test_what_patient_contradicts_is_not_understood(pack):
    said = outcome(pack, "Start lisinopril 10 mg daily.", "She is pregnant and hypertensive.", pregnant=False)
    assert said == "not understood"


def test_a_text_that_is_too_long_to_be_read_is_not_understood(pack):
    assert outcome(pack, "She rests a lot. " * 10_000) == "not understood"
    assert outcome(pack, "She rests a lot. " * 100) == "accepted"


def test_a_formulation_before_a_dose_is_no_unknown_drug(pack):
    assert outcome(pack, "Start metoprolol modified release 50 mg once daily.", conditions=["hypertension"]) == "accepted"


def test_a_condition_and_its_kind_give_one_reason(pack):
    row = Row(0, {**CONTRACT.test_row, "response": "Start carvedilol 6.25 mg twice daily.", "recommended": [], "options": None,
                  "patient": {"age": 60, "sex": "male", "pregnant": None, "medications": [], "allergies": [], "egfr": None,
                              "conditions": ["heart failure", "decompensated heart failure"]}})  # fmt: skip
    (rule,) = [rule for rule in RULES if rule.rule.name == "text_needs_no_caution"]
    reasons = [finding.reason for finding in rule.rule.run([row], pack, **rule.kwargs).findings]
    assert reasons.count("carvedilol caution_in heart failure") == 1
