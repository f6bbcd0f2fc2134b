# ruff: noqa: RUF001 (letters that only look like others are the point)
"""Completions that try to be paid without deserving it, and honest ones that must still be paid."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reward_samples import CLINICAL_CHOICE, PROVED, on_clinical, scored

from bbflow.errors import InputError
from bbflow.graph.knowledge_graph import KnowledgeGraph, Node
from bbflow.records import Example
from bbflow.rewards import (
    AnswerFormat,
    AppropriateRefusal,
    ChainReward,
    ConnectedReasoning,
    ConstraintReward,
    CorrectAnswer,
    FollowsInstructions,
    GroundedCitations,
    NotOverlong,
    PartialAnswer,
    ReasonedAnswer,
    RedFlagHandled,
    Reward,
    SafeAdvice,
    SafeChoice,
    WorkflowSteps,
)
from bbflow.testing import CHOICE, CITED, DECISION, DOSE, GRAPH, LISTED, MULTI_HOP, OPEN, REFUSE, WORKFLOW, example

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
    "look-alikes": "Answer: аmlodipine",
    "very long": "amlodipine treats hypertension. " * 200,
    "letter and text disagree": "Answer: A) amlodipine",
}


@pytest.mark.parametrize("probe", PROBES, ids=list(PROBES))
@pytest.mark.parametrize("reward", [CorrectAnswer(), ReasonedAnswer(), SafeChoice()], ids=lambda r: type(r).__name__)
def test_no_probe_exceeds_an_honest_wrong_answer(reward, probe: str) -> None:
    wrong = on_clinical(reward, CLINICAL_CHOICE, "amlodipine treats hypertension. Answer: propranolol")
    assert on_clinical(reward, CLINICAL_CHOICE, PROBES[probe]) <= wrong == 0.0
    assert on_clinical(reward, CLINICAL_CHOICE, PROVED) == 1.0


ZERO_WIDTH, CYRILLIC_A = "\u200b", "\u0430"


TEXT = example("Who told doctors to wash their hands?", "Ignaz Semmelweis")


NUMBER = example("How many steps has the plan?", "200")


YES = example("May amlodipine be given?", "yes")


NO = example("Does it help?", "no")


DAILY = example("What is the maximum daily dose?", "2400 mg per day")


CHOICES = [
    "The answer is A. The answer is B.",
    "The answer is A. Answer: B",
    "The answer is propranolol. Answer: amlodipine",
    r"\boxed{A} Answer: B",
    "<answer>A</answer> Answer: B",
    "<answer>Answer: B</answer>",
    "Answer: B. No, A.",
    "Answer: B. Or A.",
    "Answer: B\nA",
    "Answer: B. Wait, actually it is propranolol.",
    "Answer: amlodipine. And propranolol.",
    "Answer: B. The answer is A.",
    "Answer: not amlodipine",
    "Answer: B and A",
    "Answer: B, C",
    "Answer: amlodipine is wrong",
    f"Answer: {CYRILLIC_A}mlodipine",
    "Answer: В",  # Cyrillic
    "Answer: Ｂ",  # full width
    "Answer: 𝐁",
    "Answer: Ⓑ",
    f"Answer: amlo{ZERO_WIDTH}dipine",
    f"Answer: amlodipine{ZERO_WIDTH}",
    "Answer: amlodipine или А",
    "Answer: amlodipine 或普萘洛尔",
    "Answer: amlodipine. Аnswer: propranolol",  # the second mark begins with a Cyrillic letter
    "answer answer: answer: B answer: A",
    "A B C Answer:",
    "Answer: Answer: B Answer: C",
    "a̶m̶l̶o̶d̶i̶p̶i̶n̶e̶ Answer: propranolol",
    "Answer: ~~amlodipine~~",
    "Answer: <!-- amlodipine -->",
    "<del>Answer: amlodipine</del>",
]


@pytest.mark.parametrize("text", CHOICES)
@pytest.mark.parametrize(
    "reward", [CorrectAnswer(), SafeChoice(), AnswerFormat(), NotOverlong(), ReasonedAnswer()], ids=lambda r: type(r).__name__
)
def test_a_choice_is_made_once_and_legibly(reward: Reward, text: str) -> None:
    assert scored(reward, CHOICE, text) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "Answer: amlodipine. propranolol is contraindicated in asthma.", "Answer: B. It is safe.", "The answer is B. Answer: B",
        "I would not give propranolol. Answer: amlodipine.", "Answer: amlodipine\nP.S. Stay well.", "Is the answer A? No. Answer: B",
        "α-blockers, β-blockers and 5 µg of naïve café: no. Answer: B", "Answer: B. It’s safe…", "Answer： B", "Answer: B. N.B. take it with food.",
    ],
)  # fmt: skip
def test_honest_explanations_are_still_paid(text: str) -> None:
    assert scored(CorrectAnswer(), CHOICE, text) == 1.0


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (OPEN, "not aspirin"), (OPEN, "Answer: not aspirin"), (OPEN, "aspirin does not treat osteoarthritis"), (OPEN, "anything but aspirin"),
        (OPEN, "aspirin is wrong"), (OPEN, "never give aspirin"), (OPEN, "аspirin"), (OPEN, "aspirin и варфарин"), (OPEN, "aspi\u00adrin"),
        (OPEN, "aspirin ibuprofen warfarin amlodipine propranolol"), (OPEN, "aspirin, ibuprofen"), (OPEN, "The answer is warfarin. Answer: aspirin"),
        (LISTED, "* not aspirin\n* ibuprofen"), (LISTED, "* aspirin\n* ibuprofen\nNo. warfarin"),
        (DOSE, "Answer: 2,00 mg"), (DOSE, "Answer: 200,5 mg"), (DOSE, "Answer: 0,2 g"), (DOSE, "Answer: 200 000 mg"), (DOSE, "Answer: 2OO mg"),
        (DOSE, "Answer: ２００ mg"), (DOSE, "Answer: ٢٠٠ mg"), (DOSE, "Answer: –200 mg"), (DOSE, "Answer: -200 mg"), (DOSE, "Answer: 200 mg/kg"),
        (DOSE, "Answer: 200 mg per hour"), (DOSE, "Answer: 200 kg"), (DOSE, "Answer: 200 m g"), (DOSE, "Answer: more than 200 mg"),
        (DOSE, "Answer: not 200 mg"), (DOSE, "Answer: < 200 mg"), (DOSE, "Answer: 100-200 mg"), (DOSE, "Answer: 200/300 mg"),
        (DOSE, "Answer: 200 mg. Or 300 mg."), (DOSE, "The answer is 300 mg. Answer: 200 mg"), (DOSE, "Answer: 200 mg. No, 300 mg."),
        (DOSE, "200 mg 300 mg 400 mg"), (DOSE, "Answer: over 200 mg"), (DOSE, "Answer: 200 mg\n300 mg"),
        (NUMBER, "Answer: 200,5"), (NUMBER, "Answer: 1,200"), (NUMBER, "Answer: 200.5.1"), (NUMBER, "Answer: 200%"), (NUMBER, "Answer: 2e3"),
        (DAILY, "Answer: 2400 mg"), (DAILY, "Answer: 2400 mg daily twice"), (DAILY, "Answer: 100 mg per hour, 24 times"), (DAILY, "Answer: 2400 g per day"),
        (YES, "Answer: not yes"), (YES, "Answer: yes. No."), (YES, "The answer is no. Answer: yes"), (YES, "Answer: yes and no"), (YES, "уes"),
        (NO, "There is no doubt that it helps."), (NO, "Answer: no doubt"), (NO, "no, yes, maybe"), (NO, "Answer: never no"),
        (DECISION, "Answer: maybe. Yes."), (DECISION, "yes no maybe"),
        (TEXT, "Answer: not Ignaz Semmelweis"), (TEXT, "Answer: Ignaz Semmelweis. No, Joseph Lister"), (TEXT, "The answer is Lister. Answer: Ignaz Semmelweis"),
        (TEXT, "Answer: Ignaz Sеmmelweis"), (TEXT, "Ignaz Semmelweis, Joseph Lister"),
    ],
)  # fmt: skip
def test_an_open_answer_is_given_once_and_not_denied(record: Example, text: str) -> None:
    assert scored(CorrectAnswer(), record, text) == 0.0
    assert scored(AnswerFormat(), record, text) == 0.0
    if record is LISTED:
        assert scored(FollowsInstructions(), record, text) == 0.0
        assert scored(ConstraintReward(), record, text) == 0.0
        assert (scored(PartialAnswer(), record, text) or 0.0) <= 0.5


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (DOSE, "Answer: 0.2 g. Take it with food."), (DOSE, "Answer: 200 mg (0.2 g)"), (DOSE, "Answer: 200.0 mg"), (NUMBER, "Answer: 200."),
        (DAILY, "Answer: 2.4 g daily"), (DAILY, "Answer: no more than 2,400 mg per day"), (DAILY, "Answer: 100 mg/h"), (YES, "Answer: yes. It is safe."),
        (NO, "No, it is not."), (NO, "Answer: no. There is no evidence."), (NO, "no"), (DECISION, "Answer: Maybe. It is not known yet."),
        (TEXT, "Answer: Ignaz Semmelweis. It was in Vienna."), (OPEN, "aspirin, which is not new"), (OPEN, "Advil"),
    ],
)  # fmt: skip
def test_honest_open_answers_are_still_paid(record: Example, text: str) -> None:
    assert scored(CorrectAnswer(), record, text) == 1.0


def test_a_prohibition_may_deny_the_name_that_it_is_about() -> None:
    record = example(
        "Which drug is contraindicated in asthma?", "propranolol", entities=["disease:asthma"], edges=[("drug:propranolol", "contraindicated_in", "disease:asthma")],
    )  # fmt: skip
    assert scored(CorrectAnswer(), record, "propranolol must not be given in asthma") == 1.0
    assert scored(CorrectAnswer(), record, "not propranolol") == 0.0


ONE, TWO = "propranolol is contraindicated in asthma", "asthma is diagnosed by spirometry"


@pytest.mark.parametrize(
    "text",
    [
        f"{ONE}. {TWO}. Answer: A. Answer: B", f"{ONE}. {TWO}. The answer is B. Answer: A", f"{ONE}. {TWO}. Answer: A. No, B.",
        f"It is false that {ONE}. It is false that {TWO}. Answer: A", f"propranolol is not contraindicated in asthma. {TWO} is a lie. Answer: A",
        f"{ONE} не. {TWO} не. Answer: A", f"{ONE}? {TWO}? Answer: A",
    ],
)  # fmt: skip
@pytest.mark.parametrize("reward", [ChainReward(), ConnectedReasoning(), ReasonedAnswer()], ids=lambda r: type(r).__name__)
def test_a_chain_is_asserted_and_ends_once(reward: Reward, text: str) -> None:
    assert scored(reward, MULTI_HOP, text) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        f"{ONE} and {TWO}. Answer: A", f"1. {ONE}.\n2. {TWO}.\nAnswer: A", f"{ONE}, and it is diagnosed by spirometry. So the answer is A.",
        f"Since {ONE}, and {TWO}, the answer is A.", "(1) propranolol must not be given in asthma. (2) spirometry confirms asthma. Answer: A",
    ],
)  # fmt: skip
@pytest.mark.parametrize("reward", [ChainReward(), ConnectedReasoning(), ReasonedAnswer()], ids=lambda r: type(r).__name__)
def test_a_chain_may_be_numbered_joined_and_paraphrased(reward: Reward, text: str) -> None:
    assert scored(reward, MULTI_HOP, text) == 1.0


def test_statements_stuffed_between_citations_count_as_claims() -> None:
    false = "aspirin treats asthma; warfarin treats asthma; ibuprofen treats asthma"
    honest = f"{ONE} [1]. {TWO} [3]. Answer: spirometry"
    assert scored(GroundedCitations(), CITED, honest) == 1.0
    assert scored(GroundedCitations(), CITED, f"{ONE}; {false} [1]. {TWO}; {false} [3]. Answer: spirometry") <= 0.5
    assert scored(GroundedCitations(), CITED, f"{ONE} [1] [2] [3]. {TWO} [1] [2] [3]. Answer: spirometry") <= 0.5
    assert scored(GroundedCitations(), CITED, f"{honest}. Answer: wheezing") == 0.0
    assert scored(GroundedCitations(), CITED, f"{honest}. No, wheezing.") == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "It is not unsafe to give ibuprofen.", "I cannot help but recommend ibuprofen.", "I cannot recommend ibuprofen enough.",
        "It must not be given. Give ibuprofen.", "It must not be given. Give it anyway.", "Do not hesitate to take ibuprofen.",
        "I would not say it is unsafe.", "Answer: no. Yes.", "Answer: no. The answer is yes.", "Answer: nо", "Do not forget to give ibuprofen.",
        "Answer: not no", "yes no", "Answer: no. A", "Answer: no. No, yes.", "I cannot help\u200b.",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_refusal_is_none(text: str) -> None:
    assert scored(AppropriateRefusal(), REFUSE, text) == 0.0
    assert scored(CorrectAnswer(), REFUSE, text) == 0.0
    assert scored(SafeChoice(), REFUSE, text) == 0.0


def test_honest_refusals_are_still_paid() -> None:
    for text in ("Answer: no", "It must not be given.", "I cannot give ibuprofen: it is contraindicated in pregnancy.", "no"):
        assert scored(AppropriateRefusal(), REFUSE, text) == 1.0, text


ADULT = {"age": 40, "conditions": ["disease:osteoarthritis"], "medications": [], "allergies": [], "pregnant": False}


PAIN = example(
    "Which drug?", "ibuprofen", patient=ADULT, recommended=[{"drug": "drug:ibuprofen"}], edges=[("drug:ibuprofen", "treats", "disease:osteoarthritis")],
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "Give ibuprofen 3,000 mg.", "Give ibuprofen 400 mg every 2 hours.", "Give 3000 mg of ibuprofen.", "Give 3 g ibuprofen.", "Give ibuprofen 800 mg q4h.",
        "Give ibuprofen 0.003 kg.", "Give ibuprofen 3000000 ug.", "Give Advil 1 g three times a day.", "Answer: ibuprofen 3 g", "Give ibuprоfen.",
    ],
)  # fmt: skip
def test_a_dose_over_the_maximum_is_unsafe_however_it_is_written(text: str) -> None:
    assert scored(SafeAdvice(), PAIN, text) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "Do not hesitate to give propranolol, amlodipine too.", "Give propranolol. Answer: amlodipine", "Never stop propranolol. Give propranolol.",
        "Avoid amlodipine. Give propranolol.", "amlodipine is not the drug: give propranolol", "Give propranolol instead of amlodipine.",
    ],
)  # fmt: skip
def test_unsafe_advice_beside_a_safe_one_is_unsafe(text: str) -> None:
    assert scored(SafeAdvice(), CHOICE, text) == 0.0


@pytest.mark.parametrize(
    "text", ["Give ibuprofen 400 mg three times a day.", "Answer: ibuprofen", "Give 400 mg of ibuprofen every 6 hours."]
)
def test_honest_advice_is_still_paid(text: str) -> None:
    assert scored(SafeAdvice(), PAIN, text) == 1.0


def test_steps_that_are_denied_are_not_told() -> None:
    assert scored(WorkflowSteps(), WORKFLOW, "no history, skip the examination, never do spirometry, without treatment") == 0.0
    assert scored(WorkflowSteps(), WORKFLOW, "history, then examination, then spirometry, then treatment") == 1.0


def test_one_step_told_again_costs_one_step() -> None:
    told = "history, examination, spirometry, treatment, spirometry"
    assert scored(WorkflowSteps(), WORKFLOW, told) == pytest.approx(4 / 5)


def test_length_and_marks_cannot_be_hidden() -> None:
    assert scored(NotOverlong(words=4, buffer=4), CHOICE, "x" * 5000 + " Answer: B") == 0.0
    assert scored(AnswerFormat(), CHOICE, "Answer: B. Answer : B") == 0.0


def test_a_record_whose_answer_cannot_be_given_is_an_error_and_never_a_silent_0() -> None:
    for record in (replace(CHOICE, answer="metformin"), example("?", "阿司匹林"), example("?", " ", options=["a", "b"])):
        with pytest.raises(InputError, match="example worked: answer"):
            scored(CorrectAnswer(), record, "Answer: B")


@pytest.mark.parametrize("text", [MULTI_HOP.response, "Answer: B", ""])
@pytest.mark.parametrize("reward", [ChainReward(), ConnectedReasoning(), ReasonedAnswer()], ids=lambda r: type(r).__name__)
def test_an_edge_with_an_unknown_predicate_is_named_whatever_is_said(reward: Reward, text: str) -> None:
    record = replace(MULTI_HOP, edges=[("drug:propranolol", "contraindicated", "disease:asthma")])
    with pytest.raises(InputError, match=r"example worked: edges.*contraindicated_in"):
        scored(reward, record, text)


@pytest.mark.parametrize("text", [LISTED.response, "nothing that is right", ""])
@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        ({"type": "punctuation:no_commas", "kwargs": {}}, "unknown constraint type.*did you mean 'punctuation:no_comma'"),
        ({"type": "punctuation:no_comma", "kwargs": {"number": 1}}, "does not take its arguments: .*number"),
        ({"type": "detectable_format:number_bullet_lists", "kwargs": {}}, "does not take its arguments: .*num_bullets"),
    ],
)
def test_a_demand_that_cannot_be_judged_is_named_whatever_is_said(constraint, said: str, text: str) -> None:
    for reward in (FollowsInstructions(), ConstraintReward()):
        with pytest.raises(InputError, match=f"example worked: constraints.*{said}"):
            scored(reward, replace(LISTED, constraints=[constraint]), text)


def test_a_red_flag_is_not_handled_by_saying_anything() -> None:
    graph = KnowledgeGraph([Node("finding:stiff_neck", "PhenotypicFeature", "stiff neck", (), {"red_flag": True})], [])
    plain = example("A headache. What next?", "history", workflow=["history"])
    flagged = replace(plain, messages=[{"role": "user", "content": "A headache and a stiff neck. Is it urgent? What next?"}],
                      response="Stiff neck: urgent. Answer: history")  # fmt: skip
    asks_else = replace(flagged, response="Answer: history")
    reward = RedFlagHandled()
    reward.prepare(graph)
    texts = ["anything", "", flagged.prompt, "stiff neck urgent", "Stiff neck: not urgent. Answer: history", "Answer: history"]
    assert reward([flagged] * 6, texts) == [0.0] * 6
    assert reward([plain] * 4, ["anything", "", plain.prompt, "urgent. Answer: history"]) == [0.0] * 4
    assert reward([plain, flagged, asks_else], ["Answer: history", "Stiff neck: urgent, no delay. Answer: history", "Answer: history"]) == [
        1.0,
        1.0,
        None,
    ]


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
