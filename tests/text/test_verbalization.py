"""Edges as sentences and back."""

import pytest

from bbflow.testing import GRAPH
from bbflow.text.verbalization import parse, verbalize

EDGE = ("drug:propranolol", "contraindicated_in", "disease:asthma")


def test_an_edge_is_written_from_either_end():
    assert verbalize(GRAPH, EDGE) == "propranolol is contraindicated in asthma"
    assert verbalize(GRAPH, EDGE, about="disease:asthma").startswith("asthma ")
    assert verbalize(GRAPH, EDGE, about="drug:propranolol") == verbalize(GRAPH, EDGE)


@pytest.mark.parametrize("edge", [edge.triple for edge in GRAPH.edges()])
def test_every_edge_is_read_back_from_either_end(edge):
    for about in (None, edge[2]):
        (found,) = parse(GRAPH, verbalize(GRAPH, edge, about) + ".")
        assert GRAPH.edge(*found).triple == edge  # of a symmetric predicate either end may come first


def test_one_triple_a_sentence_true_or_not():
    text = "Inderal treats hypertension. Asthma treats warfarin; nonsense\nzzz treats asthma."
    assert parse(GRAPH, text) == [
        ("drug:propranolol", "treats", "disease:hypertension"), ("disease:asthma", "treats", "drug:warfarin"), None, None,
    ]  # fmt: skip
    assert parse(GRAPH, " . ") == []
