"""Facts of the clinical pack, one table for each kind of fact; the values are those of US labels, the BNF and guidelines."""

from fractions import Fraction

import pytest

from bbflow.contracts.engine.contraindications import ancestors
from bbflow.graph import ClinicalPack
from bbflow.graph.maximum_dose import maximum_doses
from bbflow.synthesis.items.patients import DrugSafetyIndex
from bbflow.synthesis.items.solver import safety

GRAPH = ClinicalPack().load()
CORE = ClinicalPack(core=True).load()


def against(drug: str, node: str) -> str | None:
    """Return what the pack says about a drug in a condition: contraindicated, caution, or None."""
    node = node if ":" in node else f"disease:{node}"
    words = {"contraindicated_in": "contraindicated", "caution_in": "caution"}
    found = [word for predicate, word in words.items() if GRAPH.has(f"drug:{drug}", predicate, node)]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("drug", "condition", "said"),
    [
        # failing hearts, slow hearts
        ("carvedilol", "heart_failure", "caution"),
        ("metoprolol", "heart_failure", "caution"),
        ("carvedilol", "decompensated_heart_failure", "contraindicated"),
        ("metoprolol", "decompensated_heart_failure", "contraindicated"),
        ("labetalol", "heart_failure", "contraindicated"),
        ("verapamil", "heart_failure", "contraindicated"),
        ("diltiazem", "heart_failure", "contraindicated"),
        ("diltiazem", "severe_bradycardia", "contraindicated"),
        ("carvedilol", "metabolic_acidosis", "caution"),
        # narrowed vessels
        ("sumatriptan", "angina", "contraindicated"),
        ("sumatriptan", "myocardial_infarction", "contraindicated"),
        ("sumatriptan", "previous_stroke", "contraindicated"),
        ("sumatriptan", "mesenteric_ischemia", "contraindicated"),
        ("sumatriptan", "wolff_parkinson_white_syndrome", "contraindicated"),
        ("sildenafil", "myocardial_infarction", "contraindicated"),
        ("amitriptyline", "myocardial_infarction", "contraindicated"),
        ("ibuprofen", "myocardial_infarction", "caution"),
        # bleeding and ulcers
        ("warfarin", "peptic_ulcer_disease", "contraindicated"),
        ("aspirin", "peptic_ulcer_disease", "contraindicated"),
        ("clopidogrel", "peptic_ulcer_disease", "caution"),
        ("apixaban", "gastrointestinal_hemorrhage", "contraindicated"),
        ("clopidogrel", "subarachnoid_hemorrhage", "contraindicated"),
        # long QT
        ("escitalopram", "long_qt_syndrome", "contraindicated"),
        ("clarithromycin", "long_qt_syndrome", "contraindicated"),
        ("azithromycin", "long_qt_syndrome", "contraindicated"),
        ("ciprofloxacin", "long_qt_syndrome", "contraindicated"),
        ("fluconazole", "long_qt_syndrome", "contraindicated"),
        ("sertraline", "long_qt_syndrome", "caution"),
        # liver and kidney
        ("carvedilol", "severe_hepatic_impairment", "contraindicated"),
        ("sumatriptan", "severe_hepatic_impairment", "contraindicated"),
        ("atorvastatin", "severe_hepatic_impairment", "contraindicated"),
        ("atorvastatin", "active_liver_disease", "caution"),
        ("methotrexate", "severe_renal_impairment", "contraindicated"),
        ("methotrexate", "renal:g4", "contraindicated"),
        ("alendronate", "severe_renal_impairment", "contraindicated"),
        ("co_trimoxazole", "renal:g5", "contraindicated"),
        ("co_trimoxazole", "renal:g4", "caution"),
        ("omeprazole", "renal:g5", None),
        ("carvedilol", "renal:g5", None),
        ("azithromycin", "renal:g4", None),
        ("azithromycin", "renal:g5", "caution"),
        # pregnancy and what comes before and after
        ("topiramate", "state:pregnancy", "contraindicated"),
        ("ibuprofen", "state:pregnancy", "contraindicated"),
        ("naproxen", "state:pregnancy", "contraindicated"),
        ("aspirin", "state:pregnancy", "caution"),
        ("valproate", "state:childbearing_potential", "contraindicated"),
        ("methotrexate", "state:childbearing_potential", "caution"),
        ("methotrexate", "state:breast_feeding", "contraindicated"),
        ("doxycycline", "state:breast_feeding", "caution"),
        # glands and metabolism
        ("propranolol", "pheochromocytoma", "contraindicated"),
        ("spironolactone", "addison_disease", "contraindicated"),
        ("levothyroxine", "addison_disease", "contraindicated"),
        ("metformin", "diabetic_ketoacidosis", "contraindicated"),
        ("glipizide", "diabetic_ketoacidosis", "contraindicated"),
        ("valproate", "urea_cycle_disorder", "contraindicated"),
        ("alendronate", "finding:low_calcium", "contraindicated"),
        ("digoxin", "finding:low_potassium", "caution"),
        # other conditions
        ("carbamazepine", "history_of_stevens_johnson_syndrome", "caution"),
        ("carbamazepine", "finding:bone_marrow_suppression", "contraindicated"),
        ("metronidazole", "heavy_alcohol_use", "contraindicated"),
        ("gemfibrozil", "gallbladder_disease", "contraindicated"),
        ("pioglitazone", "bladder_cancer", "contraindicated"),
        ("verapamil", "wolff_parkinson_white_syndrome", "contraindicated"),
        ("sertraline", "bipolar_disorder", "caution"),
        # no basis
        ("escitalopram", "hyperkalemia", None),
        ("acetaminophen", "asthma", None),
        ("acetaminophen", "g6pd_deficiency", None),
        ("levothyroxine", "epilepsy", None),
    ],
)
def test_drug_in_a_condition(drug: str, condition: str, said: str | None) -> None:
    assert against(drug, condition) == said


