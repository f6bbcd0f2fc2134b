"""Marketed doses of the clinical pack."""

from fractions import Fraction

import pytest

from bbflow.graph import ClinicalPack
from bbflow.synthesis.questions.qualifiers import indication, qualified_name
from bbflow.synthesis.sense.doses import marketed

GRAPH = ClinicalPack().load()
MG = Fraction(1, 1000)


@pytest.mark.parametrize(
    ("drug", "limit", "dose", "sold"),
    [
        ("drug:metformin", 2550, 850, True),
        ("drug:metformin", 2550, 40, False),
        ("drug:acetaminophen", 4000, 1000, True),  # two tablets of 500 mg
        ("drug:colchicine", "1.2", 5, False),
        ("drug:sumatriptan", 200, 100, True),
        ("drug:sumatriptan", 200, 200, False),  # too much at once
        ("drug:allopurinol", 800, 600, False),
        ("drug:labetalol", 2400, 2400, False),
    ],
)
def test_doses_are_made_up_of_marketed_strengths(drug: str, limit: float, dose: int, sold: bool) -> None:
    found = marketed(GRAPH, drug, Fraction(limit) * MG)
    assert (found is not None and found.is_dose(dose * MG)) == sold


def test_drugs_without_strengths_and_maxima_of_a_single_dose_have_no_doses() -> None:
    assert marketed(GRAPH, "drug:bupropion", 450 * MG) is None
    assert marketed(GRAPH, "drug:metronidazole", 2000 * MG) is None  # 2 g on a single day


def test_strengths_have_a_source_and_fit_the_maximum() -> None:
    for node in GRAPH.nodes("Drug"):
        strengths = node.attributes.get("strengths")
        if strengths:
            assert node.attributes["sources"]["strengths"] == [f"label:{node.name} dosage forms and strengths"]
            assert list(strengths) == sorted(strengths)
            assert node.attributes["doses_per_day"]


def test_names_carry_what_a_maximum_or_an_indication_is_restricted_to() -> None:
    assert qualified_name(GRAPH, "drug:lisinopril") == "lisinopril (for hypertension)"
    assert qualified_name(GRAPH, "drug:losartan") == "losartan"
    assert (
        indication(GRAPH, ["drug:warfarin", "drug:apixaban"], "disease:atrial_fibrillation") == "atrial fibrillation (prevention of stroke)"
    )
    assert indication(GRAPH, ["drug:lisinopril"], "disease:hypertension") == "hypertension"
