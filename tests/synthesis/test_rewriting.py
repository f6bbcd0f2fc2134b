"""Rewriters: what comes back whole is used, whatever else a language model writes is not."""

import pytest

from bbflow.graph import ClinicalPack
from bbflow.rewards import CorrectAnswer
from bbflow.synthesis import generate
from bbflow.synthesis.curation.rewrite import Rewrite
from bbflow.synthesis.rewriting import LanguageModelRewriter, Rewriter, TemplateRewriter, faithful
from bbflow.synthesis.tasks import FactRecall, OpenBook, TreatmentChoice

GRAPH = ClinicalPack().load()
ASKED = "Which drug must not be given to a 45-year-old man with gout who takes warfarin?"


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("To a 45-year-old man with gout on warfarin, which drug must not be given?", True),
        ("To a 45-year-old man with gout on Coumadin, which drug must not be given?", True),  # a synonym is the same node
        ("Which drug may be given to a 45-year-old man with gout who takes warfarin?", False),  # a negation is lost
        ("Which drug must not be given to a 54-year-old man with gout who takes warfarin?", False),
        ("Which drug must not be given to a 45-year-old man with gout?", False),
        ("Which drug must not be given to a 45-year-old man with gout and asthma who takes warfarin?", False),
        ("Which drug must not be given to a 45-year-old man with gout who takes warfarin? Answer: aspirin?", False),
        ("Which drug must not be given to a 45-year-old man with gout who takes warfarin.", False),
        ("", False),
    ],
)
def test_entities_numbers_and_negations_round_trip(text: str, good: bool) -> None:
    assert faithful(GRAPH, ASKED, text) is good


class Liar(Rewriter):
    """Says something wrong first, then something right."""

    def __call__(self, texts, seed):
        return [[text.replace("?", " 99?").replace(".", " not."), f"Please: {text}"] for text in texts]


@pytest.mark.parametrize("rewriter", [Liar(), TemplateRewriter()], ids=["liar", "template"])
@pytest.mark.parametrize("task", [FactRecall(), TreatmentChoice(), OpenBook()], ids=lambda task: task.name)
def test_a_rewritten_question_keeps_answer_options_evidence_and_demands(task, rewriter) -> None:
    made = generate(GRAPH, {"t": task}, {"train": 40}, {}, 0).examples["train"]
    stage = Rewrite(rewriter)
    stage.prepare(GRAPH)
    again = stage(made, 3)
    assert stage(made, 3) == again
    changed = 0
    for old, new in zip(made, again, strict=True):
        assert (old.answer, old.response, old.options, old.edges, old.example_id) == (
            new.answer,
            new.response,
            new.options,
            new.edges,
            new.example_id,
        )
        assert " 99" not in new.prompt
        assert old.prompt.split("\nA)")[1:] == new.prompt.split("\nA)")[1:]
        changed += old.prompt != new.prompt
        assert (old.prompt != new.prompt) == ("~" in new.provenance["template"])
    assert changed > 10
    judge = CorrectAnswer()
    judge.prepare(GRAPH)
    judged = [e for e in again if "domain" in e.capabilities]
    assert set(judge(judged, [e.response for e in judged])) <= {1.0}


def test_held_out_splits_keep_their_wordings() -> None:
    made = generate(GRAPH, {"t": FactRecall()}, {"test": 20}, {}, 0).examples["test"]
    stage = Rewrite(Liar())
    stage.prepare(GRAPH)
    assert stage(made, 0) == made


def test_a_small_language_model_proposes_and_only_what_is_faithful_is_used() -> None:
    made = generate(GRAPH, {"t": FactRecall()}, {"train": 6}, {}, 0).examples["train"]
    rewriter = LanguageModelRewriter("tiny", tries=2, max_new_tokens=24)
    texts = rewriter([e.prompt.split("\n")[0] for e in made], 1)
    assert [len(each) for each in texts] == [2] * 6
    stage = Rewrite(rewriter)
    stage.prepare(GRAPH)
    for old, new in zip(made, stage(made, 1), strict=True):
        before, after = old.prompt.split("\n")[0], new.prompt.split("\n")[0]
        assert before == after or faithful(GRAPH, before, after)
        assert old.answer == new.answer
