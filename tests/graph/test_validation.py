import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbflow.graph import ClinicalPack, Edge, Node
from bbflow.graph.ontology import KINDS, PREDICATES
from bbflow.graph.readers.graph_builder import GraphBuilder
from bbflow.graph.source_locations import SourceLocations
from bbflow.graph.validation import RULES, violations

DRUG, OTHER, ILL, WORSE = Node("d:a", "Drug", "a"), Node("d:b", "Drug", "b"), Node("x:i", "Disease", "i"), Node("x:w", "Disease", "w")
RISK, DOSE = Node("x:r", "Disease", "r", (), {"risk": True}), Node("q:a", "Quantity", "10 mg", (), {"value": 10, "unit": "mg/d"})
NODES = [DRUG, OTHER, ILL, WORSE]


def edge(subject, predicate, obj, source="s", **attributes):
    return Edge(subject, predicate, obj, source, False, attributes)


def found(nodes, edges):
    """Rule, node and edge of every violation."""
    return [(v.rule, v.node, v.edge) for v in violations(nodes, edges)]


@pytest.mark.parametrize(
    ("nodes", "edges", "expected"),
    [
        ([Node("a", "Drug", "a")], [], [("identifier", 0, None)]),
        ([Node("d:a b", "Drug", "a")], [], [("identifier", 0, None)]),
        ([Node("d:a", "Drog", "a")], [], [("kind", 0, None)]),
        ([Node("d:a", "Drug", " ")], [], [("name", 0, None)]),
        ([Node("d:a", "Drug", "a" * 4001)], [], [("name", 0, None)]),
        ([Node("d:a", "Drug", "a", ("b" * 4001,))], [], [("name", 0, None)]),
        ([Node("d:a", "Drug", "a", (), {"coverage": {"diseases": "complete"}})], [], [("coverage", 0, None)]),
        ([Node("d:a", "Drug", "a", (), {"coverage": {"disease": "full"}})], [], [("coverage", 0, None)]),
        ([Node("d:a", "Drug", "a", (), {"coverage": "complete"})], [], [("coverage", 0, None)]),
        ([Node("d:a", "Drug", "a", (), {"risk": "no"})], [], [("risk", 0, None)]),
        ([Node("d:a", "Drug", "a", (), {"judged": "x:i"})], [], [("coverage", 0, None)]),
        ([Node("d:a", "Drug", "a", (), {"judged": ["x:q"]})], [], [("coverage", 0, None)]),
        ([Node("d:a", "Drug", "a", (), {"undecided": ["x:i"]}), ILL], [], [("coverage", 0, None)]),  # no risk node
        ([Node("d:a", "Drug", "a", (), {"judged": ["x:r"], "undecided": ["d:b"]}), OTHER, RISK], [], []),
        ([DRUG, DOSE], [edge("d:a", "has_maximum_daily_dose", "q:a", single_dos=5)], [("maximum dose", None, 0)]),
        ([DRUG, DOSE], [edge("d:a", "has_maximum_daily_dose", "q:a", single_dose="much")], [("maximum dose", None, 0)]),
        ([DRUG, DOSE], [edge("d:a", "has_maximum_daily_dose", "q:a", course=1.5)], [("maximum dose", None, 0)]),
        ([DRUG, DOSE], [edge("d:a", "has_maximum_daily_dose", "q:a", indication=[])], [("maximum dose", None, 0)]),
        ([DRUG, DOSE], [edge("d:a", "has_maximum_daily_dose", "q:a", otherwise=[{"indication": "i"}])], [("maximum dose", None, 0)]),
        ([DRUG, DOSE], [edge("d:a", "has_maximum_daily_dose", "q:a", otherwise=[{"daily": 5, "phase": 2}])], [("maximum dose", None, 0)]),
        ([DRUG, DOSE], [edge("d:a", "has_maximum_daily_dose", "q:a", indication="i", single_dose="2.5", otherwise=[{"daily": 5}])], []),
        ([DRUG, DRUG], [], [("duplicate node", 1, None)]),
        (NODES, [edge("d:a", "heals", "x:i")], [("predicate", None, 0)]),
        (NODES, [edge("d:a", "treats", "x:i", "")], [("source", None, 0)]),
        (NODES, [edge("d:q", "treats", "x:q")], [("dangling", None, 0), ("dangling", None, 0)]),
        (NODES, [edge("x:i", "treats", "x:w")], [("domain", None, 0)]),
        (NODES, [edge("d:a", "treats", "d:b")], [("range", None, 0)]),
        (NODES, [edge("d:a", "subclass_of", "x:i")], [("range", None, 0)]),
        (NODES, [edge("d:a", "treats", "x:i"), edge("d:a", "treats", "x:i", "t")], [("duplicate edge", None, 1)]),
        (NODES, [edge("d:a", "interacts_with", "d:b"), edge("d:b", "interacts_with", "d:a")], [("duplicate edge", None, 1)]),
        (NODES, [edge("d:a", "contraindicated_in", "x:i"), edge("d:a", "treats", "x:i")], [("contradiction", None, 1)]),
        (NODES, [edge("d:a", "contraindicated_in", "x:i", qualifier="acute"), edge("d:a", "treats", "x:i")], []),
        (NODES, [edge("d:a", "contraindicated_in", "x:i"), edge("d:b", "treats", "x:i")], []),
        (NODES, [edge("x:i", "subclass_of", "x:i")], [("cycle", None, 0)]),
        (NODES, [edge("x:w", "subclass_of", "x:i"), edge("x:i", "subclass_of", "x:w")], [("cycle", None, 1)]),
        (NODES, [edge("d:a", "related_to", "x:i"), edge("x:w", "subclass_of", "x:i")], []),
    ],
)  # fmt: skip
def test_each_rule_finds_its_breach_and_blames_the_right_row(nodes, edges, expected):
    assert found(nodes, edges) == expected


