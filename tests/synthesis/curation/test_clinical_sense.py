"""One violation of each rule of clinical sense, planted in an item: the stage of curation and the solver both refuse it, each by its own code."""

import dataclasses

import pytest

from bbflow.graph import ClinicalPack, Edge, KnowledgeGraph, Node
from bbflow.records import Patient, Recommendation
from bbflow.synthesis import Walk
from bbflow.synthesis.curation.clinical_sense import RULES, ClinicalSense
from bbflow.synthesis.items.item import NO, YES, Item, Prescription
from bbflow.synthesis.items.solver import rejection_reasons
from bbflow.synthesis.questions.differential import Differential
from bbflow.synthesis.questions.dose import Dose
from bbflow.synthesis.questions.interaction import Interaction
from bbflow.synthesis.questions.joint import Joint
from bbflow.synthesis.questions.request import Request
from bbflow.synthesis.questions.workflow import Workflow
from bbflow.synthesis.workflows.workflow_machine import WorkflowStep

GRAPH = ClinicalPack().load()


def patient(age: int = 60, sex: str = "male", pregnant: bool = False) -> Patient:
    return Patient(age=age, sex=sex, pregnant=pregnant, conditions=[], medications=[], allergies=[], egfr=None)


def given(drug: str) -> tuple[Recommendation, ...]:
    return (Recommendation(drug=drug, dose=None, unit=None, per_day=None, route=None),)


def differential(gold: str, *findings: str, others: tuple[str, ...] = ("disease:gout", "disease:psoriasis")) -> Item:
    edges = tuple((gold, "has_phenotype", finding) for finding in findings)
    return Item("differential", (), Differential(tuple(sorted(findings))), gold, edges, gold, options=(gold, *others))


def permission(drug: str, disease: str, gold: str, *context: str, who: Patient | None = None) -> Item:
    reasons = [(drug, p, node) for node in context for p in ("contraindicated_in", "interacts_with") if GRAPH.has(drug, p, node)]
    edges = tuple(reasons[:1]) if gold == NO else ((drug, "treats", disease),)
    query = Prescription(disease, context, (drug,))
    return Item("treatment_choice", (), query, gold, edges, drug, options=(YES, NO), patient=who or patient())


def choice(disease: str, *drugs: str) -> Item:
    edges = tuple((drug, "treats", disease) for drug in drugs)
    query = Prescription(disease, (), drugs)
    return Item("treatment_choice", (), query, drugs[0], edges, disease, options=(*drugs, "none of these"), patient=patient())


def request(drug: str, disease: str, gold: str, has: str, who: Patient, advised: str) -> Item:
    other = "allergy:macrolide_allergy"
    edges = ((drug, "treats", disease),) if gold == YES else ((drug, "contraindicated_in", has), (advised, "treats", disease))
    query = Request(drug, disease, (), (min(has, other), max(has, other)), has)
    return Item("unsafe_request", (), query, gold, edges, disease, options=(YES, NO), patient=who, recommended=given(advised))


def interaction(drug: str, gold: str, *others: str, bars: bool = False) -> Item:
    taken = (gold, *others)
    query = Interaction(drug, tuple(sorted(taken)), bars=bars)
    return Item("interaction_check", (), query, gold, ((drug, "interacts_with", gold),), drug, options=taken)


def recall(start: str, predicate: str, forward: bool, gold: str, *wrong: str) -> Item:
    edge = (start, predicate, gold) if forward else (gold, predicate, start)
    return Item("fact_recall", (), Walk(start, ((predicate, forward),)), gold, (edge,), start, options=(gold, *wrong))


def dose(drug: str, asks: str, amount: str = "", times: int = 1, gold: str = YES) -> Item:
    proof = (drug, "has_maximum_daily_dose", GRAPH.objects(drug, "has_maximum_daily_dose")[0])
    options = (YES, NO) if asks == "within" else (gold, "1 mg")
    return Item("dose_calculation", (), Dose(drug, asks, amount, "mg", times, "mg"), gold, (proof,), drug, options=options)


def case(disease: str, *filled: tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]) -> Item:
    steps = tuple(WorkflowStep(name, slots) for name, slots in filled)
    query = Workflow(disease, (), steps, "order", listing=tuple(range(len(steps))))
    return Item("clinical_workflow", (), query, "1", (), disease, patient=patient(), workflow=tuple(name for name, _ in filled))


