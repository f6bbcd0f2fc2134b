"""What every rule accepts and refuses, on the graph of conftest."""

from pathlib import Path

import numpy as np
import pytest
from contract_samples import make_patient, make_row, recommend

from bbflow.contracts import RULES, Row
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node

PAIRS_AND_GRAPHS = {name for name, rule in RULES.items() if rule.group in ("preference pairs", "graphs")}
ROW_RULES = sorted(RULES.keys() - {"fields_of_task", "balanced_capabilities"} - PAIRS_AND_GRAPHS)
ITEMS = Path(__file__).parents[2] / "data_contracts" / "benchmarks" / "example_items.jsonl"
NEEDED = {
    "benign_twin_present": {"twins": {"unsafe": "benign"}},
    "no_benchmark_contamination": {"benchmarks": {"items": str(ITEMS)}},
    "red_flag_not_ignored": {"red_flags": ["syncope"]},
}
"""Arguments that a rule cannot do without."""


@pytest.mark.parametrize("rule", ROW_RULES)
def test_a_right_row_passes_every_rule(reasons, rule):
    assert reasons(rule, **NEEDED.get(rule, {})) == []


@pytest.mark.parametrize("rule", ROW_RULES)
@pytest.mark.parametrize("column", ["entities", "edges", "answer", "options", "recommended", "patient", "messages", "response", "split"])
def test_a_malformed_cell_fails_every_rule_that_reads_it(reasons, rule, column):
    if column in RULES[rule].columns:
        assert reasons(rule, make_row(**{column: 7}), **NEEDED.get(rule, {}))


@pytest.mark.parametrize("rule", ROW_RULES)
@pytest.mark.parametrize("column", ["entities", "edges", "answer", "recommended", "messages", "response", "split"])
def test_a_null_cell_fails_every_rule_that_reads_it(reasons, rule, column):
    if column in RULES[rule].columns:
        assert reasons(rule, make_row(**{column: None}), **NEEDED.get(rule, {}))
        assert reasons(rule, make_row(**{column: float("nan")}), **NEEDED.get(rule, {}))


def patient_row(drug, **patient):
    return make_row(recommended=[recommend(drug)], patient=make_patient(**patient))


@pytest.mark.parametrize(
    ("drug", "patient", "reason"),
    [
        ("drug:propranolol", {"conditions": ["mondo:asthma"]}, "propranolol contraindicated_in asthma"),
        ("Inderal", {"conditions": ["ASTHMA"]}, "propranolol contraindicated_in asthma"),
        ("propranolol ", {"conditions": ["severe-asthma"]}, "propranolol contraindicated_in asthma"),
        ("lisinopril", {"pregnant": True}, "lisinopril contraindicated_in pregnancy"),
        ("lisinopril", {"conditions": ["pregnancy"]}, "lisinopril contraindicated_in pregnancy"),
        ("Amoxil", {"allergies": ["penicillin allergy"]}, "amoxicillin contraindicated_in penicillin allergy"),
        ("amoxicillin", {"allergies": ["Penicillins"]}, "amoxicillin is what the patient is allergic to: penicillins"),
        ("amoxicillin", {"allergies": ["amoxil"]}, "amoxicillin is what the patient is allergic to: amoxicillin"),
        ("ampicillin", {"allergies": ["amoxicillin"]}, "ampicillin shares penicillin allergy with amoxicillin"),
        ("no-such-drug", {}, "the recommended 'no-such-drug' is no drug of the graph"),
        ("asthma", {}, "the recommended 'asthma' is no drug of the graph"),
        ("lisinopril", {"conditions": ["sadness"]}, "'sadness' of patient.conditions is no Disease or PhenotypicFeature"),
        ("lisinopril", {"conditions": None}, "'patient.conditions' is null"),
        ("lisinopril", {"pregnant": "yes"}, "'patient.pregnant' is neither true, false nor null"),
    ],
)
def test_no_contraindicated_drug_refuses(reasons, drug, patient, reason):
    assert any(found.startswith(reason) for found in reasons("no_contraindicated_drug", patient_row(drug, **patient)))