def test_every_rule_has_a_case_above():
    [mark] = [m for m in test_each_rule_finds_its_breach_and_blames_the_right_row.pytestmark if m.name == "parametrize"]
    assert {rule for _, _, expected in mark.args[1] for rule, _, _ in expected} == RULES.keys()


def test_the_pack_breaks_no_rule():
    graph = ClinicalPack().load()
    assert found(list(graph.nodes()), list(graph.edges())) == []


def test_every_knot_of_cycles_is_listed():
    nodes = [Node(f"x:{i}", "Disease", str(i)) for i in range(7)]
    circles = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 3), (5, 6)]
    edges = [edge(f"x:{a}", "subclass_of", f"x:{b}") for a, b in circles]
    assert sorted(found(nodes, edges)) == [("cycle", None, 2), ("cycle", None, 4)]


@settings(max_examples=40)
@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_a_cycle_is_found_where_networkx_finds_one_and_skipping_leaves_none(pairs):
    nodes = [Node(f"x:{i}", "Disease", str(i)) for i in range(8)]
    edges = [edge(f"x:{a}", "subclass_of", f"x:{b}") for a, b in sorted(pairs)]
    cyclic = not nx.is_directed_acyclic_graph(nx.DiGraph(pairs))
    assert bool(found(nodes, edges)) == cyclic
    draft = GraphBuilder("skip")
    draft.nodes, draft.edges = nodes, edges
    for _ in nodes:
        draft.node_places.add("f", 1)
    for _ in edges:
        draft.edge_places.add("f", 1)
    graph = draft.build("g", "1", {})
    assert len(graph) == 8
    assert nx.is_directed_acyclic_graph(nx.DiGraph([(e.subject, e.object) for e in graph.edges()]))


names = st.sampled_from(["d:a", "d:b", "x:i", "x:w", "p:f", "nocurie", "t:x"])
any_edges = st.builds(edge, names, st.sampled_from([*PREDICATES, "frob"]), names, st.sampled_from(["s", ""]))
any_nodes = st.builds(Node, names, st.sampled_from([*KINDS, "Drog"]), st.sampled_from(["n", ""]))


@settings(max_examples=40)
@given(st.lists(any_nodes, max_size=8), st.lists(any_edges, max_size=12))
def test_skipping_drops_what_is_wrong_and_nothing_else(nodes, edges):
    draft = GraphBuilder("skip")
    for i, node in enumerate(nodes):
        draft.node(node, "nodes", i)
    for i, one in enumerate(edges):
        draft.edge(one, "edges", i)
    graph = draft.build("g", "1", {})  # raises where a rule is still broken
    assert sum(draft.skipped.values()) == len(nodes) + len(edges) - len(graph) - len(list(graph.edges()))
    assert all(node in nodes for node in graph.nodes())
    assert all(one in edges for one in graph.edges())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**9), st.integers(0, 5000))))
def test_places_keep_what_they_are_told(said):
    places = SourceLocations()
    for place in said:
        places.add(*place)
    assert list(places) == [f"{file}:{line}" + (f":{min(column, 4095)}" if column else "") for file, line, column in said]
    places.keep(range(0, len(said), 2))
    assert len(places) == len(said[::2])


def test_relations_say_what_they_join():
    for name, predicate in PREDICATES.items():
        assert set(predicate.domain) | set(predicate.range) <= KINDS.keys(), name
        if predicate.symmetric:
            assert (predicate.domain, predicate.phrase) == (predicate.range, predicate.inverse), name
    phrases = [phrase for p in PREDICATES.values() for phrase in {p.phrase, p.inverse}]
    assert len(phrases) == len(set(phrases)), "a sentence is read back by its phrase"
    assert PREDICATES["subclass_of"].fits("Drug", "DrugClass")
    assert not PREDICATES["subclass_of"].fits("DrugClass", "Drug")