WOMAN = patient(37, "female")
JOINT = Item(
    "joint_case", (), Joint("disease:myocardial_infarction", ("finding:radiating_arm_pain", "finding:sweating"), ()), "drug:aspirin", (),
    "disease:myocardial_infarction", options=("drug:aspirin", "drug:gabapentin"), patient=patient(), recommended=given("drug:aspirin"),
)  # fmt: skip

PLANTED = [
    ("findings", differential("disease:asthma", "finding:dry_cough", "finding:dyspnea"), "do not single out"),
    (
        "red_flags",
        differential("disease:lyme_disease", "finding:expanding_target_rash", "finding:facial_droop"),
        "alarm for another disease",
    ),
    ("red_flags", recall("finding:facial_droop", "has_phenotype", False, "disease:lyme_disease", "disease:gout"), "no emergency"),
    ("red_flags", JOINT, "a drug alone is no answer"),
    ("people", permission("drug:tamsulosin", "disease:benign_prostatic_hyperplasia", YES, who=patient(60, "female")), "sex does not fit"),
    ("people", permission("drug:sumatriptan", "disease:migraine", YES, who=patient(79)), "age does not fit"),
    (
        "people",
        permission("drug:amoxicillin", "disease:lyme_disease", YES, "state:pregnancy", who=patient(82, "female", True)),
        "age does not fit",
    ),
    ("people", differential("disease:prolactinoma", "finding:amenorrhea", "finding:erection_problems"), "no one can have all of this"),
    (
        "found_by",
        case("disease:gout", ("history", (("complaint", ("finding:high_uric_acid", "finding:joint_pain")),))),
        "not found as a symptom",
    ),
    ("purposes", choice("disease:gout", "drug:naproxen", "drug:allopurinol"), "share no purpose"),
    (
        "purposes",
        request("drug:naproxen", "disease:gout", NO, "disease:peptic_ulcer_disease", patient(), "drug:allopurinol"),
        "purpose of the others",
    ),
    (
        "purposes",
        request("drug:carvedilol", "disease:hypertension", NO, "disease:asthma", patient(), "drug:verapamil"),
        "is no first choice",
    ),
    (
        "conflicts",
        interaction("drug:nitroglycerin", "drug:sildenafil", "drug:apixaban", "drug:warfarin", bars=True),
        "does not go with",
    ),
    ("conflicts", permission("drug:metformin", "disease:type_2_diabetes", YES, "drug:metformin"), "takes the drug already"),
    (
        "contraception",
        request("drug:valproate", "disease:bipolar_disorder", YES, "allergy:nsaid_allergy", WOMAN, "drug:valproate"),
        "needs contraception",
    ),
    ("setting", permission("drug:amoxicillin", "disease:lyme_disease", YES, "disease:metabolic_acidosis"), "decides nothing"),
    ("setting", permission("drug:diltiazem", "disease:hypertension", NO, "disease:hypotension"), "no one has"),
    ("setting", differential("disease:hyperkalemia", "finding:muscle_weakness", "finding:bradycardia"), "ends no case"),
    (
        "options",
        recall("disease:severe_renal_impairment", "contraindicated_in", False, "drug:nitrofurantoin", "drug:methotrexate"),
        "lesser",
    ),
    (
        "options",
        recall("drug:alendronate", "contraindicated_in", True, "disease:esophageal_stricture", "disease:severe_renal_impairment"),
        "lesser",
    ),
    (
        "options",
        recall("disease:acute_diverticulitis", "subclass_of", True, "disease:gastrointestinal_disease", "disease:infection"),
        "lesser",
    ),
    ("options", recall("drug:levothyroxine", "subclass_of", True, "class:thyroid_drug", "disease:mental_disorder"), "several kinds"),
    (
        "options",
        recall("drug:famotidine", "has_side_effect", True, "finding:constipation", "finding:gum_overgrowth"),
        "common in everything",
    ),
    ("options", recall("drug:sertraline", "interacts_with", True, "drug:fluoxetine", "drug:levetiracetam"), "has not judged"),
    ("starts", recall("finding:nausea", "has_phenotype", False, "disease:migraine", "disease:gout"), "points to no one disease"),
    ("starts", recall("finding:diarrhea", "has_side_effect", False, "drug:colchicine", "drug:lisinopril"), "points to no one drug"),
    ("doses", dose("drug:metformin", "within", "40", 4), "not made up of marketed strengths"),
    ("doses", dose("drug:labetalol", "single", times=1, gold="2400 mg"), "not made up of marketed strengths"),
    ("doses", dose("drug:sumatriptan", "within", "200", 1), "too much at once"),
    ("doses", dose("drug:lisinopril", "total", "10", 4, gold="40 mg"), "so many times a day"),
    ("severity", interaction("drug:warfarin", "drug:aspirin", "drug:metformin", bars=True), "another severity"),
    ("severity", interaction("drug:nitroglycerin", "drug:sildenafil", "drug:metformin"), "another severity"),
]


