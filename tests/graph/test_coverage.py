import pytest

from bbflow.errors import InputError
from bbflow.graph import Edge, KnowledgeGraph, Node, read_graph
from bbflow.graph.maximum_dose import maximum_doses

RISK = {"risk": True}
COMPLETE = {"coverage": {"disease": "complete", "interaction": "complete"}}


def graph(drug, about=None, other=None):
    nodes = [
        Node("d:a", "Drug", "a", (), COMPLETE | drug), Node("d:b", "Drug", "b", (), RISK | (other or {})),
        Node("x:asthma", "Disease", "asthma", (), RISK), Node("x:gout", "Disease", "gout", (), RISK), Node("x:cold", "Disease", "cold"),
    ]  # fmt: skip
    return KnowledgeGraph(nodes, [], about=about)


def covered(known):
    return [node for node in ("x:asthma", "x:gout", "x:cold", "d:b") if known.covers("d:a", node)]


def test_without_a_list_complete_is_complete_for_every_risk_node():
    assert covered(graph({})) == ["x:asthma", "x:gout", "d:b"]


def test_a_list_says_what_complete_is_complete_for():
    assert covered(graph({}, {"complete_for": {"disease": ["x:gout"]}})) == ["x:gout"]
    assert covered(graph({"coverage": {"disease": "partial"}}, {"complete_for": {"disease": ["x:gout"]}})) == []


def test_a_drug_adds_what_it_was_judged_against_and_takes_out_what_is_undecided():
    about = {"complete_for": {"disease": ["x:gout"], "interaction": ["d:b"]}}
    assert covered(graph({"judged": ["x:asthma"]}, about)) == ["x:asthma", "x:gout", "d:b"]
    assert covered(graph({"undecided": ["x:gout"]}, about)) == ["d:b"]
    assert covered(graph({}, about, {"undecided": ["d:a"]})) == ["x:gout"]  # either drug of a pair may say so


def test_the_list_belongs_to_what_examples_depend_on_and_follows_into_a_part_of_the_graph():
    about = {"complete_for": {"disease": ["x:gout", "x:asthma"]}}
    whole = graph({"judged": ["x:asthma"]}, about)
    assert whole.sha256 != graph({"judged": ["x:asthma"]}).sha256
    part = whole.induced(["d:a", "x:gout"], "part")
    assert part.complete_for == {"disease": ["x:gout"]}
    assert part.node("d:a").attributes["judged"] == []
    assert part.covers("d:a", "x:gout")


@pytest.mark.parametrize(
    ("head", "line", "said"),
    [
        ("complete_for: [x:gout]", 1, "'complete_for' is no mapping of axis to nodes"),
        ("complete_for: {diseases: [x:gout]}", 1, r"unknown axis 'diseases' \(did you mean 'disease'\?\)"),
        ("complete_for: {disease: x:gout}", 1, "'complete_for' of disease is no list of nodes"),
        ("complete_for:\n  disease:\n    - x:gout\n    - x:gouty", 4, r"there is no node 'x:gouty' \(did you mean 'x:gout'\?\)"),
        ("complete_for: {disease: [d:a]}", 1, "'d:a' is a Drug, which belongs to the axis interaction"),
        ("complete_for: {disease: [x:cold]}", 1, "'x:cold' is not marked `risk: true`"),
    ],
)
def test_a_mistake_in_the_list_names_its_line(tmp_path, head, line, said):
    file = tmp_path / "graph.yaml"
    nodes = "- {id: x:gout, kind: Disease, name: gout, risk: true}\n- {id: x:cold, kind: Disease, name: cold}\n- {id: d:a, kind: Drug, name: a}\n"
    file.write_text(f"{head}\nnodes:\n{nodes}edges: []\n", encoding="utf-8")
    with pytest.raises(InputError, match=said) as error:
        read_graph(file)
    assert f"graph.yaml:{line}:" in str(error.value)


def test_a_mistake_in_a_qualifier_names_its_line(tmp_path):
    file = tmp_path / "graph.yaml"
    nodes = "nodes:\n- {id: d:a, kind: Drug, name: a}\n- {id: q:a, kind: Quantity, name: 10 mg, value: 10, unit: mg/d}\n"
    file.write_text(f"{nodes}edges:\n- [d:a, has_maximum_daily_dose, q:a, s, {{formulaton: tablet}}]\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"graph.yaml:5:3: .*'formulaton' is no qualifier .*did you mean 'formulation'\?"):
        read_graph(file)


def dosed(**qualifiers):
    nodes = [
        Node("d:a", "Drug", "a"), Node("x:gout", "Disease", "gout"), Node("x:cold", "Disease", "cold"),
        Node("q:a", "Quantity", "10 mg", (), {"value": 10, "unit": "mg/d"}),
    ]  # fmt: skip
    return KnowledgeGraph(nodes, [Edge("d:a", "has_maximum_daily_dose", "q:a", "s", False, qualifiers)])


def test_figures_are_told_with_what_they_hold_for():
    known = dosed(
        indication="gout", otherwise=[{"daily": 20, "indication": ["cold"], "phase": "first week", "course": 7, "single_dose": 5}]
    )
    assert [one.wording for one in maximum_doses(known, "d:a")] == ["for cold, first week, for at most 7 days", "for gout"]
    assert [one.qualified for one in maximum_doses(known, "d:a")] == [True, True]
    assert [one.main for one in maximum_doses(known, "d:a")] == [False, True]
    assert [float(one.daily) for one in maximum_doses(known, "d:a", ["x:gout"])] == [10]
    assert [float(one.daily) for one in maximum_doses(known, "d:a", ["x:gout", "x:cold"])] == [20, 10]
    assert [float(one.daily) for one in maximum_doses(known, "d:a", ["x:other"])] == [20, 10]
    assert not maximum_doses(dosed(), "d:a")[0].qualified
    assert maximum_doses(dosed(), "x:gout") == []


def test_a_comma_in_a_text_without_quotes_is_no_attribute(tmp_path):
    file = tmp_path / "graph.yaml"
    nodes = "nodes:\n- {id: d:a, kind: Drug, name: a}\n- {id: x:a, kind: Disease, name: b}\n"
    file.write_text(f"{nodes}edges:\n- [d:a, caution_in, x:a, s, {{reason: risk of harm, the dose stays}}]\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"graph.yaml:5:3: .*'the dose stays' has no value; a text with a comma is written in quotes"):
        read_graph(file)