@pytest.mark.parametrize(
    ("drug", "patient"),
    [
        ("Norvasc", {"conditions": ["asthma"]}),  # a caution is no contraindication
        ("propranolol", {"conditions": ["hypertension"]}),
        ("lisinopril", {"pregnant": False, "conditions": ["asthma"]}),
        ("lisinopril", {"allergies": ["penicillin allergy", "amoxicillin"]}),
    ],
)
def test_no_contraindicated_drug_accepts(reasons, drug, patient):
    assert reasons("no_contraindicated_drug", patient_row(drug, **patient)) == []


def test_cautions_can_be_refused_too(reasons):
    row = patient_row("Norvasc", conditions=["gout"])
    assert reasons("no_contraindicated_drug", row, predicates=["contraindicated_in", "caution_in"]) == ["amlodipine caution_in gout"]


def test_a_recommendation_without_a_patient_cannot_be_checked(reasons):
    for rule in ("no_contraindicated_drug", "no_interacting_pair", "recommended_drug_covered"):
        assert reasons(rule, make_row(patient=None)) == ["a drug is recommended, and there is no patient to check it against"]


@pytest.mark.parametrize(
    ("drug", "medication", "reason"),
    [
        ("warfarin", "aspirin", "warfarin interacts with aspirin (major)"),
        ("aspirin", "Coumadin", "aspirin interacts with warfarin (major)"),
        ("lisinopril", "aspirin", "lisinopril interacts with aspirin (severity not stated)"),
    ],
)
def test_no_interacting_pair_refuses(reasons, drug, medication, reason):
    assert reasons("no_interacting_pair", patient_row(drug, medications=[medication])) == [reason]


def test_no_interacting_pair_lets_what_forbids_nothing_through_unless_told(reasons):
    moderate = patient_row("propranolol", medications=["warfarin"])
    assert reasons("no_interacting_pair", moderate) == []
    assert reasons("no_interacting_pair", moderate, allowed=["minor"]) == ["propranolol interacts with warfarin (moderate)"]
    row = patient_row("amlodipine", medications=["warfarin"])
    assert reasons("no_interacting_pair", row) == []
    assert reasons("no_interacting_pair", row, allowed=[]) == ["amlodipine interacts with warfarin (minor)"]


@pytest.mark.parametrize(
    ("drug", "patient", "said"),
    [
        ("propranolol", {"medications": ["warfarin"]}, ["propranolol interacts with warfarin (moderate)"]),
        ("amlodipine", {"conditions": ["gout"]}, ["amlodipine caution_in gout"]),
        ("amlodipine", {"medications": ["warfarin"]}, []),  # minor
        ("aspirin", {"medications": ["warfarin"]}, []),  # major: another rule refuses it
        ("propranolol", {"conditions": ["asthma"]}, []),  # contraindicated: another rule refuses it
        ("lisinopril", {"medications": ["aspirin"]}, []),  # of no stated severity: another rule refuses it
    ],
)
def test_what_needs_caution_is_named_and_left_to_the_owner(reasons, drug, patient, said):
    row = {**patient_row(drug, **{"conditions": [], "medications": [], **patient}), "response": f"Give {drug}."}
    row["messages"] = [{"role": "user", "content": "Which drug?"}]
    told = {**row, "response": f"Give {drug} and monitor the patient."}
    assert reasons("needs_no_caution", row) == said
    assert reasons("text_needs_no_caution", row) == said
    for rule in ("needs_no_caution", "text_needs_no_caution"):
        assert reasons(rule, row, caution="require_monitoring") == said
        assert reasons(rule, told, caution="require_monitoring") == []
        assert reasons(rule, told) == said
        assert reasons(rule, row, caution="accept") == []


def test_no_interacting_pair_looks_among_the_recommended(reasons):
    row = make_row(recommended=[recommend("aspirin"), recommend("warfarin")], patient=make_patient())
    assert reasons("no_interacting_pair", row) == ["aspirin interacts with warfarin (major)"]
    assert "'moonlight' of patient.medications" in reasons("no_interacting_pair", patient_row("aspirin", medications=["moonlight"]))[0]


def test_a_missing_edge_is_not_safety(reasons):
    assert reasons("recommended_drug_covered", patient_row("amlodipine", conditions=["hypertension", "gout"])) == [
        "the graph has not judged amlodipine against gout"
    ]
    assert reasons("recommended_drug_covered", patient_row("omeprazole", medications=["warfarin"])) == [
        "the graph has not judged omeprazole against warfarin"
    ]
    assert (
        reasons("recommended_drug_covered", patient_row("amlodipine", conditions=["asthma"], medications=["aspirin"], pregnant=True)) == []
    )