@pytest.mark.parametrize(
    ("one", "other", "severity"),
    [
        # two drugs of one kind
        ("simvastatin", "atorvastatin", "major"),
        ("rosuvastatin", "atorvastatin", "major"),
        ("clarithromycin", "azithromycin", "major"),
        ("fluoxetine", "sertraline", "major"),
        ("metoprolol", "propranolol", "major"),
        ("lisinopril", "losartan", "major"),
        # bleeding
        ("apixaban", "ibuprofen", "major"),
        ("apixaban", "naproxen", "major"),
        ("warfarin", "ibuprofen", "major"),
        # to be watched, not avoided
        ("lithium", "lisinopril", "moderate"),
        ("lithium", "hydrochlorothiazide", "moderate"),
        ("lithium", "losartan", "moderate"),
        ("lithium", "ibuprofen", "moderate"),
        ("fluconazole", "warfarin", "moderate"),
        ("metronidazole", "warfarin", "moderate"),
        ("empagliflozin", "furosemide", "moderate"),
        ("ciprofloxacin", "prednisone", "moderate"),
        ("omeprazole", "levothyroxine", "moderate"),
        ("metformin", "topiramate", "moderate"),
        ("lamotrigine", "phenytoin", "moderate"),
        ("azithromycin", "lithium", "moderate"),
        # drugs that stand in the pack for what they do to others
        ("phenelzine", "sertraline", "major"),
        ("linezolid", "fluoxetine", "major"),
        ("potassium_chloride", "spironolactone", "major"),
        ("potassium_chloride", "lisinopril", "moderate"),
        ("azathioprine", "allopurinol", "major"),
        ("repaglinide", "gemfibrozil", "major"),
        ("isosorbide_mononitrate", "sildenafil", "major"),
        ("amiodarone", "escitalopram", "major"),
        ("rifampin", "apixaban", "major"),
        ("rifampin", "diltiazem", "major"),
        ("rifampin", "warfarin", "moderate"),
        # no interaction that matters
        ("warfarin", "montelukast", None),
        ("warfarin", "famotidine", None),
        ("carbamazepine", "azithromycin", None),
        ("clopidogrel", "amlodipine", None),
        ("digoxin", "metformin", None),
    ],
)
def test_pair_of_drugs(one: str, other: str, severity: str | None) -> None:
    edge = GRAPH.edge(f"drug:{one}", "interacts_with", f"drug:{other}")
    assert (edge.attributes["severity"] if edge else None) == severity


