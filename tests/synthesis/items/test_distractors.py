"""Wrong options: distinct, never barred, as frequent as in the pool, and close to each other."""

import random
from collections import Counter

from bbflow.graph import Edge, KnowledgeGraph, Node
from bbflow.synthesis.items.distractors import Neighbourhoods, draw


def test_wrong_options_are_distinct_and_not_barred() -> None:
    for seed in range(50):
        wrong = draw(["a", "a", "b", "c", "d"], {"b"}, 2, random.Random(seed))
        assert wrong is not None
        assert len(set(wrong)) == 2
        assert "b" not in wrong
    assert draw(["a", "b"], {"b"}, 2, random.Random(0)) is None


def test_frequent_answers_are_drawn_more_often() -> None:
    drawn = Counter(draw(["often"] * 9 + ["rare"], (), 1, random.Random(seed))[0] for seed in range(400))
    assert drawn["often"] > 5 * drawn["rare"]


def graph() -> KnowledgeGraph:
    drugs = [Node(f"drug:{i}", "Drug", f"drug {i}") for i in range(5)]
    others = [Node("class:statin", "DrugClass", "statin"), Node("class:all", "DrugClass", "all")]
    edges = [Edge(f"drug:{i}", "subclass_of", "class:statin", "by hand") for i in range(3)]
    edges += [Edge(f"drug:{i}", "subclass_of", "class:all", "by hand") for i in range(5)]
    return KnowledgeGraph([*drugs, *others], edges, name="classes")


def test_a_neighbourhood_is_what_shares_a_neighbour() -> None:
    near = Neighbourhoods(graph(), largest=4)
    # The class of all five is too large; the two classes share drugs, and so are close as well.
    assert {frozenset(group) for group in near.all} == {frozenset({"drug:0", "drug:1", "drug:2"}), frozenset({"class:statin", "class:all"})}
    assert set(near.draw("drug:0", 2, random.Random(0), lambda node: True)) == {"drug:1", "drug:2"}
    assert near.draw("drug:0", 2, random.Random(0), lambda node: node != "drug:1") is None
    assert near.draw("drug:4", 1, random.Random(0), lambda node: True) is None
