import csv
from dataclasses import replace

import pytest
import yaml

from bbflow.errors import InputError
from bbflow.graph import Edge, KnowledgeGraph, Node
from bbflow.graph.review import COLUMNS, apply_sheet, edge_rows, item_row, read_sheet, write_sheet

COMPLETE = {"coverage": {"disease": "complete", "interaction": "complete"}}
NODES = [
    Node("d:a", "Drug", "alpha", (), COMPLETE), Node("d:b", "Drug", "=beta()", (), COMPLETE),
    Node("x:i", "Disease", "itis", (), {"risk": True}), Node("x:w", "Disease", "wosis", (), {"risk": True}),
]  # fmt: skip
EDGES = [
    Edge("d:a", "treats", "x:i", "label:a"), Edge("d:a", "contraindicated_in", "x:w", "label:a"),
    Edge("d:b", "interacts_with", "d:a", "label:b", False, {"severity": "major"}), Edge("d:b", "treats", "x:w", "data:b#1", True),
]  # fmt: skip
GRAPH = KnowledgeGraph(NODES, EDGES, "g", "1", about={"licence": "own"})


def decide(path, decisions):
    """Fills in decisions and comments by row number, as a person would in a spreadsheet."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        for i, (decision, comment) in decisions.items():
            rows[i]["decision"], rows[i]["comment"] = decision, comment
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, delimiter=";")  # as a German spreadsheet saves
            writer.writeheader()
            writer.writerows(rows)
    else:
        rows = yaml.safe_load(path.read_text())
        for i, (decision, comment) in decisions.items():
            rows[i]["decision"], rows[i]["comment"] = decision, comment
        path.write_text(yaml.safe_dump(rows))


@pytest.mark.parametrize("name", ["sheet.csv", "sheet.yaml"])
def test_accept_verifies_reject_drops_and_comments_stay(tmp_path, name):
    path = tmp_path / name
    write_sheet([*edge_rows(GRAPH), item_row("e1", "What treats itis?\nA) alpha", "alpha", [("d:a", "treats", "x:i")])], path)
    decide(path, {0: ("Accept", "first line"), 1: ("reject", ""), 2: ("", "check\ndose"), 3: ("reject", "ambiguous")})
    done = apply_sheet(GRAPH, read_sheet(path), "Dr. A")
    edges = {edge.triple: edge for edge in done.graph.edges()}
    assert edges.keys() == {("d:a", "treats", "x:i"), ("d:b", "interacts_with", "d:a"), ("d:b", "treats", "x:w")}
    accepted = edges["d:a", "treats", "x:i"]
    assert (accepted.verified, accepted.attributes) == (True, {"comment": "first line", "verified_by": "Dr. A"})
    commented = edges["d:b", "interacts_with", "d:a"]
    assert (commented.verified, commented.attributes) == (False, {"severity": "major", "comment": "check\ndose"})
    assert edges["d:b", "treats", "x:w"] == EDGES[3]
    assert done.counts == {"accepted": 1, "rejected": 1, "undecided": 2, "commented": 2, "items rejected": 1}
    assert ("What treats itis?\nA) alpha", "ambiguous") in done.remarks
    assert (done.graph.name, done.graph.version, done.graph.salt, done.graph.about["licence"]) == ("g", "1", "g", "own")


def test_silence_about_a_rejected_risk_is_no_claim_of_safety(tmp_path):
    assert GRAPH.covers("d:a", "x:w")
    rows = [("1", row | {"decision": "reject"}) for row in edge_rows(GRAPH) if row["predicate"] in ("contraindicated_in", "interacts_with")]
    done = apply_sheet(GRAPH, rows)
    assert not done.graph.covers("d:a", "x:w")
    assert done.lowered == [("d:a", "disease"), ("d:a", "interaction"), ("d:b", "interaction")]
    assert done.graph.covers("d:b", "x:i")


def test_a_rejected_risk_is_no_longer_judged():
    alpha = replace(NODES[0], attributes={"judged": ["x:w"]})
    graph = KnowledgeGraph([alpha, *NODES[1:]], EDGES, about={"complete_for": {"disease": []}})
    assert graph.covers("d:a", "x:w")
    rows = [("1", row | {"decision": "reject"}) for row in edge_rows(graph) if row["predicate"] == "contraindicated_in"]
    assert not apply_sheet(graph, rows).graph.covers("d:a", "x:w")


def test_a_sheet_without_decisions_changes_nothing(tmp_path):
    write_sheet(edge_rows(GRAPH, verified=True), tmp_path / "s.csv")
    assert apply_sheet(GRAPH, read_sheet(tmp_path / "s.csv")).graph.sha256 == GRAPH.sha256


def test_verified_edges_are_listed_only_when_asked():
    assert len(edge_rows(GRAPH)) == 3
    assert len(edge_rows(GRAPH, verified=True)) == 4


def test_no_cell_is_a_formula_and_names_come_back(tmp_path):
    write_sheet([row | {"statement": "=cmd()", "id": "+1"} for row in edge_rows(GRAPH)], tmp_path / "s.csv")
    with (tmp_path / "s.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert {row["statement"] for _, row in read_sheet(tmp_path / "s.csv")} == {"=cmd()"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("edge,,,alpha treats", "edge,acept,,alpha treats", r"s\.csv:2: 'acept' is no decision \(did you mean 'accept'\?\)"),
        ("d:a,treats,x:i", "d:a,treats,x:w", r"s\.csv:2: the graph has no edge d:a treats x:w \(was the sheet written from this graph\?\)"),
        ("row,decision,", "row,verdict,", r"s\.csv:1: no review sheet: it lacks column 'decision'"),
        ("edge,,,alpha treats", "egde,,,alpha treats", r"s\.csv:2: the column 'row' says edge or item"),
    ],
)
def test_mistakes_in_a_sheet_have_their_line(tmp_path, edit, old, new, said):
    write_sheet(edge_rows(GRAPH), tmp_path / "s.csv")
    text = (tmp_path / "s.csv").read_text(encoding="utf-8-sig")
    assert old in text
    (tmp_path / "s.csv").write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=said):
        apply_sheet(GRAPH, read_sheet(tmp_path / "s.csv"))


def test_two_decisions_about_one_edge():
    row = edge_rows(GRAPH)[0]
    with pytest.raises(InputError, match="s:9: two rows decide differently about d:a treats x:i"):
        apply_sheet(GRAPH, [("s:2", row | {"decision": "accept"}), ("s:9", row | {"decision": "reject"})])


def test_a_sheet_of_another_graph_tells_twenty_rows_and_how_many_more():
    row = {"row": "edge", "decision": "accept", "subject": "d:z", "predicate": "treats", "object": "x:z"}
    with pytest.raises(InputError) as caught:
        apply_sheet(GRAPH, [(f"sheet.csv:{i}", row) for i in range(2, 1502)])
    assert len(caught.value.problems) == 21
    assert "and 1,480 more problems" in str(caught.value)
