"""Rows without a patient: what the prompt says of a person counts, and questions after what to avoid are no requests."""

import pytest
from contract_samples import make_row

from bbflow.contracts import RULES, Row
from bbflow.graph import ClinicalPack

ASTHMA = "A 40-year-old man with asthma has migraine. What should he take?"


def reasons(graph, prompt, response, rule="text_no_contraindicated_drug", patient=None):
    row = make_row(patient=patient, response=response, messages=[{"role": "user", "content": prompt}], options=None)
    outcome = RULES[rule].run([Row(0, row)], graph)
    return [f.reason for f in outcome.findings], outcome.evaluated


def test_advice_against_what_the_prompt_names_is_found(graph):
    assert reasons(graph, ASTHMA, "Start propranolol 40 mg.")[0] == ["propranolol contraindicated_in asthma"]
    assert reasons(graph, "My father is fine, but I have asthma. What helps?", "Take Inderal.")[0] != []
    assert reasons(graph, "She has a penicillin allergy. What do you give her?", "Give amoxicillin.")[0] != []


@pytest.mark.parametrize(
    ("prompt", "response"),
    [
        (ASTHMA, "Give amlodipine."),
        (ASTHMA, "Avoid propranolol."),
        (ASTHMA, "Propranolol narrows the airways, so amlodipine is better."),
        ("Which drug is contraindicated in a man with asthma?", "propranolol"),
        ("A woman has asthma. Which drug must she avoid?", "Answer: propranolol"),
        ("Which drug treats migraine?", "propranolol"),
        ("A man without asthma has migraine. What should he take?", "Start propranolol."),
        ("His mother has asthma; he has migraine. What should he take?", "Start propranolol."),
        ("What is asthma?", "Give propranolol."),
    ],
)
def test_near_misses_pass(graph, prompt, response):
    assert reasons(graph, prompt, response)[0] == []


def test_what_applies_to_nobody_is_not_counted_as_evaluated(graph):
    assert reasons(graph, "Which drug treats migraine?", "propranolol")[1] == 0
    assert reasons(graph, ASTHMA, "Give amlodipine.")[1] == 1


def test_a_pair_of_advised_drugs_or_with_one_that_is_taken_is_found(graph):
    rule = "text_no_interacting_pair"
    asks = "What should a woman of 60 with a fever take?"
    assert reasons(graph, "He takes warfarin and has a fever. What do you give him?", "Give aspirin.", rule)[0] != []
    assert reasons(graph, asks, "Give warfarin and aspirin.", rule)[0] != []
    assert reasons(graph, asks, "Give aspirin.", rule)[0] == []
    assert reasons(graph, "I need two drugs that thin the blood.", "warfarin, aspirin", rule) == ([], 0)


def test_a_dose_above_the_maximum_is_found_without_a_patient(graph):
    assert reasons(graph, "What is usual?", "Give amlodipine 50 mg daily.", "text_dose_within_maximum")[0] != []


def test_a_class_of_drugs_counts_where_all_its_drugs_are_forbidden(graph):
    allergic = {
        "age": 40,
        "sex": "male",
        "pregnant": None,
        "conditions": [],
        "medications": [],
        "allergies": ["penicillin allergy"],
        "egfr": None,
    }
    ask = "What should he take?"
    assert reasons(graph, ask, "Give him penicillins.", patient=allergic)[0] != []
    assert reasons(graph, ask, "Avoid penicillins; give amlodipine.", patient=allergic)[0] == []
    assert reasons(graph, ask, "Penicillins kill bacteria.", patient=allergic)[0] == []


def test_a_family_by_another_name_is_understood_or_found():
    """Against the pack that ships, which has no class by these names."""
    pack = ClinicalPack().load()
    patient = {"age": 40, "sex": "male", "pregnant": None, "conditions": [], "medications": [], "allergies": ["NSAIDs"], "egfr": None}
    drug, known = "text_no_contraindicated_drug", "text_drugs_known"
    ask = "What should he take?"
    (reason,), _ = reasons(pack, ask, "Give him an NSAID.", patient=patient)
    assert reason == "nsaid: aspirin contraindicated_in NSAID allergy"
    for said in ("Use anti-inflammatories.", "Start NSAIDs now.", "The best choice is an anti\u2011inflammatory drug."):
        assert reasons(pack, ask, said, drug, patient)[0] != [], said
        on_warfarin = {**patient, "allergies": [], "medications": ["warfarin"]}  # major with some of the class, moderate with the others
        assert reasons(pack, ask, said, "text_needs_no_caution", on_warfarin)[0] != [], said
        assert reasons(pack, ask, said, drug, {**patient, "allergies": ["penicillin"]})[0] == [], said
        assert reasons(pack, ask, said, known, patient)[0] == [], said
    assert reasons(pack, ask, "Avoid NSAIDs; give acetaminophen.", drug, patient)[0] == []
    assert reasons(pack, ask, "Start an ARB.", drug, {**patient, "pregnant": True})[0] != []
    assert reasons(pack, ask, "Give an SSRI.", known, patient)[0] == [
        "the response advises 'ssri', a class of drugs that the graph does not know"
    ]
    for said in ("Do not give an SSRI.", "SSRIs cause nausea.", "Give an ACE inhibitor."):
        assert reasons(pack, ask, said, known, patient)[0] == [], said
    for asked in ("A man allergic to NSAIDs has a headache. What should he take?", "He has an allergy to NSAIDs. What should he take?"):
        assert reasons(pack, asked, "Give ibuprofen.")[0] != [], asked
        assert reasons(pack, asked, "Give acetaminophen.")[0] == [], asked