@pytest.mark.parametrize(
    ("dose", "unit", "per_day", "reason"),
    [
        (10, "mg", 1, None),
        (0.005, "g", 2, None),
        (5000, "ug", 2, None),
        (5, "mg", 3, "amlodipine 15 mg/d exceeds the maximum of 10 mg/d"),
        (0.02, "g", 1, "amlodipine 20 mg/d exceeds the maximum of 10 mg/d"),
        (10, "mL", 1, "the unit 'mL' is no unit of mass: kg, g, mg, ug, mcg, µg, μg, ng"),
        (10, None, 1, "the unit 'None' is no unit of mass: kg, g, mg, ug, mcg, µg, μg, ng"),
        (10, "mg", None, "'recommended.per_day' is None, not a positive number"),
        (-1, "mg", 1, "'recommended.dose' is -1, not a positive number"),
        (True, "mg", 1, "'recommended.dose' is True, not a positive number"),
    ],
)
def test_dose_within_maximum(reasons, dose, unit, per_day, reason):
    row = make_row(recommended=[recommend("Norvasc", dose, unit, per_day)])
    assert reasons("dose_within_maximum", row) == ([reason] if reason else [])


def test_doses_of_one_drug_add_up_and_a_maximum_may_be_given_in_grams(reasons):
    twice = [recommend("warfarin", 6, "mg", 1), recommend("Coumadin", 5, "mg", 1)]
    assert reasons("dose_within_maximum", make_row(recommended=twice)) == ["warfarin 11 mg/d exceeds the maximum of 10 mg/d"]
    unknown = [recommend("lisinopril", 1, "mg", 1)]
    assert reasons("dose_within_maximum", make_row(recommended=unknown)) == ["the graph knows no maximum daily dose of lisinopril"]


def test_entities_and_edges_must_be_in_the_graph(reasons):
    assert reasons("entities_in_graph", make_row(entities=["drug:amlodipine", "drug:nope"])) == [
        "entity 'drug:nope' is no node of the graph"
    ]
    assert reasons("entities_in_graph", make_row(entities=[])) == ["names 0 entities, fewer than 1"]
    wrong = ["mondo:asthma", "treats", "drug:amlodipine"]
    assert reasons("edges_in_graph", make_row(edges=[wrong])) == ["mondo:asthma treats drug:amlodipine is no edge of the graph"]
    assert reasons("edges_in_graph", make_row(edges=[["drug:aspirin", "interacts_with", "drug:warfarin"]])) == []  # holds both ways
    assert reasons("edges_in_graph", make_row(edges=[])) == ["gives 0 edges, fewer than 1"]
    assert reasons("edges_in_graph", make_row(edges=[["a", "b"]])) == ["'edges' holds something that is no [subject, predicate, object]"]


def fact(answer, edges, options=None):
    return make_row(answer=answer, edges=edges, options=options, patient=None, recommended=[], response=f"Answer: {answer}")


SIDE_EFFECT = ["drug:lisinopril", "has_side_effect", "hp:cough"]


def test_a_named_answer_stands_in_the_edges(reasons):
    rule = "answer_entailed_by_edges"
    assert reasons(rule, fact("cough", [SIDE_EFFECT])) == []
    assert reasons(rule, fact("asthma", [SIDE_EFFECT])) == ["the answer 'asthma' is in none of the edges"]
    assert reasons(rule, fact("sneezing", [SIDE_EFFECT])) == ["the answer 'sneezing' is no node of the graph"]
    made_up = ["drug:amlodipine", "has_side_effect", "hp:cough"]
    assert reasons(rule, fact("cough", [made_up])) == ["the answer 'cough' is in none of the edges"]


def test_every_other_option_of_a_patient_is_proven_unsafe(reasons):
    edges = make_row()["edges"]
    assert reasons("answer_entailed_by_edges", make_row(edges=edges[:2])) == ["no edge proves option 'lisinopril' unsafe"]
    not_pregnant = make_patient(conditions=["mondo:asthma"])
    assert reasons("answer_entailed_by_edges", make_row(patient=not_pregnant)) == ["no edge proves option 'lisinopril' unsafe"]


