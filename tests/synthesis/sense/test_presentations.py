"""What findings point to, and which are alarms, by values of the clinical pack."""

import pytest

from bbflow.graph import ClinicalPack
from bbflow.synthesis.sense.presentations import Presentations

GRAPH = ClinicalPack().load()
SIGNS = Presentations(GRAPH)


def test_every_finding_says_how_it_is_found() -> None:
    found = {node.id: node.attributes.get("found_by") for node in GRAPH.nodes("PhenotypicFeature")}
    assert set(found.values()) == {"symptom", "sign", "lab"}
    assert found["finding:low_potassium"] == "lab"
    assert found["finding:headache"] == "symptom"
    assert found["finding:murphy_sign"] == "sign"


@pytest.mark.parametrize(
    ("disease", "findings", "alone"),
    [
        ("disease:gout", ("finding:red_hot_great_toe", "finding:joint_pain"), True),
        ("disease:psoriasis", ("finding:scaly_skin_plaques", "finding:itching"), True),
        ("disease:asthma", ("finding:dry_cough", "finding:dyspnea"), False),  # nothing that tells
        ("disease:heart_failure", ("finding:peripheral_edema", "finding:weight_gain", "finding:leg_swelling"), False),
        ("disease:bacterial_vaginosis", ("finding:vaginal_discharge", "finding:vaginal_discharge"), False),  # thrush has it too
    ],
)
def test_findings_single_out_a_disease(disease: str, findings: tuple[str, ...], alone: bool) -> None:
    assert SIGNS.single_out(disease, findings) == alone


@pytest.mark.parametrize(
    ("disease", "findings", "ignored"),
    [
        ("disease:lyme_disease", ("finding:facial_droop", "finding:fatigue"), True),
        ("disease:ischemic_stroke", ("finding:facial_droop", "finding:arm_weakness"), False),
        ("disease:dengue_fever", ("finding:headache", "finding:eye_pain"), True),
        ("disease:angle_closure_glaucoma", ("finding:headache", "finding:eye_pain"), False),
        ("disease:angina", ("finding:chest_pain", "finding:chest_tightness"), False),
        ("disease:panic_disorder", ("finding:chest_pain", "finding:sweating"), True),
    ],
)
def test_alarms_that_point_elsewhere_are_seen(disease: str, findings: tuple[str, ...], ignored: bool) -> None:
    assert SIGNS.ignores_alarm(disease, findings) == ignored


def test_what_calls_for_an_urgent_action_is_an_emergency_in_the_core_pack_too() -> None:
    core = Presentations(ClinicalPack(core=True).load())
    assert {edge.subject for edge in GRAPH.edges("needs_urgent_action")} - SIGNS.emergencies == set()
    assert {"disease:myocardial_infarction", "disease:ischemic_stroke", "disease:pulmonary_embolism"} <= core.emergencies
