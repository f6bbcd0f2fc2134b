# ruff: noqa: RUF001
"""What a text advises: negation, spellings, doses; sentences here are none of the mutation benchmark's."""

import pytest
from contract_samples import make_patient, make_row

from bbflow.contracts import RULES, Row
from bbflow.text.drugs.drug_mentions import daily_dose, read_drug_stances
from bbflow.text.entity_linking import entity_linker
from bbflow.text.tokenization import TokenizedText


def stances(text, graph):
    return {graph.name_of(a.drug): a.stance for a in read_drug_stances(text, graph).drug_mentions}


@pytest.mark.parametrize(
    ("text", "advised"),
    [
        ("Avoid warfarin and give amlodipine.", {"amlodipine"}),
        ("Give amlodipine instead of warfarin.", {"amlodipine"}),
        ("Give amlodipine, not warfarin.", {"amlodipine"}),
        ("Warfarin and aspirin should be avoided; start lisinopril.", {"lisinopril"}),
        ("Start amlodipine because warfarin is contraindicated.", {"amlodipine"}),
        ("Give warfarin even though it is contraindicated.", {"warfarin"}),
        ("I would recommend warfarin, but it is contraindicated.", set()),
        ("Use of warfarin is dangerous.", set()),
        ("Avoid salt, take warfarin.", {"warfarin"}),
        ("The patients who take warfarin bleed more.", set()),
        ("The patient takes warfarin 5 mg daily.", set()),
        ("Switch from warfarin to amlodipine.", {"amlodipine"}),
        ("Replace warfarin with amlodipine.", {"amlodipine"}),
        ("Do not avoid warfarin.", {"warfarin"}),
        ("Do not hesitate to start warfarin.", {"warfarin"}),
        ("Never give warfarin. Give amlodipine.", {"amlodipine"}),
        ("Avoid warfarin, aspirin and propranolol.", set()),
        ("propranolol is contraindicated in asthma. Answer: amlodipine", {"amlodipine"}),
        ("propranolol treats hypertension.", set()),
        ("Coumadin 5 mg daily", {"warfarin"}),
        ("warfarin", {"warfarin"}),
        ("Warfarin is not contraindicated.", set()),
        ("Amlodipine is safer than warfarin.", set()),
        ("Start WАRFARIN", {"warfarin"}),  # a Cyrillic A
        ("Start war\u200bfarin now", {"warfarin"}),
        ("Don\u2019t give warfarin", set()),
        ("Not giving warfarin would be a mistake.", {"warfarin"}),
        ("Withholding warfarin is dangerous.", {"warfarin"}),
        ("Avoiding warfarin is wrong here.", {"warfarin"}),
        ("Avoiding warfarin is not dangerous.", set()),
        ("Not giving warfarin is right.", set()),
        ("Warfarin would be a mistake.", set()),
        ("Do not give warfarin, for it would be a mistake.", set()),
        ("Amlodipine is not contraindicated. Give lisinopril, and avoid aspirin.", {"lisinopril"}),
    ],
)
def test_what_is_advised(graph, text, advised):
    assert {drug for drug, stance in stances(text, graph).items() if stance == "advised"} == advised


@pytest.mark.parametrize(
    ("text", "milligrams"),
    [
        ("500 mg twice daily", 1000), ("0.5 g every 6 hours", 2000), ("250 mcg tid", 0.75), ("10mg", 10), ("1,000 mg three times a day", 3000),
        ("2.5 mg q8h", 7.5), ("5 mg/kg daily", None), ("5 mL daily", None), ("with 20 mg each morning", 20), ("50 μg once daily", 0.05),
        ("50 m g twice daily", 100), ("5 mc g daily", 0.005), ("50 m daily", None), ("group m g", None),
    ],
)  # fmt: skip
def test_doses_are_converted(text, milligrams):
    words = TokenizedText(text)
    found = daily_dose(words, 0, len(words.words))[0]
    assert found == (None if milligrams is None else pytest.approx(milligrams))


@pytest.mark.parametrize(
    "name", ["Coumadin", "COUMADIN", "cou-madin", "Ｃoumadin", "Coumadın".replace("ı", "i"), "drug:warfarin", " warfarin "]
)
def test_names_in_any_spelling(graph, name):
    assert entity_linker(graph).resolve(name, ("Drug",)) == "drug:warfarin"


def test_a_finding_in_text_says_where_and_by_which_edge(graph):
    text = "Rest. Start Inderal 40 mg now."
    row = make_row(response=text, patient=make_patient(conditions=["severe asthma"]))
    (found,) = RULES["text_no_contraindicated_drug"].run([Row(0, row)], graph).findings
    assert text[slice(*found.span)] == "Inderal"
    assert found.column == "response"
    assert found.edges == (
        ("mondo:severe_asthma", "subclass_of", "mondo:asthma"),
        ("drug:propranolol", "contraindicated_in", "mondo:asthma"),
    )


def test_a_drug_in_an_unknown_spelling_is_a_finding(graph):
    run = RULES["text_drugs_known"].run
    assert [f.reason for f in run([Row(0, make_row(response="Start zofenopril."))], graph).findings]
    assert not run([Row(0, make_row(response="Start amlodipine in April."))], graph).findings


def test_a_drug_that_must_not_be_withheld_is_not_taken_for_harmless(graph):
    for said in ("withheld", "stopped", "discontinued"):
        assert stances(f"Warfarin should not be {said}.", graph) == {"warfarin": "unclear"}
        assert stances(f"Warfarin should be {said}.", graph) == {"warfarin": "against"}