def test_a_refusal_needs_a_reason_against_every_option(reasons):
    edges = make_row()["edges"]
    refusal = make_row(
        answer="None of these", options=["propranolol", "lisinopril", "none of these"], recommended=[], edges=[edges[0], edges[2]]
    )
    assert reasons("answer_entailed_by_edges", refusal) == []
    assert reasons("answer_entailed_by_edges", {**refusal, "edges": edges[:1]}) == ["no edge proves option 'lisinopril' unsafe"]
    assert reasons("answer_entailed_by_edges", {**refusal, "options": None}) == ["the answer refuses all options, and there are none"]


def test_yes_and_no_need_their_edges(reasons):
    asthma = ["drug:propranolol", "contraindicated_in", "mondo:asthma"]
    treats = ["drug:propranolol", "treats", "mondo:hypertension"]
    yes_no = {"options": ["no", "yes"], "patient": make_patient(conditions=["asthma", "hypertension"])}
    for answer, edge, right in (("no", asthma, True), ("no", treats, False), ("yes", treats, True), ("yes", asthma, False)):
        assert (reasons("answer_entailed_by_edges", make_row(answer=answer, edges=[edge], **yes_no)) == []) == right
    interaction = ["drug:warfarin", "interacts_with", "drug:aspirin"]
    takes = {"options": ["no", "yes"], "patient": make_patient(medications=["warfarin"])}
    assert reasons("answer_entailed_by_edges", make_row(answer="no", edges=[interaction], **takes)) == []


def test_options_are_distinct_and_hold_the_answer_once(reasons):
    rule = "answer_among_options"
    assert reasons(rule, make_row(options=["amlodipine", "Norvasc"])) == ["option 'Norvasc' means the same as 'amlodipine'"]
    assert reasons(rule, make_row(options=["amlodipine", "none of these", "None of these."])) != []
    assert reasons(rule, make_row(options=["propranolol", "lisinopril"])) == ["the answer 'amlodipine' is none of the options"]
    assert reasons(rule, make_row(options=["amlodipine"])) == ["offers 1 options, fewer than 2"]
    assert reasons(rule, make_row(options=["amlodipine", " "])) == ["option 2 is empty"]
    assert reasons(rule, make_row(options=None)) == []


@pytest.mark.parametrize(
    "response", ["Answer: Amlodipine.", "x is y. Answer: amlodipine", "B", "amlodipine (known)", "* amlodipine\n* cough"]
)
def test_a_response_may_give_its_answer_in_several_ways(reasons, response):
    assert reasons("response_states_answer", make_row(response=response)) == []


@pytest.mark.parametrize("response", ["Answer: propranolol", "A", "propranolol", "Answer: amlodipine or propranolol", "amlodipines", ""])
def test_a_response_that_gives_another_answer_is_refused(reasons, response):
    assert len(reasons("response_states_answer", make_row(response=response))) == 1


def test_no_duplicates(reasons):
    first, rule = make_row(), "no_duplicates"
    shuffled = make_row(
        example_id="b" * 16, options=first["options"][::-1], messages=[{"role": "user", "content": first["messages"][0]["content"].upper()}]
    )
    assert reasons(rule, first, shuffled) == ["has the same prompt as row 1 (0123456789abcdef)"]
    assert reasons(rule, first, {**shuffled, "options": ["amlodipine", "propranolol"]}) == []
    other = make_row(messages=[{"role": "user", "content": "Something else?"}])
    assert reasons(rule, first, other) == ["has the same example_id as row 1 (0123456789abcdef)"]
    statement = {**shuffled, "response": "Another fact."}
    assert reasons(rule, first, statement, many_responses=["treatment_choice"]) == []
    assert reasons(rule, first, shuffled, many_responses=["treatment_choice"]) != []


def test_no_split_leakage(reasons):
    train, held_out = make_row(), make_row(example_id="b" * 16, split="test")
    assert reasons("no_split_leakage", train, held_out) == ["its prompt is in test too"]
    elsewhere = make_row(split="validation", messages=[{"role": "user", "content": "Something else?"}])
    assert reasons("no_split_leakage", train, elsewhere) == ["its example_id is in validation too"]
    assert reasons("no_split_leakage", train, {**held_out, "split": "train"}) == []
    assert reasons("no_split_leakage", make_row(split="dev")) == ["'split' is none of train, validation, test"]


