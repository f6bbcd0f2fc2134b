"""Who is drawn for a case: sex, age and pregnancy by the attributes of what the case names."""

import random

import pytest

from bbflow.graph import ClinicalPack
from bbflow.synthesis.items.item import Case
from bbflow.synthesis.sense.people import bounds, can_become_pregnant, draw_twins, harms_unborn

GRAPH = ClinicalPack().load()


def drawn(case: Case, *given: str, number: int = 60):
    return [draw_twins(GRAPH, [case], [given], random.Random(seed)) for seed in range(number)]


def test_a_pregnant_patient_is_a_woman_of_childbearing_age() -> None:
    for patients in drawn(Case("disease:lyme_disease", (), ("state:pregnancy",))):
        (patient,) = patients
        assert (patient["pregnant"], patient["sex"]) == (True, "female")
        assert 18 <= patient["age"] <= 44
        assert patient["conditions"] == ["disease:lyme_disease"]


@pytest.mark.parametrize(
    ("case", "sexes", "youngest", "oldest"),
    [
        (Case("disease:benign_prostatic_hyperplasia"), {"male"}, 50, 85),
        (Case("disease:bacterial_vaginosis"), {"female"}, 25, 60),
        (Case("disease:migraine"), {"female", "male"}, 25, 50),
        (Case("disease:giant_cell_arteritis"), {"female", "male"}, 50, 85),
        (Case("disease:prolactinoma", ("finding:amenorrhea",)), {"female"}, 25, 45),
        (Case("disease:hypertension", (), ("drug:sildenafil",)), {"male"}, 30, 85),
        (Case("disease:hypertension", (), ("disease:bulimia_nervosa",)), {"female", "male"}, 30, 85),  # a past onset limits no age
    ],
)
def test_patients_fit_what_they_have(case: Case, sexes: set[str], youngest: int, oldest: int) -> None:
    patients = [patient for found in drawn(case) for patient in found]
    assert {patient["sex"] for patient in patients} == sexes
    assert youngest <= min(p["age"] for p in patients) <= max(p["age"] for p in patients) <= oldest


def test_no_one_is_drawn_where_no_one_fits() -> None:
    assert drawn(Case("disease:erectile_dysfunction", (), ("state:pregnancy",)), number=1) == [None]
    assert bounds(GRAPH, Case("disease:osteoporosis", (), ("state:pregnancy",))).nobody


def test_no_woman_who_can_become_pregnant_is_given_a_teratogen() -> None:
    assert harms_unborn(GRAPH, "drug:valproate")
    assert harms_unborn(GRAPH, "drug:lisinopril")
    assert not harms_unborn(GRAPH, "drug:amoxicillin")
    patients = [p for found in drawn(Case("disease:epilepsy"), "drug:valproate") for p in found]
    assert not any(can_become_pregnant(p) for p in patients)
    assert {p["sex"] for p in patients} == {"female", "male"}
    assert all(p["age"] > 50 for p in patients if p["sex"] == "female")
    assert any(can_become_pregnant(p) for found in drawn(Case("disease:epilepsy"), "drug:levetiracetam") for p in found)


def test_twins_share_sex_and_age() -> None:
    cases = [Case("disease:hypertension", (), ("disease:asthma",)), Case("disease:hypertension", (), ("disease:gout",))]
    for seed in range(20):
        one, other = draw_twins(GRAPH, cases, [[], ["drug:propranolol"]], random.Random(seed))
        assert (one["sex"], one["age"]) == (other["sex"], other["age"])
