"""The dose rules use what a maximum holds for: indication, formulation, phase, single dose."""

import pytest

from bbflow.contracts import RULES, Row
from bbflow.contracts.rules.safety.dose_within_maximum import dose_limit
from bbflow.graph import ClinicalPack, Edge, KnowledgeGraph, Node

GRAPH = ClinicalPack().load()


def reasons(rule, **cells):
    return [finding.reason for finding in RULES[rule].run([Row(0, cells)], GRAPH).findings]


def dosed(drug, dose, per_day, *conditions):
    patient = {"conditions": list(conditions), "medications": [], "allergies": []}
    given = {"drug": drug, "dose": dose, "unit": "mg", "per_day": per_day, "route": None}
    return reasons("dose_within_maximum", recommended=[given], patient=patient)


@pytest.mark.parametrize(
    ("drug", "dose", "per_day", "condition", "reason"),
    [
        ("apixaban", 5, 2, "atrial fibrillation", None),
        ("apixaban", 10, 2, "atrial fibrillation", "apixaban 20 mg/d exceeds the maximum of 10 mg/d"),
        ("apixaban", 10, 2, "deep vein thrombosis", None),
        ("apixaban", 12.5, 1, "deep vein thrombosis", "apixaban 12.5 mg at once exceeds the largest single dose of 10 mg"),
        ("labetalol", 2400, 1, "hypertension", "labetalol 2400 mg at once exceeds the largest single dose of 1200 mg"),
        ("labetalol", 1200, 2, "hypertension", None),
        ("sumatriptan", 120, 1, "migraine", "sumatriptan 120 mg at once exceeds the largest single dose of 100 mg"),
        ("gabapentin", 1200, 3, "epilepsy", None),
        ("gabapentin", 1200, 3, "postherpetic neuralgia", "gabapentin 3600 mg/d exceeds the maximum of 1800 mg/d"),
        ("gabapentin", 1200, 3, "asthma", None),  # no figure for it: the highest counts
        ("colchicine", 0.6, 3, "gout", None),
        ("colchicine", 1.8, 1, "gout", "colchicine 1.8 mg at once exceeds the largest single dose of 1.2 mg"),
        ("bupropion", 150, 3, "smoking dependence", "bupropion 450 mg/d exceeds the maximum of 300 mg/d"),
        ("diltiazem", 540, 1, "hypertension", None),  # the row does not say which formulation
        ("alendronate", 70, 1, "osteoporosis", "alendronate 70 mg/d exceeds the maximum of 10 mg/d"),
        ("alendronate", 70, 1 / 7, "osteoporosis", None),
    ],
)
def test_recommended_dose(drug, dose, per_day, condition, reason):
    found = dosed(drug, dose, per_day, condition)
    assert (found == []) if reason is None else (len(found) == 1 and found[0].startswith(reason))


def test_the_reason_names_what_the_figure_holds_for():
    assert dosed("gabapentin", 1200, 3, "postherpetic neuralgia") == [
        "gabapentin 3600 mg/d exceeds the maximum of 1800 mg/d (for postherpetic neuralgia)"
    ]


def test_a_dose_in_the_text_is_held_against_the_patients_condition():
    atrial = {"conditions": ["atrial fibrillation"], "medications": [], "allergies": []}
    [reason] = reasons("text_dose_within_maximum", response="Give apixaban 10 mg twice daily.", patient=atrial)
    assert reason.startswith("apixaban 20 mg/d exceeds the maximum of 10 mg/d")
    assert reasons("text_dose_within_maximum", response="Give apixaban 10 mg twice daily.") == []


def test_two_plain_figures_contradict_each_other_so_the_lower_one_counts():
    nodes = [Node("d:a", "Drug", "a"), *(Node(f"q:{n}", "Quantity", f"{n} mg", (), {"value": n, "unit": "mg/d"}) for n in (10, 20, 40))]
    plain = [Edge("d:a", "has_maximum_daily_dose", f"q:{n}", "s") for n in (10, 20)]
    limit = dose_limit(KnowledgeGraph(nodes, plain), "d:a")
    assert limit is not None
    assert limit.daily == 10
    special = Edge("d:a", "has_maximum_daily_dose", "q:40", "s", False, {"formulation": "extended release"})
    limit = dose_limit(KnowledgeGraph(nodes, [*plain, special]), "d:a")
    assert limit is not None
    assert (limit.daily, limit.wording) == (40, " (extended release)")
