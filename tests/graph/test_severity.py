"""One meaning of a severity for the rules, the rewards and the solver."""

import pytest

from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import RULES
from bbflow.evaluation.statistics.unsafe_advice import unsafe_advice
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.graph.severity import Weight, edges_against, weight_of
from bbflow.rewards import SafeAdvice
from bbflow.synthesis.items.solver import safety, violations
from bbflow.testing import example

COMPLETE = {"coverage": dict.fromkeys(("disease", "pregnancy", "allergy", "interaction", "renal"), "complete"), "risk": True}
EDGES = {
    "contraindicated_in": (Weight.FORBIDS, "unsafe"),
    "caution_in": (Weight.CAUTION, "unknown"),
    "contraindicated": (Weight.FORBIDS, "unsafe"),
    "major": (Weight.FORBIDS, "unsafe"),
    "moderate": (Weight.CAUTION, "unknown"),
    "minor": (Weight.NEGLIGIBLE, "safe"),
    "": (Weight.UNSTATED, "unknown"),
    "curious": (Weight.UNSTATED, "unknown"),
}
"""Predicate with a condition, or severity of an interaction, to its weight and what the solver makes of it."""


def graph_with(kind: str) -> tuple[KnowledgeGraph, str]:
    """Return a graph in which a drug treats pain and has one edge to a node, and that node."""
    nodes = [Node("drug:a", "Drug", "aldrin", (), COMPLETE), Node("drug:b", "Drug", "beldrin", (), COMPLETE)]
    nodes += [Node("disease:pain", "Disease", "pain", (), {"risk": True}), Node("disease:gout", "Disease", "gout", (), {"risk": True})]
    predicate, place = (kind, "disease:gout") if kind.endswith("_in") else ("interacts_with", "drug:b")
    attributes = {} if predicate != "interacts_with" or not kind else {"severity": kind}
    edges = [Edge("drug:a", "treats", "disease:pain", "test"), Edge("drug:a", predicate, place, "test", attributes=attributes)]
    return KnowledgeGraph(nodes, edges), place


@pytest.mark.parametrize("kind", EDGES)
def test_rules_rewards_and_solver_agree(kind: str) -> None:
    graph, place = graph_with(kind)
    weight, verdict = EDGES[kind]
    (found,) = edges_against(graph, "drug:a", [place])
    assert found[0] is weight is weight_of(graph.edge(*found[1]))
    assert safety(graph, "drug:a", "disease:pain", (place,)) == verdict
    assert bool(violations(graph, "drug:a", (place,))) is (weight is Weight.FORBIDS)

    patient = {"conditions": ["disease:pain"], "medications": [], "allergies": []}
    patient["medications" if place == "drug:b" else "conditions"].append(place)
    record = example(
        "Which drug?", "aldrin", patient=patient, recommended=[{"drug": "drug:a"}], edges=[("drug:a", "treats", "disease:pain")]
    )
    reward = SafeAdvice()
    reward.prepare(graph)
    assert reward([record], ["Give aldrin."]) == [1.0 if weight is Weight.NEGLIGIBLE else 0.0]
    assert unsafe_advice(graph, [record], ["Give aldrin."]) == [weight in (Weight.FORBIDS, Weight.UNSTATED)]

    row = Row(0, {**record.to_row(), "response": "Give aldrin."})
    refuse = ("no_contraindicated_drug", "no_interacting_pair", "text_no_contraindicated_drug", "text_no_interacting_pair")
    refused = [rule for rule in refuse if RULES[rule].run([row], graph).findings]
    assert bool(refused) is (weight in (Weight.FORBIDS, Weight.UNSTATED))
    for rule in ("needs_no_caution", "text_needs_no_caution"):
        assert bool(RULES[rule].run([row], graph).findings) is (weight is Weight.CAUTION)


def test_an_edge_that_speaks_against_nothing_has_no_weight() -> None:
    assert weight_of(Edge("drug:a", "treats", "disease:pain", "test")) is None
