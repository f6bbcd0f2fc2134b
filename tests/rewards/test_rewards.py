"""Rewards on values worked out by hand, and on probes that must not pay."""

import pytest

from bbflow.errors import InputError
from bbflow.graph import ClinicalPack
from bbflow.records import Example
from bbflow.rewards import ChainReward, ConstraintReward, CorrectAnswer, FollowsInstructions, ReasonedAnswer, SafeChoice
from bbflow.rewards.instructions import is_met
from bbflow.text.answers.extraction import chosen_option, final_answers, mentioned_option, option_index
from bbflow.text.entity_linking import mentions

GRAPH = ClinicalPack().load()


def example(**changes) -> Example:
    fields = {
        "example_id": "x",
        "task": "t",
        "capabilities": [],
        "messages": [{"role": "user", "content": "?"}],
        "response": "",
        "answer": "",
    }
    return Example(**{**fields, **changes})


CHOICE = example(
    options=["propranolol", "amlodipine", "none of these"], answer="amlodipine", patient={"conditions": ["disease:hypertension"]},
    edges=[("drug:propranolol", "contraindicated_in", "disease:asthma"), ("drug:amlodipine", "treats", "disease:hypertension")],
)  # fmt: skip
LIST = example(
    answer="aspirin", accepted=["aspirin", "ibuprofen", "naproxen"], entities=["disease:osteoarthritis"],
    edges=[("drug:aspirin", "treats", "disease:osteoarthritis"), ("drug:ibuprofen", "treats", "disease:osteoarthritis")],
    constraints=[{"type": "detectable_format:number_bullet_lists", "kwargs": {"num_bullets": 2}}, {"type": "punctuation:no_comma", "kwargs": {}}],
)  # fmt: skip
GOOD = "propranolol is contraindicated in asthma. amlodipine treats hypertension. Answer: amlodipine"
PROBES = {
    "empty": "",
    "refusal": "Answer: none of these",
    "all options": "Answer: propranolol, amlodipine, none of these",
    "all letters": "Answer: A Answer: B Answer: C",
    "entity soup": "amlodipine propranolol hypertension asthma warfarin metformin",
    "prompt echo": "A) propranolol B) amlodipine C) none of these",
    "answer in the reasoning only": "amlodipine treats hypertension.",
    "contradiction": "Answer: amlodipine. Answer: propranolol",
    "repeated marks": "Answer: Answer: Answer:",
    "look-alikes": "Answer: аmlodipine",  # noqa: RUF001 (a Cyrillic letter)
    "very long": "amlodipine treats hypertension. " * 200,
    "letter and text disagree": "Answer: A) amlodipine",
}


def scored(reward, record: Example, completion: str):
    reward.prepare(GRAPH)
    return reward([record], [completion])[0]


@pytest.mark.parametrize(
    "text",
    [GOOD, "Answer: amlodipine", "Answer: B", "B", "b)", "answer: (B) amlodipine", "Answer: B. Answer: amlodipine", "Answer: Amlodipine."],
)
def test_right_answers_in_any_honest_form(text: str) -> None:
    assert scored(CorrectAnswer(), CHOICE, text) == 1.0
    assert scored(SafeChoice(), CHOICE, text) == 1.0


@pytest.mark.parametrize("probe", PROBES, ids=list(PROBES))
@pytest.mark.parametrize("reward", [CorrectAnswer(), ReasonedAnswer(), SafeChoice()], ids=lambda r: type(r).__name__)
def test_no_probe_exceeds_an_honest_wrong_answer(reward, probe: str) -> None:
    wrong = scored(reward, CHOICE, "amlodipine treats hypertension. Answer: propranolol")
    assert scored(reward, CHOICE, PROBES[probe]) <= wrong == 0.0
    assert scored(reward, CHOICE, GOOD) == 1.0


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (GOOD, 1.0),
        ("propranolol is contraindicated in asthma. Answer: amlodipine", 0.5),  # half the proof, nothing else
        ("hypertension is treated with amlodipine. asthma forbids propranolol. Answer: A", 1.0),  # the other way round
        (GOOD.replace("Answer", "warfarin treats gout. aspirin treats fever. Answer"), 0.5),  # two of four statements prove
        ("propranolol is contraindicated in asthma. " * 2 + "Answer: amlodipine", 0.25),  # half the proof, half the statements
        ("Answer: amlodipine", 0.0),
        ("some words. Answer: amlodipine", 0.0),
        ("", 0.0),
    ],
)
def test_chain_reward_by_hand(text: str, score: float) -> None:
    assert scored(ChainReward(), CHOICE, text) == pytest.approx(score)


def test_chain_reward_abstains_without_a_proof() -> None:
    assert scored(ChainReward(), example(answer="x"), "x treats y. Answer: x") is None