@pytest.mark.parametrize(
    "text",
    [
        "Call 555-123-4567.", "Call (555) 123-4567", "Call +49 30 1234 5678", "Write to jane.doe@example.org",
        "SSN 123-45-6789", "MRN: 00123456",
        "medical record number 84-1234", "Mrs. Smith has asthma.", "Dr Müller said so.",
        "DOB 01/02/1960", "born on March 3, 1961", "Date of birth: 1960-01-02",
    ],
)  # fmt: skip
def test_no_phi_finds_and_never_repeats(reasons, text):
    for row in (make_row(response=text), make_row(messages=[{"role": "user", "content": text}])):
        found = reasons("no_phi", row)
        assert len(found) == 1
        assert not any(word in found[0] for word in ("Smith", "555", "1234", "jane", "1960", "March"))


@pytest.mark.parametrize(
    "text",
    [
        "[NAME] was born in spring.", "Mr. [NAME], phone [PHONE]", "Give 500 mg, 2 g, or 0.5 g.", "eGFR 45-60 mL/min/1.73 m2",
        "a 1960 trial of 1234567 people",
        "Ask your doctor. Amlodipine treats it.", "The patient is 34 years old.", "cough @ night", "2024-01-02 guideline",
    ],
)  # fmt: skip
def test_no_phi_lets_medicine_and_placeholders_through(reasons, text):
    assert reasons("no_phi", make_row(response=text)) == []


def test_response_length_and_empty_prompts(reasons):
    rule = "response_not_empty"
    assert reasons(rule, make_row(response=" \n ")) == ["the response has 0 words, fewer than 1"]
    assert reasons(rule, make_row(response="one two three"), max_words=2) == ["the response has 3 words, more than 2"]
    assert reasons(rule, make_row(messages=[{"role": "user", "content": " "}])) == ["the prompt is empty"]
    assert reasons(rule, make_row(messages=[])) == ["'messages' is empty"]


def test_fields_of_task(reasons):
    fields = {"treatment_choice": ["patient", "options"], "other": ["workflow"]}
    assert reasons("fields_of_task", make_row(), fields=fields) == []
    assert reasons("fields_of_task", make_row(patient=None, options=[]), fields=fields) == ["'patient' is empty", "'options' is empty"]
    assert reasons("fields_of_task", make_row(task=None), fields=fields) == ["'task' is null, not text"]


def test_numpy_cells_count_as_lists(reasons):
    listed = patient_row("propranolol", conditions=np.array(["asthma"], dtype=object))
    listed["recommended"] = np.array([recommend("propranolol")], dtype=object)
    assert reasons("no_contraindicated_drug", listed) == ["propranolol contraindicated_in asthma"]


@pytest.fixture
def two_named():
    """A disease and a finding of one name, and a finding whose name ends in what could be a title."""
    nodes = [
        Node("D:1", "Disease", "Renal agenesis"), Node("P:1", "PhenotypicFeature", "Renal agenesis"), Node("D:2", "Disease", "Other"),
        Node("P:2", "PhenotypicFeature", "Increased brain lactate level by MRS"),
    ]  # fmt: skip
    return KnowledgeGraph(nodes, [Edge("D:2", "has_phenotype", "P:1", "x"), Edge("D:2", "has_phenotype", "P:2", "x")], name="two")


def test_a_name_that_two_nodes_share_is_told_by_the_edges(two_named):
    row = make_row(answer="Renal agenesis", edges=[["D:2", "has_phenotype", "P:1"]], patient=None, options=None)
    run = RULES["answer_entailed_by_edges"].run
    assert [f.reason for f in run([Row(0, row)], two_named).findings] == []
    row["edges"] = [["D:2", "has_phenotype", "P:2"]]
    assert [f.reason for f in run([Row(0, row)], two_named).findings] == ["the answer 'Renal agenesis' is in none of the edges"]


def test_a_title_at_the_end_of_a_name_of_the_graph_is_none(two_named):
    texts = {
        "It shows increased brain lactate level by MRS. What is it?": 0,
        "Seen by MRS. Jones today": 1,
        "Increased lactate by MRS. Jones": 1,
    }
    for text, found in texts.items():
        assert len(RULES["no_phi"].run([Row(0, make_row(response=text))], two_named).findings) == found
