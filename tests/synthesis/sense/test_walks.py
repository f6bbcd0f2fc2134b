"""Broad walks: what is true in a lesser or broader sense, against values by hand and against the solver's own code."""

import random

from bbflow.graph import ClinicalPack, Edge, KnowledgeGraph, Node
from bbflow.synthesis.items.clinical_solver import _broadly
from bbflow.synthesis.items.item import Walk
from bbflow.synthesis.sense.loose_truths import LooseTruths
from bbflow.synthesis.sense.walks import WalkSense

GRAPH = ClinicalPack().load()


def small() -> KnowledgeGraph:
    nodes = [
        *(Node(f"drug:{name}", "Drug", name) for name in "abc"),
        Node("disease:renal", "Disease", "renal", (), {"overlaps": ["renal:low"]}),
        Node("renal:low", "RenalFunction", "low"),
        Node("disease:heart", "Disease", "heart"),
        Node("disease:valve", "Disease", "valve", (), {"loosely": {"subclass_of": ["disease:heart"]}}),
        Node("disease:skin", "Disease", "skin"),
    ]
    edges = [
        Edge("drug:a", "contraindicated_in", "disease:renal", "by hand"),
        Edge("drug:b", "caution_in", "renal:low", "by hand"),
        Edge("drug:b", "contraindicated_in", "disease:skin", "by hand"),
        Edge("drug:c", "contraindicated_in", "disease:valve", "by hand"),
    ]
    return KnowledgeGraph(nodes, edges, name="small")


def test_lesser_relations_overlapping_and_broader_terms_are_reached() -> None:
    loose = LooseTruths(small())
    forbidden_in = (("contraindicated_in", False),)
    assert loose.ends(Walk("disease:renal", forbidden_in)) == {"drug:a", "drug:b"}  # a caution in what overlaps
    assert loose.ends(Walk("disease:heart", forbidden_in)) == {"drug:c"}  # what is loosely a kind of it
    assert loose.ends(Walk("disease:skin", forbidden_in)) == {"drug:b"}
    assert loose.ends(Walk("drug:c", (("contraindicated_in", True),))) == {"disease:valve", "disease:heart"}


def test_siblings_are_not_near_each_other() -> None:
    loose = LooseTruths(GRAPH)
    assert "disease:asthma" not in loose.near("disease:chronic_obstructive_pulmonary_disease")
    assert "disease:respiratory_disease" in loose.near("disease:asthma")
    treating = loose.ends(Walk("test:bone_density_scan", (("diagnosed_by", False), ("treats", False))))
    assert {node for node in treating if node.startswith("drug:")} == {"drug:alendronate"}


def test_broad_walks_agree_with_the_solver() -> None:
    loose, rng = LooseTruths(GRAPH), random.Random(0)
    steps = [
        (("contraindicated_in", True),), (("has_side_effect", False),), (("treats", False), ("contraindicated_in", True)),
        (("has_phenotype", False), ("diagnosed_by", True)), (("subclass_of", True),), (("interacts_with", True), ("treats", True)),
    ]  # fmt: skip
    nodes = [node.id for node in GRAPH.nodes()]
    for _ in range(600):
        walk = Walk(rng.choice(nodes), rng.choice(steps))
        assert loose.ends(walk) == _broadly(GRAPH, walk)


def test_vague_starts_ask_for_nothing_and_silence_is_no_wrong_option() -> None:
    sense = WalkSense(GRAPH)
    diagnose = (("has_phenotype", False), ("diagnosed_by", True))
    assert not sense.can_start(Walk("finding:nausea", diagnose), choice=True)
    assert not sense.can_start(Walk("finding:genital_ulcers", diagnose), choice=True)  # two diseases have it
    assert sense.can_start(Walk("finding:kayser_fleischer_ring", diagnose), choice=True)
    partners = Walk("drug:sertraline", (("interacts_with", True),))
    assert not sense.is_judged(partners, "drug:levetiracetam")
    assert sense.is_judged(partners, "drug:methotrexate")
