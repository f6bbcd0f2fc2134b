"""Annotations of YAML graphs: attributes apart from their nodes and edges, with a source, joined and checked."""

from pathlib import Path

import pytest

from bbflow.errors import InputError
from bbflow.graph import ClinicalPack
from bbflow.graph.readers.formats import read_graph

GRAPH = """
nodes:
  - {id: drug:a, kind: Drug, name: a, risk: true}
  - {id: disease:d, kind: Disease, name: d}
edges:
  - [drug:a, treats, disease:d, by hand]
"""


def read(folder: Path, annotations: str):
    (folder / "graph.yaml").write_text(GRAPH)
    (folder / "more.yaml").write_text(f"annotations:\n{annotations}")
    return read_graph(folder, "yaml")


def test_annotations_add_to_nodes_and_edges_of_other_files_and_keep_their_source(tmp_path: Path) -> None:
    graph = read(
        tmp_path,
        "  - {nodes: [drug:a, disease:d], source: 'text:x', sex: male, loosely: {treats: [disease:d]}}\n"
        "  - {nodes: [drug:a], source: 'text:y', strengths: [1], loosely: {treats: [disease:e]}}\n"
        "  - {edges: [[drug:a, treats, disease:d]], source: 'text:z', purposes: [relief]}\n",
    )
    drug = graph.node("drug:a").attributes
    assert drug["risk"] is True
    assert drug["sex"] == "male"
    assert drug["loosely"] == {"treats": ["disease:d", "disease:e"]}
    assert drug["sources"] == {"sex": ["text:x"], "loosely": ["text:x", "text:y"], "strengths": ["text:y"]}
    assert graph.node("disease:d").attributes["sex"] == "male"
    assert graph.edge("drug:a", "treats", "disease:d").attributes["purposes"] == ["relief"]


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ("{nodes: [drug:b], source: 'text:x', sex: male}", r"more\.yaml:2:.*'drug:b', which is in no file .did you mean 'drug:a'"),
        ("{edges: [[drug:a, treats, disease:e]], source: 'text:x', sex: male}", "'drug:a treats disease:e', which is in no file"),
        ("{nodes: [drug:a], source: 'text:x', risk: false}", "'risk' of 'drug:a' is given twice"),
        ("{nodes: [drug:a], sex: male}", "an annotation needs a 'source'"),
        ("{source: 'text:x', sex: male}", "lists 'nodes' or 'edges'"),
        ("{edges: [drug:a], source: 'text:x'}", "is .subject, predicate, object."),
        ("5", "an annotation is a mapping, not 5"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, annotation: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, f"  - {annotation}\n")


def test_a_second_value_of_one_attribute_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'sex' of 'drug:a' is given twice"):
        read(tmp_path, "  - {nodes: [drug:a], source: x, sex: male}\n  - {nodes: [drug:a], source: y, sex: female}\n")


def test_every_attribute_that_the_pack_adds_has_a_source() -> None:
    for graph in (ClinicalPack().load(), ClinicalPack(core=True).load()):
        for node in graph.nodes():
            added = {
                "sex",
                "age_from",
                "age_to",
                "found_by",
                "strengths",
                "emergency",
                "needs_contraception",
                "loosely",
            } & node.attributes.keys()
            assert added <= node.attributes.get("sources", {}).keys()
