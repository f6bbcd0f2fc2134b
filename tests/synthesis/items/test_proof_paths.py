"""Proofs of walks on a graph small enough to see every path."""

from bbflow.graph import ClinicalPack, Edge, KnowledgeGraph, Node
from bbflow.synthesis.items.item import Walk
from bbflow.synthesis.items.proof_paths import unique_path

NODES = [
    Node("drug:a", "Drug", "a"), Node("drug:b", "Drug", "b"), Node("disease:x", "Disease", "x"), Node("disease:y", "Disease", "y"),
    Node("finding:f", "PhenotypicFeature", "f"), Node("finding:g", "PhenotypicFeature", "g"),
]  # fmt: skip
EDGES = [
    Edge("drug:a", "treats", "disease:x", "by hand"), Edge("drug:a", "treats", "disease:y", "by hand"), Edge("drug:b", "treats", "disease:y", "by hand"),
    Edge("disease:x", "has_phenotype", "finding:f", "by hand"), Edge("disease:y", "has_phenotype", "finding:f", "by hand"),
    Edge("disease:y", "has_phenotype", "finding:g", "by hand"),
]  # fmt: skip
GRAPH = KnowledgeGraph(NODES, EDGES, name="small")
FINDINGS = (("treats", True), ("has_phenotype", True))


def test_the_only_path_is_returned_in_order() -> None:
    assert unique_path(GRAPH, Walk("drug:a", FINDINGS), "finding:g") == (
        ("drug:a", "treats", "disease:y"),
        ("disease:y", "has_phenotype", "finding:g"),
    )


def test_two_paths_are_no_unique_proof_and_none_is_no_proof() -> None:
    assert unique_path(GRAPH, Walk("drug:a", FINDINGS), "finding:f") is None
    assert unique_path(GRAPH, Walk("drug:b", FINDINGS), "disease:x") is None


def test_a_walk_does_not_return_to_a_node() -> None:
    there_and_back = (("treats", True), ("treats", False))
    assert unique_path(GRAPH, Walk("drug:a", there_and_back), "drug:a") is None
    assert unique_path(GRAPH, Walk("drug:a", there_and_back), "drug:b") == (
        ("drug:a", "treats", "disease:y"),
        ("drug:b", "treats", "disease:y"),
    )


def test_it_agrees_with_all_paths_written_out() -> None:
    graph = ClinicalPack().load()
    steps = (("treats", True), ("has_phenotype", True))
    for drug in [node.id for node in graph.nodes("Drug")][:40]:
        paths = [(d, f) for d in graph.objects(drug, "treats") for f in graph.objects(d, "has_phenotype")]
        for _, finding in paths:
            through = [d for d, f in paths if f == finding]
            expected = ((drug, "treats", through[0]), (through[0], "has_phenotype", finding)) if len(through) == 1 else None
            assert unique_path(graph, Walk(drug, steps), finding) == expected
