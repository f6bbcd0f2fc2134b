import json

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
    (tmp_path / "g.txt").write_text(json.dumps({}))
    assert main(["graph", "info", "--graph", str(tmp_path / "g.txt")]) == 2
    assert "no reader knows this file" in capsys.readouterr().err
    assert main(["graph", "info", "--graph", str(tmp_path / "g.txt"), "--format=ymal"]) == 2
    assert "did you mean 'yaml'?" in capsys.readouterr().err