@pytest.mark.parametrize(("rule", "item", "said"), PLANTED, ids=[f"{rule}-{i}" for i, (rule, _, _) in enumerate(PLANTED)])
def test_a_planted_violation_is_refused_by_the_stage_and_by_the_solver(rule: str, item: Item, said: str) -> None:
    stage = ClinicalSense([rule])
    stage.prepare(GRAPH)
    assert stage.objection(item) == f"clinical sense: {rule}"
    assert any(said in reason for reason in rejection_reasons(GRAPH, item)), list(rejection_reasons(GRAPH, item))


def test_every_rule_is_planted() -> None:
    assert {rule for rule, _, _ in PLANTED} == RULES.keys()


SOUND = [
    differential("disease:psoriasis", "finding:itching", "finding:scaly_skin_plaques", others=("disease:gout", "disease:acne")),
    permission("drug:amoxicillin", "disease:lyme_disease", YES, "state:pregnancy", who=patient(32, "female", True)),
    permission("drug:tamsulosin", "disease:benign_prostatic_hyperplasia", YES, "allergy:penicillin_allergy"),
    recall("finding:facial_droop", "has_phenotype", False, "disease:ischemic_stroke", "disease:gout", "disease:psoriasis"),
    recall("disease:acute_diverticulitis", "subclass_of", True, "disease:gastrointestinal_disease", "disease:joint_disease"),
    dose("drug:sumatriptan", "within", "100", 2),
    dose("drug:lisinopril", "within", "40", 2),
]


@pytest.mark.parametrize("item", SOUND, ids=[f"{item.task}-{i}" for i, item in enumerate(SOUND)])
def test_a_sound_item_passes_both(item: Item) -> None:
    stage = ClinicalSense()
    stage.prepare(GRAPH)
    assert stage.objection(item) is None
    assert list(rejection_reasons(GRAPH, item)) == []


@pytest.mark.parametrize(("key", "value"), [("course", 1), ("schedule", "single dose")])
def test_the_maximum_of_one_day_is_no_daily_maximum(key: str, value: object) -> None:
    sold = {"strengths": [0.6], "doses_per_day": [2]}
    nodes = [Node("drug:a", "Drug", "a", (), sold), Node("quantity:q", "Quantity", "1.8 mg per day", (), {"value": 1.8, "unit": "mg/d"})]
    edge = Edge("drug:a", "has_maximum_daily_dose", "quantity:q", "by hand", attributes={key: value})
    graph = KnowledgeGraph(nodes, [edge], name="course")
    stage = ClinicalSense(["doses"])
    stage.prepare(graph)
    tablets = Item(
        "dose_calculation", (), Dose("drug:a", "total", "0.6", "mg", 2), "1.2 mg", (edge.triple,), "drug:a", options=("1.2 mg", "1 mg")
    )
    walk = Walk("drug:a", (("has_maximum_daily_dose", True),))
    asked = Item("fact_recall", (), walk, "quantity:q", (edge.triple,), "drug:a", accepted=("quantity:q",))
    for item in (tablets, asked):
        assert stage.objection(item) == "clinical sense: doses"
        assert any("single day" in reason for reason in rejection_reasons(graph, item))


def test_rules_are_chosen_by_name_and_unknown_names_are_told() -> None:
    assert ClinicalSense().problems("curation") == []
    (problem,) = ClinicalSense(["poeple"]).problems("curation.stages[0]")
    assert str(problem) == "curation.stages[0].rules: 'poeple' is no rule of clinical sense (did you mean 'people'?)"
    stage = ClinicalSense(["doses"])
    stage.prepare(GRAPH)
    assert stage.objection(permission("drug:sumatriptan", "disease:migraine", YES, who=patient(79))) is None


def test_a_graph_without_the_attributes_is_not_restricted_by_them() -> None:
    nodes = [dataclasses.replace(node, attributes={}) for node in GRAPH.nodes()]
    edges = [dataclasses.replace(edge, attributes={}) for edge in GRAPH.edges() if edge.predicate != "needs_urgent_action"]
    stage = ClinicalSense(["people", "found_by", "purposes", "setting"])
    stage.prepare(KnowledgeGraph(nodes, edges, name="bare"))
    for rule, item, _ in PLANTED:
        if rule in ("people", "found_by", "setting"):
            assert stage.objection(item) is None, rule
