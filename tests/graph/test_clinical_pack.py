import re

import pytest

from bbflow.graph import ClinicalPack
from bbflow.graph.knowledge_graph import fold
from bbflow.graph.ontology import AXES

GRAPH = ClinicalPack().load()


def test_size_of_the_pack() -> None:
    counts = GRAPH.counts()
    assert counts["nodes"]["Drug"] >= 20
    assert counts["nodes"]["Disease"] >= 30
    assert counts["nodes"]["PhenotypicFeature"] + counts["nodes"]["Test"] >= 60
    assert sum(counts["edges"].values()) >= 300
    wanted = {"treats", "contraindicated_in", "interacts_with", "has_phenotype", "subclass_of", "diagnosed_by", "has_maximum_daily_dose"}
    assert wanted <= counts["edges"].keys()


def test_every_edge_says_where_it_comes_from_and_that_nobody_verified_it() -> None:
    for edge in GRAPH.edges():
        assert re.fullmatch(r"(label|text):[a-z0-9 \-,']+", edge.source, re.IGNORECASE), edge
        assert not re.search(r"\d{5,}|http|doi|pmid", edge.source, re.IGNORECASE), edge
        assert not edge.verified


def test_names_are_unambiguous() -> None:
    names = [fold(name) for node in GRAPH.nodes() for name in (node.name, *node.synonyms)]
    assert len(names) == len(set(names))


def test_coverage_is_declared_per_drug_and_axis() -> None:
    for drug in GRAPH.nodes("Drug"):
        assert set(drug.attributes["coverage"]) == set(AXES)
        assert set(drug.attributes["coverage"].values()) <= {"complete", "partial"}


def test_interactions_carry_a_severity() -> None:
    assert {e.attributes.get("severity") for e in GRAPH.edges("interacts_with")} == {"major", "moderate"}


def test_doses_carry_value_and_unit() -> None:
    for node in GRAPH.nodes("Quantity"):
        assert node.attributes["value"] > 0
        assert node.attributes["unit"] == "mg/d"
        assert node.name == f"{node.attributes['value']:g} mg per day"


@pytest.mark.parametrize(
    "triple",
    [
        ("drug:propranolol", "contraindicated_in", "disease:asthma"),
        ("drug:lisinopril", "contraindicated_in", "state:pregnancy"),
        ("drug:amoxicillin", "contraindicated_in", "allergy:penicillin_allergy"),
        ("drug:metformin", "contraindicated_in", "disease:severe_renal_impairment"),
        ("drug:pioglitazone", "contraindicated_in", "disease:heart_failure"),
        ("drug:sildenafil", "interacts_with", "drug:nitroglycerin"),
        ("drug:bupropion", "contraindicated_in", "disease:epilepsy"),
        ("drug:atorvastatin", "contraindicated_in", "disease:active_liver_disease"),
    ],
)
def test_facts_that_every_textbook_has(triple: tuple[str, str, str]) -> None:
    assert GRAPH.has(*triple)


def test_nothing_is_advised_and_forbidden_at_once() -> None:
    for edge in GRAPH.edges("treats"):
        assert not GRAPH.has(edge.subject, "contraindicated_in", edge.object)
