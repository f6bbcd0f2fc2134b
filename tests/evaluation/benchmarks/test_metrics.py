import json

import pytest

from bbflow.evaluation.benchmarks.formats import read_benchmark
from bbflow.evaluation.benchmarks.metrics import MultipleChoiceAccuracy

DRUGS = ["aspirin", "warfarin", "metformin", "lisinopril"]
HAN = ["\u963f\u53f8\u5339\u6797", "\u534e\u6cd5\u6797", "\u4e8c\u7532\u53cc\u80cd", "\u8d56\u8bfa\u666e\u5229"]
GREEK = ["\u03b2", "gamma", "delta", "\u03b1"]


@pytest.fixture
def scored(tmp_path):
    def run(options, gold, completion):
        path = tmp_path / "data.jsonl"
        path.write_text(json.dumps({"question": "Which?", "choices": options, "answer": gold}) + "\n")
        return MultipleChoiceAccuracy()(read_benchmark(path)[1], [completion])[0]

    return run


@pytest.mark.parametrize(
    "completion",
    [
        "B",
        "(B)",
        "**B**",
        "B) warfarin",
        "B.",
        "B. Warfarin is right",
        "B is correct.",
        "B, because A is wrong",
        "**B**\n\nIt thins blood.",
        "Option B",
        "The answer is B.",
        "The answer is **B**.",
        "The correct answer is B.",
        "The correct answer is (B) warfarin.",
        "I would choose option B.",
        "$\\boxed{B}$",
        "Final answer: B",
        "Answer: B. It thins blood.",
        "It is warfarin that helps.",
        "WARFARIN",
    ],
)
def test_the_common_ways_to_give_an_answer_are_read(scored, completion):
    assert [scored(DRUGS, gold, completion) for gold in range(4)] == [0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "...",
        "A, B",
        "A and B",
        "A\nB\nC\nD",
        "aspirin, warfarin",
        "The answer is A. Answer: B",
        "A) warfarin",
        "B is not correct.",
        "not warfarin",
        "never warfarin",
        "no warfarin",
        "something other than warfarin",
        "The answer is not warfarin.",
        "Answer: not warfarin",
    ],
)
def test_what_chooses_nothing_or_two_options_or_denies_one_is_wrong(scored, completion):
    assert [scored(DRUGS, gold, completion) for gold in range(4)] == [0.0] * 4


@pytest.mark.parametrize("form", ["{}", "Answer: {}", "The answer is {}."])
@pytest.mark.parametrize(
    "options",
    [HAN, GREEK, ["+", "-", "++", "--"], ["\u2191", "\u2193", "\u2192", "x"], [">10", "<10", "=10", "10"], ["TT", "Tt", "tt", "T"]],
)
def test_options_of_any_script_and_of_signs_are_told_apart(scored, options, form):
    for said in range(4):
        assert [scored(options, gold, form.format(options[said])) for gold in range(4)] == [float(gold == said) for gold in range(4)]


@pytest.mark.parametrize("completion", ["", "...", "\u6211\u4e0d\u77e5\u9053", "?"])
@pytest.mark.parametrize("options", [HAN, GREEK, ["+", "-", "++", "--"]])
def test_what_folds_to_nothing_is_no_option(scored, options, completion):
    assert scored(options, 0, completion) == 0.0


def test_an_option_is_found_in_a_sentence_without_spaces(scored):
    assert scored(HAN, 1, "\u6211\u9009\u62e9\u534e\u6cd5\u6797\u3002") == 1.0


def test_a_letter_beyond_h_is_read(scored):
    options = [f"drug {i}" for i in range(10)]
    assert [scored(options, 9, text) for text in ("J", "Answer: J", "J) drug 9", "I")] == [1.0, 1.0, 1.0, 0.0]
