"""Look-ups of drugs and patients against a graph of two drugs and three risk nodes."""

import random

from bbflow.graph import ClinicalPack, Edge, KnowledgeGraph, Node
from bbflow.synthesis.items.patients import DrugSafetyIndex
from bbflow.synthesis.items.solver import safety


def index() -> DrugSafetyIndex:
    covered = {"coverage": {"disease": "complete"}}
    nodes = [
        Node("drug:a", "Drug", "a", attributes=covered), Node("drug:b", "Drug", "b", attributes=covered),
        Node("disease:gout", "Disease", "gout"), Node("disease:asthma", "Disease", "asthma", attributes={"risk": True}),
        Node("disease:ulcer", "Disease", "ulcer", attributes={"risk": True}), Node("disease:migraine", "Disease", "migraine", attributes={"risk": True}),
    ]  # fmt: skip
    edges = [
        Edge("drug:a", "treats", "disease:gout", "by hand"), Edge("drug:b", "treats", "disease:gout", "by hand"),
        Edge("drug:a", "contraindicated_in", "disease:asthma", "by hand"), Edge("drug:b", "contraindicated_in", "disease:ulcer", "by hand"),
    ]  # fmt: skip
    return DrugSafetyIndex(KnowledgeGraph(nodes, edges, name="two drugs"))


def test_risk_nodes_rule_out_one_drug_and_are_clear_for_the_other() -> None:
    clinic = index()
    assert clinic.treated == {"disease:gout": ["drug:a", "drug:b"]}
    assert clinic.ruling_out("drug:a", ["drug:b"], "disease:gout") == ["disease:asthma"]
    assert clinic.reasons("drug:a", ["disease:ulcer", "disease:asthma"]) == [("drug:a", "contraindicated_in", "disease:asthma")]
    assert clinic.may_have("drug:b", "disease:gout", ["disease:asthma"])
    assert not clinic.may_have("drug:b", "disease:gout", ["disease:ulcer"])


def test_a_fair_pair_can_be_decided_either_way_and_bystanders_decide_nothing() -> None:
    clinic = index()
    assert clinic.fair_pairs() == [("disease:gout", "drug:a", "drug:b")]
    drawn = [clinic.bystanders(["drug:a", "drug:b"], "disease:gout", 2, random.Random(seed)) for seed in range(20)]
    assert {node for nodes in drawn for node in nodes} == {"disease:migraine"}


def test_the_index_agrees_with_the_solver() -> None:
    graph = ClinicalPack().load()
    clinic = DrugSafetyIndex(graph)
    for edge in [*graph.edges("treats")][:60]:
        for risk in clinic.risks[::5]:
            if risk != edge.object:
                verdict = safety(graph, edge.subject, edge.object, (risk,))
                assert clinic.may_have(edge.subject, edge.object, [risk]) == (verdict == "safe")


def test_alternatives_serve_the_same_purpose_and_first_choices_come_first() -> None:
    graph = ClinicalPack().load()
    clinic = DrugSafetyIndex(graph)
    flare = clinic.alternatives("drug:naproxen", "disease:gout", [])
    assert "drug:allopurinol" not in flare
    assert flare == ["drug:colchicine"]
    assert "drug:digoxin" not in clinic.alternatives("drug:apixaban", "disease:atrial_fibrillation", [])
    assert "drug:losartan" not in clinic.alternatives("drug:metoprolol", "disease:heart_failure", [])


def test_a_second_choice_is_due_only_where_no_first_one_is_safe() -> None:
    clinic = DrugSafetyIndex(ClinicalPack().load())
    assert clinic.is_due("drug:lisinopril", "disease:hypertension", [])
    assert not clinic.is_due("drug:labetalol", "disease:hypertension", [])
    assert clinic.is_due("drug:labetalol", "disease:hypertension", ["state:pregnancy"])


def test_a_record_that_holds_a_conflict_is_seen() -> None:
    clinic = DrugSafetyIndex(ClinicalPack().load())
    assert clinic.has_conflict("", ["drug:apixaban", "drug:warfarin"])
    assert clinic.has_conflict("disease:hemorrhagic_stroke", ["drug:warfarin"]) == clinic.has_conflict(
        "", ["disease:hemorrhagic_stroke", "drug:warfarin"]
    )
    assert clinic.has_conflict("", ["disease:peptic_ulcer_disease", "drug:naproxen"])
    assert not clinic.has_conflict("", ["drug:metformin", "disease:gout"])
