"""What writes an answer and what verifies it share nothing but names, so each checks the other."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbflow.graph import ClinicalPack
from bbflow.rewards import CorrectAnswer
from bbflow.rewards.instructions import VERIFIERS, FollowsInstructions, is_met
from bbflow.synthesis.constraints.base import draw_constraints
from bbflow.synthesis.constraints.multi_answer import write_answer
from bbflow.synthesis.constraints.single_answer import CONSTRAINT_WRITERS
from bbflow.synthesis.pipeline import generate
from bbflow.synthesis.rendering.renderer import templates
from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, InstructedAnswer
from bbflow.text.verbalization import parse

NAMES = ["aspirin", "heart failure", "type 2 diabetes", "C-reactive protein"]


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 4))
def test_a_written_answer_meets_every_drawn_constraint(seed: int, number: int, count: int) -> None:
    constraints = draw_constraints(CONSTRAINT_WRITERS, number, count, random.Random(seed))
    text = write_answer(NAMES[:count], constraints)
    assert all(is_met(c, text) for c in constraints), (text, constraints)
    assert all(name in text for name in NAMES[:count])


def test_a_plain_answer_meets_none_of_the_constraints_by_itself() -> None:
    for writer in CONSTRAINT_WRITERS:
        kwargs = writer.kwargs(2, random.Random(0))
        assert not is_met({"type": writer.type, "kwargs": kwargs}, "aspirin, heart failure"), writer.type


def test_every_constraint_has_a_verifier_and_templates() -> None:
    for writer in CONSTRAINT_WRITERS:
        assert writer.type in VERIFIERS
        assert f"constraint/{writer.type}" in templates()


@pytest.mark.parametrize("task", [ConstrainedAnswer(chain=1.0), InstructedAnswer(chain=1.0)], ids=lambda task: task.name)
def test_a_chained_reference_says_the_answer_as_the_fact_it_is_and_meets_every_constraint(task: ConstrainedAnswer) -> None:
    graph = ClinicalPack(core=True).load()
    examples = generate(graph, {task.name: task}, {"train": 300}, {}, seed=3).examples["train"]
    judge = FollowsInstructions()
    judge.prepare(graph)
    assert {len(example.edges) for example in examples} >= {1, 2}
    assert {example.options is None for example in examples} == {True, False}
    assert judge(examples, [example.response for example in examples]) == [1.0] * len(examples)
    plain = [e for e in examples if all(c["type"] == "punctuation:no_comma" for c in e.constraints) and len(e.edges) == 1]
    assert len(plain) > 3
    assert not any("is treated with" in e.response for e in examples if len(e.edges) > 1)  # lists stay bare names
    for example in plain:
        assert parse(graph, example.response) == [tuple(example.edges[0])], example.response
        assert example.response.startswith(graph.name_of(example.cluster))


def test_a_chained_reference_to_an_open_fact_is_the_fact_and_questions_with_options_stay_as_they_are() -> None:
    graph = ClinicalPack(core=True).load()
    examples = generate(graph, {"fact_recall": FactRecall(chain=1.0)}, {"train": 200}, {}, seed=3).examples["train"]
    judge = CorrectAnswer()
    judge.prepare(graph)
    assert judge(examples, [example.response for example in examples]) == [1.0] * len(examples)
    facts = [example for example in examples if example.options is None]
    assert len(facts) > 30
    assert [parse(graph, example.response) for example in facts] == [[tuple(example.edges[0])] for example in facts]
    assert all(len(example.response) == 1 or example.response.startswith("Answer: ") for example in examples if example.options)