@pytest.mark.parametrize(
    ("triple", "stands"),
    [
        (("drug:aspirin", "subclass_of", "class:antiplatelet_drug"), True),
        (("drug:valproate", "subclass_of", "class:mood_stabilizer"), True),
        (("drug:lamotrigine", "subclass_of", "class:mood_stabilizer"), True),
        (("drug:carbamazepine", "subclass_of", "class:antiseizure_drug"), True),
        (("drug:prednisone", "subclass_of", "class:immunosuppressant"), True),
        (("drug:allopurinol", "subclass_of", "class:anti_gout_drug"), True),
        (("disease:diabetic_ketoacidosis", "subclass_of", "disease:metabolic_acidosis"), True),
        (("disease:gastrointestinal_hemorrhage", "subclass_of", "disease:active_bleeding"), True),
        (("disease:angina", "subclass_of", "disease:coronary_artery_disease"), True),
        (("drug:amoxicillin", "treats", "disease:urinary_tract_infection"), False),
        (("drug:prednisone", "treats", "disease:psoriasis"), False),
        (("drug:aspirin", "treats", "disease:angina"), False),
        (("drug:fluoxetine", "treats", "disease:generalized_anxiety_disorder"), False),
        (("disease:tension_pneumothorax", "diagnosed_by", "test:chest_radiography"), False),
        (("disease:ruptured_aortic_aneurysm", "diagnosed_by", "test:abdominal_ultrasound"), True),
        (("disease:pulmonary_embolism", "has_phenotype", "finding:leg_swelling"), False),
        (("disease:urinary_tract_infection", "has_phenotype", "finding:elevated_temperature"), False),
        (("disease:pyelonephritis", "has_phenotype", "finding:elevated_temperature"), True),
        (("disease:typhoid_fever", "has_phenotype", "finding:ataxia"), False),
        (("finding:bruising", "has_red_flag", "finding:petechiae"), False),
        (("finding:leg_weakness", "has_red_flag", "finding:respiratory_failure"), False),
    ],
)
def test_edge_stands_or_not(triple: tuple[str, str, str], stands: bool) -> None:
    assert GRAPH.has(*triple) is stands


@pytest.mark.parametrize(
    ("drug", "conditions", "daily", "single"),
    [
        ("apixaban", ["atrial_fibrillation"], [10], [5]),
        ("apixaban", ["deep_vein_thrombosis"], [20, 10], [10, 5]),
        ("gabapentin", ["postherpetic_neuralgia"], [1800], [None]),
        ("gabapentin", [], [3600, 1800], [None, None]),
        ("colchicine", ["gout"], [Fraction(9, 5), Fraction(6, 5)], [Fraction(6, 5), Fraction(3, 5)]),
        ("bupropion", ["smoking_dependence"], [300], [150]),
        ("azithromycin", ["community_acquired_pneumonia"], [500], [500]),
        ("azithromycin", ["chlamydia_infection"], [1000], [1000]),
        ("naproxen", ["osteoarthritis"], [1500, 1000], [None, None]),
        ("metformin", [], [2550, 2000], [1000, 2000]),
        ("fluconazole", ["oral_candidiasis"], [200], [None]),
        ("metronidazole", ["bacterial_vaginosis"], [1000], [None]),
        ("sumatriptan", ["migraine"], [200], [100]),
        ("labetalol", [], [2400], [1200]),
        ("spironolactone", ["heart_failure"], [50], [None]),
    ],
)
def test_maximum_dose_of_a_drug_for_a_condition(drug: str, conditions: list[str], daily: list[int], single: list[int | None]) -> None:
    found = maximum_doses(GRAPH, f"drug:{drug}", [f"disease:{name}" for name in conditions])
    assert [figure.daily for figure in found] == daily
    assert [figure.single_dose for figure in found] == single


