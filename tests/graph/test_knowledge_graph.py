import pytest

from bbflow.errors import InputError
from bbflow.graph import ClinicalPack, Edge, KnowledgeGraph, Node, fold, read_graph
from bbflow.graph.readers import node_link

NODES = [
    Node("drug:a", "Drug", "alphadrug", ("Alpha",), {"coverage": {"disease": "complete"}}),
    Node("drug:b", "Drug", "betadrug"),
    Node("disease:x", "Disease", "xitis", (), {"risk": True}),
    Node("disease:y", "Disease", "yosis"),
]


def edge(subject: str, predicate: str, obj: str, source: str = "label:x y") -> Edge:
    return Edge(subject, predicate, obj, source)


def test_symmetric_edges_are_found_from_both_ends() -> None:
    graph = KnowledgeGraph(NODES, [edge("drug:a", "interacts_with", "drug:b")])
    assert graph.has("drug:b", "interacts_with", "drug:a")
    assert graph.objects("drug:b", "interacts_with") == ["drug:a"]
    assert len(list(graph.edges())) == 1


def test_silence_means_safety_only_where_coverage_is_complete_and_the_node_is_a_risk() -> None:
    graph = KnowledgeGraph(NODES, [])
    assert graph.covers("drug:a", "disease:x")
    assert not graph.covers("drug:a", "disease:y")  # not judged against
    assert not graph.covers("drug:b", "disease:x")  # declares nothing


def test_names_resolve_folded_and_ambiguous_names_do_not() -> None:
    graph = KnowledgeGraph([*NODES, Node("drug:c", "Drug", "gamma", ("ALPHA",))], [])
    assert graph.resolve("  Beta-Drug ".replace("-", "")) == "drug:b"
    assert graph.resolve("alpha") is None
    assert graph.ambiguous == set()  # a shared synonym leaves the preferred names alone
    assert fold("Co-Trimoxazole,") == "co trimoxazole"


def test_nodes_that_share_a_name_are_ambiguous() -> None:
    graph = KnowledgeGraph([*NODES, Node("hp:x", "PhenotypicFeature", "Xitis"), Node("hp:b", "PhenotypicFeature", "b", ("betadrug",))], [])
    assert graph.ambiguous == {"disease:x", "hp:x", "drug:b"}


def test_all_violations_are_listed_at_once() -> None:
    edges = [
        edge("drug:a", "treats", "disease:zz"),
        edge("disease:x", "treats", "disease:y"),
        edge("drug:a", "trets", "disease:x"),
        edge("drug:b", "treats", "disease:x"),
        edge("drug:b", "contraindicated_in", "disease:x", ""),
        edge("drug:a", "interacts_with", "drug:b"),
        edge("drug:b", "interacts_with", "drug:a"),
        edge("disease:x", "subclass_of", "disease:y"),
        edge("disease:y", "subclass_of", "disease:x"),
    ]
    with pytest.raises(InputError) as caught:
        KnowledgeGraph([*NODES, Node("nocurie", "Drg", "")], edges)
    text = str(caught.value)
    for part in (
        "dangles: there is no node 'disease:zz'", "the subject is a Disease, not a Drug", "did you mean 'treats'?", "both treats and is contraindicated",
        "has no source", "stands twice", "runs in a circle", "is not a CURIE", "unknown kind 'Drg'", "has no name",
    ):  # fmt: skip
        assert part in text


def test_yaml_reader_names_file_and_line(tmp_path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(
        "nodes:\n  - {id: drug:a, kind: Drug, name: a}\n  - {id: drug:b, name: b}\n"
        "edges:\n  - [drug:a, treats]\n"
    )  # fmt: skip
    with pytest.raises(InputError) as caught:
        read_graph(path)
    assert f"{path}:3:" in str(caught.value)
    assert f"{path}:5:" in str(caught.value)
    path.write_text("nodes:\n  - {id: drug:a, kind: Drug, name: a}\nedges:\n  - [drug:a, treats, disease:q, label:a b]\n")
    with pytest.raises(InputError, match=r"g\.yaml:4:.*dangles"):
        read_graph(path)


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("g.yaml", "nodes: [\n", "not valid YAML"),
        ("g.yaml", "nodes: &a [1]\nedges: *a\n", "aliases"),
        ("g.yaml", "nodes: []\n", "the graph is empty"),
        ("g.yaml", "x: !!python/object/apply:os.system [ls]\n", "is not allowed"),
        ("g.json", "{", "not valid JSON"),
        ("g.json", "[]", "an object with 'nodes'"),
        ("g.txt", "hello", "no reader knows this file"),
    ],
)
def test_malformed_files_are_refused(tmp_path, name: str, text: str, part: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=part):
        read_graph(tmp_path / name)


def test_node_link_round_trip_keeps_every_fact(tmp_path) -> None:
    graph = ClinicalPack().load()
    node_link.write(graph, tmp_path / "g.json")
    again = read_graph(tmp_path / "g.json")
    assert again.sha256 == graph.sha256


def test_hash_depends_on_contents() -> None:
    one = KnowledgeGraph(NODES, [edge("drug:a", "treats", "disease:x")])
    other = KnowledgeGraph(NODES, [edge("drug:a", "treats", "disease:x", "label:x other")])
    assert one.sha256 != other.sha256
