"""Recitation: a share of the references states the fact, from what was asked about to the answer."""

from bbflow.graph import ClinicalPack
from bbflow.rewards import CorrectAnswer
from bbflow.synthesis import generate
from bbflow.synthesis.tasks import FactRecall

GRAPH = ClinicalPack(core=True).load()


def made(**settings):
    return generate(GRAPH, {"f": FactRecall(**settings)}, {"train": 400}, {}, 0).examples["train"]


def test_a_share_of_the_references_states_the_fact_first():
    examples = made(letter=0.4, chain=0.3)
    may = [e for e in examples if e.options and not e.constraints]
    states = [e for e in may if ". Answer: " in e.response]
    assert 0.22 < len(states) / len(may) < 0.38
    assert not any(". Answer: " in e.response for e in examples if e.constraints or not e.options)
    for example in states:
        ((subject, _, obj),) = example.edges
        asked = subject if GRAPH.name_of(obj) == example.answer else obj
        assert example.response.startswith(f"{GRAPH.name_of(asked)} ")
        assert example.response.endswith(f" {example.answer}. Answer: {example.answer}")
    metric = CorrectAnswer()
    metric.prepare(GRAPH)
    assert metric(examples, [e.response for e in examples]) == [1.0] * len(examples)


def test_without_a_share_nothing_changes():
    assert made() == made(chain=0.0)
    assert not any(". Answer: " in e.response for e in made())