def test_a_maximum_is_for_conditions_that_the_drug_treats() -> None:
    for drug in GRAPH.nodes("Drug"):
        for figure in maximum_doses(GRAPH, drug.id):
            assert len(figure.conditions) == len(figure.indications), drug.id
            assert all(GRAPH.has(drug.id, "treats", node) for node in figure.conditions), drug.id
            assert figure.single_dose is None or figure.single_dose <= figure.daily, drug.id


@pytest.mark.parametrize(
    ("drug", "disease", "context", "verdict"),
    [
        ("sumatriptan", "migraine", "disease:angina", "unsafe"),
        ("propranolol", "migraine", "disease:angina", "safe"),
        ("levetiracetam", "epilepsy", "disease:angina", "unknown"),  # nobody judged it
        ("carvedilol", "myocardial_infarction", "disease:heart_failure", "unknown"),
        ("spironolactone", "hypertension", "disease:addison_disease", "unsafe"),
        ("amlodipine", "hypertension", "disease:addison_disease", "safe"),
        ("amoxicillin", "streptococcal_pharyngitis", "state:breast_feeding", "safe"),
        ("cephalexin", "cellulitis", "state:childbearing_potential", "safe"),
        ("doxycycline", "community_acquired_pneumonia", "state:breast_feeding", "unknown"),
        ("sertraline", "depression", "drug:phenelzine", "unsafe"),
        ("metformin", "type_2_diabetes", "drug:phenelzine", "unknown"),  # new drugs are on no list
        ("amlodipine", "hypertension", "disease:myasthenia_gravis", "unknown"),  # undecided
        ("amlodipine", "hypertension", "drug:lithium", "unknown"),  # undecided, as lithium says
        ("amlodipine", "hypertension", "disease:pulmonary_tuberculosis", "unknown"),  # on no list
    ],
)
def test_silence_is_safety_only_where_the_drug_was_judged(drug: str, disease: str, context: str, verdict: str) -> None:
    assert safety(GRAPH, f"drug:{drug}", f"disease:{disease}", (context,)) == verdict


def test_what_forbids_a_broader_condition_forbids_a_narrower_one_and_nobody_calls_it_safe() -> None:
    for drug in GRAPH.nodes("Drug"):
        for disease in GRAPH.nodes("Disease"):
            for broader in list(ancestors(GRAPH, disease.id))[1:]:
                assert not GRAPH.has(drug.id, "contraindicated_in", broader) or against(drug.id[5:], disease.id) == "contraindicated"
                concern = GRAPH.has(drug.id, "caution_in", broader) and against(drug.id[5:], disease.id) is None
                assert not (concern and GRAPH.covers(drug.id, disease.id)), (drug.id, disease.id)


def test_a_risk_node_that_no_template_words_is_not_drawn() -> None:
    drawn = DrugSafetyIndex(GRAPH).risks
    assert "disease:angina" in drawn
    assert "state:pregnancy" in drawn
    assert not {"state:breast_feeding", "state:childbearing_potential"} & set(drawn)


def test_complete_for_lists_every_axis_but_kidney_function() -> None:
    assert GRAPH.complete_for is not None
    assert {axis: len(listed) for axis, listed in GRAPH.complete_for.items()} == {
        "disease": 21,
        "pregnancy": 1,
        "allergy": 7,
        "interaction": 10,
    }


def test_the_core_declares_the_same_for_its_own_nodes() -> None:
    assert CORE.complete_for is not None
    assert CORE.complete_for["disease"] == GRAPH.complete_for["disease"]  # type: ignore[index]
    assert safety(CORE, "drug:propranolol", "disease:migraine", ("disease:angina",)) == "safe"
    assert "disease:addison_disease" not in CORE
    assert all(node in CORE for drug in CORE.nodes("Drug") for key in ("judged", "undecided") for node in drug.attributes.get(key, ()))
