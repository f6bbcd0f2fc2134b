"""No completion can be right for two different golds: who hedges is paid for one answer at most, so a hedge is never worth more than a guess."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbflow.records import Example
from bbflow.rewards import AnswerFormat, CorrectAnswer, FollowsInstructions, PartialAnswer, Reward, SafeChoice
from bbflow.testing import CHOICE, DECISION, DOSE, GRAPH, OPEN, example

TEXT = example("Who told doctors to wash their hands?", "Ignaz Semmelweis")
GOLDS: dict[str, tuple[Example, tuple[str, ...]]] = {
    "options": (CHOICE, ("amlodipine", "propranolol", "none of these")),
    "free form": (replace(CHOICE, constraints=[{"type": "punctuation:no_comma", "kwargs": {}}]), ("amlodipine", "propranolol", "none of these")),
    "names": (OPEN, ("aspirin", "ibuprofen", "warfarin")),
    "amounts": (DOSE, ("200 mg", "300 mg", "0.02 g", "200 g")),
    "decisions": (DECISION, ("yes", "no", "maybe")),
    "texts": (TEXT, ("Ignaz Semmelweis", "Joseph Lister")),
}  # fmt: skip
GLUE = (
    "Answer:", "answer :", "The answer is", "Final answer:", "**Answer:**", "<answer>", "</answer>", "\\boxed{", "}", "(", ")", "A", "B", "C", "b)", "(A)",
    "or", "and", "not", "no", "n't", "never", "No,", "Wait,", "actually", "rather", "either", "both", "all of them", "except", "but", "~~", "*", '"', ":",
    ",", ".", ";", "?", "\n", "-", "/", "=", "|", "1.", "2", "0", "k", "mg", "per day", "think", "it is", "is wrong", "\u200b", "\u0430", "\u00b5", "\u2212",
)  # fmt: skip


def alike(kind: str) -> list[Example]:
    record, golds = GOLDS[kind]
    subject = "drug:{}".format
    edges = [[(subject(gold), *record.edges[0][1:])] if kind == "names" else record.edges for gold in golds]
    return [replace(record, answer=gold, accepted=[], edges=e) for gold, e in zip(golds, edges, strict=True)]


GLUED = st.lists(st.sampled_from(("Answer:", "Answer:", *GLUE)), max_size=2)


@pytest.mark.parametrize("kind", GOLDS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_completion_is_right_for_one_gold_at_most(kind: str, data: st.DataObject) -> None:
    first, second = data.draw(st.permutations(GOLDS[kind][1]))[:2]
    before, between, after = data.draw(GLUED), data.draw(GLUED), data.draw(GLUED)
    text = data.draw(st.sampled_from((" ", ""))).join((*before, first, *between, second, *after))
    records = alike(kind)
    for reward in rewards(kind):
        reward.prepare(GRAPH)
        paid = [score or 0.0 for score in reward(records, [text] * len(records))]
        assert sum(paid) <= 1.0, (type(reward).__name__, text, paid)


def rewards(kind: str) -> list[Reward]:
    if kind == "options":
        return [CorrectAnswer(), SafeChoice(), AnswerFormat()]
    if kind == "free form":
        return [CorrectAnswer(), FollowsInstructions()]
    return [CorrectAnswer(), PartialAnswer(), AnswerFormat()]


@pytest.mark.parametrize("kind", GOLDS)
def test_each_gold_is_paid_by_itself(kind: str) -> None:
    reward = CorrectAnswer()
    reward.prepare(GRAPH)
    for record in alike(kind):
        assert reward([record], [record.answer]) == [1.0]