@pytest.mark.parametrize(
    "text",
    [
        "propranolol is contraindicated in asthma. Answer: amlodipine",  # incomplete
        GOOD.replace("Answer", "warfarin treats gout. Answer"),  # a statement that is no edge
        GOOD.replace("Answer: amlodipine", "Answer: propranolol"),
    ],
)
def test_reasoned_answer_wants_all_of_it(text: str) -> None:
    assert scored(ReasonedAnswer(), CHOICE, text) == 0.0


@pytest.mark.parametrize(
    ("text", "content", "share", "strict"),
    [
        ("* aspirin\n* naproxen", 1.0, 1.0, 1.0),
        ("aspirin and ibuprofen", 1.0, 0.5, 0.0),  # no bullets
        ("aspirin, ibuprofen", 1.0, 0.0, 0.0),
        ("* aspirin\n* warfarin", 0.0, 0.0, 0.0),  # the right form, the wrong content
        ("* aspirin", 0.0, 0.0, 0.0),  # too few
        ("* aspirin\n* aspirin", 0.0, 0.0, 0.0),  # twice the same
        ("* aspirin\n* ibuprofen\n* naproxen", 0.0, 0.0, 0.0),  # too many
        ("* Advil\n* naproxen for osteoarthritis", 1.0, 1.0, 1.0),  # a brand name; the disease asked about counts neither way
        ("* a\n* b", 0.0, 0.0, 0.0),
    ],
)
def test_instructions_pay_only_with_content(text: str, content: float, share: float, strict: float) -> None:
    assert scored(CorrectAnswer(), LIST, text) == content
    assert scored(ConstraintReward(), LIST, text) == share
    assert scored(FollowsInstructions(), LIST, text) == strict


def test_refusal_is_right_where_nothing_is_safe_and_wrong_elsewhere() -> None:
    refuse = example(options=["propranolol", "none of these"], answer="none of these", patient={"conditions": []})
    assert scored(SafeChoice(), refuse, "Answer: none of these") == 1.0
    assert scored(SafeChoice(), refuse, "Answer: propranolol") == 0.0
    assert scored(SafeChoice(), example(answer="x"), "x") is None


def test_extraction() -> None:
    assert final_answers("so it is\nAnswer: 4000 mg per day\nTake care.") == ["4000 mg per day"]
    assert option_index("D", ["a", "b"]) is None
    assert chosen_option(CHOICE, "Answer: amlodipine or propranolol") is None
    assert mentions(GRAPH, "Type-2 diabetes, not hypertension!") == ["disease:type_2_diabetes", "disease:hypertension"]


HAN = ["\u963f\u53f8\u5339\u6797", "\u534e\u6cd5\u6797"]


@pytest.mark.parametrize("text", ["", "...", "\u6211", "?"])
@pytest.mark.parametrize("options", [HAN, ["+", "-"], ["\u03b2", "gamma"]])
def test_what_folds_to_nothing_names_no_option(text: str, options: list[str]) -> None:
    assert option_index(text, options) is None
    assert mentioned_option(example(options=options, answer=options[0]), text) is None


def test_options_beyond_ascii_are_read_by_their_words() -> None:
    greek = ["\u0391-blocker", "\u0392-blocker", "blocker"]
    assert [option_index(text, greek) for text in ("\u03b2 Blocker", "\u03b1-blocker", "Blocker")] == [1, 0, 2]
    assert mentioned_option(example(options=greek, answer=greek[1]), "give a \u03b2-blocker daily") == 1
    assert mentioned_option(example(options=HAN, answer=HAN[1]), f"\u6211\u9009{HAN[1]}\u3002") == 1


def test_options_that_differ_in_signs_alone_are_told_apart_or_not_at_all() -> None:
    ions = ["Na+", "Na-", "K+"]
    assert [option_index(text, ions) for text in ("Na-", "Na", "K")] == [1, None, 2]
    assert mentioned_option(example(options=ions, answer="Na+"), "it is Na") is None


def test_options_under_a_demanded_form_are_read_from_the_one_name_that_occurs() -> None:
    quoted = example(
        options=["heart failure", "failure", "asthma"], answer="heart failure", constraints=[{"type": "startend:quotation", "kwargs": {}}]
    )
    assert scored(FollowsInstructions(), quoted, '"heart failure"') == 1.0
    assert scored(FollowsInstructions(), quoted, "heart failure") == 0.0  # right, but not in quotation marks
    assert scored(CorrectAnswer(), quoted, '"heart failure, asthma"') == 0.0
    assert scored(CorrectAnswer(), quoted, '"failure"') == 0.0
    assert scored(CorrectAnswer(), quoted, '""') == 0.0


def test_unknown_constraints_and_wrong_arguments_are_errors() -> None:
    with pytest.raises(InputError, match="did you mean 'punctuation:no_comma'"):
        is_met({"type": "punctuation:no_commas", "kwargs": {}}, "x")
    with pytest.raises(InputError, match="does not take"):
        is_met({"type": "punctuation:no_comma", "kwargs": {"n": 1}}, "x")


def test_a_reward_that_needs_the_graph_says_so() -> None:
    with pytest.raises(InputError, match="needs the graph"):
        CorrectAnswer().prepare(None)
