"""Rendering of items written by hand: prompt, options, constraints and reference response."""

import random

import pytest

from bbflow.graph import ClinicalPack
from bbflow.records import Constraint
from bbflow.synthesis.constraints.single_answer import LETTER
from bbflow.synthesis.items.item import Item, Prescription, Walk
from bbflow.synthesis.rendering.renderer import Renderer

GRAPH = ClinicalPack().load()
EDGE = next(iter(GRAPH.edges("treats")))
DRUG, DISEASE = EDGE.subject, EDGE.object
WALK = Walk(DISEASE, (("treats", False),))


def item(**changes) -> Item:
    fields = {"accepted": (DRUG,), **changes}
    return Item("fact_recall", ("domain",), WALK, DRUG, (EDGE.triple,), DISEASE, **fields)


def rendered(made: Item, split: str = "train"):
    return Renderer(GRAPH, 0)(made, split, random.Random(0))


def test_an_open_question_has_a_marked_answer_and_no_options() -> None:
    example = rendered(item())
    assert example.response == f"Answer: {GRAPH.name_of(DRUG)}"
    assert example.options is None
    assert GRAPH.name_of(DISEASE) in example.prompt
    assert example.prompt[0].isupper()


def test_options_are_lettered_in_their_order() -> None:
    other = next(node.id for node in GRAPH.nodes("Drug") if node.id != DRUG)
    example = rendered(item(options=(other, DRUG), accepted=()))
    assert example.prompt.endswith(f"\nA) {GRAPH.name_of(other)}\nB) {GRAPH.name_of(DRUG)}")
    assert rendered(item(options=(other, DRUG), accepted=(), constraints=(LETTER,))).response == "B"


def test_a_chain_states_the_fact_before_the_answer() -> None:
    other = next(node.id for node in GRAPH.nodes("Drug") if node.id != DRUG)
    response = rendered(item(options=(other, DRUG), accepted=(), chain=True)).response
    fact, _, answer = response.partition(" Answer: ")
    assert GRAPH.name_of(DISEASE) in fact
    assert answer == GRAPH.name_of(DRUG)


def test_a_constraint_is_worded_in_the_prompt_and_satisfied_by_the_response() -> None:
    example = rendered(item(constraints=(Constraint(type="startend:end_checker", kwargs={"end_phrase": "Take care."}),)))
    assert "Take care." in example.prompt.split("\n", 1)[1]
    assert example.response == f"{GRAPH.name_of(DRUG)}\nTake care."


def test_a_statement_is_the_facts_alone() -> None:
    made = Item("statement", (), Walk(DRUG, ()), DRUG, (EDGE.triple,), DRUG, accepted=(DRUG,))
    response = rendered(made).response
    assert response.endswith(".")
    assert GRAPH.name_of(DRUG).casefold() in response.casefold()
    assert "Answer:" not in response


def test_a_permitted_drug_is_recommended_and_a_forbidden_one_is_not() -> None:
    query = Prescription(DISEASE, (), (DRUG,))
    yes = Item("treatment_choice", ("safety",), query, "yes", (EDGE.triple,), DRUG, options=("yes", "no"))
    no = Item("treatment_choice", ("safety",), query, "no", (EDGE.triple,), DRUG, options=("yes", "no"))
    assert [r["drug"] for r in rendered(yes).recommended] == [DRUG]
    assert rendered(no).recommended == []
    assert "\nA)" not in rendered(yes).prompt


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_splits_use_families_of_their_own(split: str) -> None:
    assert rendered(item(), split).provenance["template"].startswith(f"treats.backward#{split}")
