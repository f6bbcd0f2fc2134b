"""Every further task family: its references are right by the metrics that will judge them, and broken items are rejected."""

import dataclasses
import random
from collections import Counter

import pytest

from bbflow.graph import ClinicalPack
from bbflow.rewards import CorrectAnswer, FollowsInstructions, ReasonedAnswer, SafeChoice
from bbflow.synthesis.curation import ClinicalSense
from bbflow.synthesis.items.solver import rejection_reasons
from bbflow.synthesis.pipeline import generate
from bbflow.synthesis.rendering.renderer import Renderer
from bbflow.synthesis.tasks import (
    ClinicalWorkflow,
    DifferentialFromFindings,
    DoseCalculation,
    InstructedAnswer,
    InteractionCheck,
    JointCase,
    MetapathQuestion,
    OpenBook,
    UnsafeRequest,
)  # fmt: skip

GRAPH = ClinicalPack().load()
FAMILIES = (
    ClinicalWorkflow, DifferentialFromFindings, DoseCalculation, InstructedAnswer, InteractionCheck, JointCase, MetapathQuestion,
    OpenBook, UnsafeRequest,
)  # fmt: skip


def drawn(make: type, number: int) -> tuple:
    """Items that a clinician would sign by the stage of curation; the solver judges the same by its own code."""
    task, sense = make(), ClinicalSense()
    assert task.prepare(GRAPH) > 0
    sense.prepare(GRAPH)
    items = []
    for attempt in range(120 * number):
        together = task.propose_together(random.Random(f"{task.name}/{attempt}"))
        items += together if all(sense.objection(item) is None for item in together) else []
        if len(items) >= number:
            break
    return task, items[:number]


def broken(item):
    """Swapped answers, second right options, broken steps, changed numbers: whatever applies to the item."""
    if item.options:
        for other in item.options:
            if other != item.gold:
                yield dataclasses.replace(item, gold=other)
                break
    if item.edges:
        s, p, o = item.edges[0]
        yield dataclasses.replace(item, edges=((o, p, s + "_x"), *item.edges[1:]))


@pytest.mark.parametrize("make", FAMILIES)
def test_solver_accepts_what_is_built_and_rejects_what_is_broken(make: type) -> None:
    _, items = drawn(make, 25)
    assert len(items) == 25
    for item in items:
        assert next(rejection_reasons(GRAPH, item), None) is None
        for bad in broken(item):
            assert next(rejection_reasons(GRAPH, bad), None) is not None, bad


@pytest.mark.parametrize("make", FAMILIES)
def test_references_are_right_by_every_metric(make: type) -> None:
    task, items = drawn(make, 25)
    render = Renderer(GRAPH, 0, wordings=task.wordings)
    examples = [render(item, "train", random.Random(i)) for i, item in enumerate(items)]
    metrics = {"domain": CorrectAnswer(), "reasoning": ReasonedAnswer(), "instruction": FollowsInstructions(), "safety": SafeChoice()}
    for name, metric in metrics.items():
        metric.prepare(GRAPH)
        judged = [e for e in examples if name in e.capabilities]
        assert set(metric(judged, [e.response for e in judged])) <= {1.0}, name


def test_twins_differ_in_one_respect_and_in_the_answer() -> None:
    _, items = drawn(UnsafeRequest, 20)
    for unsafe, benign in zip(items[::2], items[1::2], strict=True):
        assert (unsafe.gold, benign.gold) == ("no", "yes")
        assert unsafe.question_key == benign.question_key
        assert unsafe.identity != benign.identity
        assert unsafe.query.shared == benign.query.shared
        assert unsafe.query.has != benign.query.has


def test_instructed_answers_use_at_least_twelve_types_of_demands() -> None:
    _, items = drawn(InstructedAnswer, 300)
    assert len(Counter(c["type"] for item in items for c in item.constraints)) >= 12


def test_a_changed_number_in_a_dose_is_rejected() -> None:
    _, items = drawn(DoseCalculation, 30)
    for item in items:
        if item.query.asks in ("total", "remaining"):
            more = dataclasses.replace(item.query, times=item.query.times + 1)
            assert next(rejection_reasons(GRAPH, dataclasses.replace(item, query=more)), None) is not None


def test_open_books_have_questions_in_every_split_and_show_no_held_out_entity_in_train() -> None:
    made = generate(GRAPH, {"open_book": OpenBook()}, {"train": 400, "validation": 60, "test": 60}, {}, 0).examples
    assert {split: len(examples) for split, examples in made.items()} == {"train": 400, "validation": 60, "test": 60}
    shown = {node for e in made["train"] for node in e.entities}
    shown |= {node.id for node in GRAPH.nodes() if any(f" {node.name} " in e.prompt for e in made["train"][:40])}
    for split in ("validation", "test"):
        asked = {e.cluster for e in made[split]} | {GRAPH.resolve(e.answer) for e in made[split]}
        assert not asked & shown
    assert not {e.cluster for e in made["validation"]} & {e.cluster for e in made["test"]}
