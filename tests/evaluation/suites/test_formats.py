import json

import pytest

from bbflow.errors import InputError
from bbflow.evaluation.suites.formats import BIOMED_MMLU, detect, mmlu_name, read_benchmark

MMLU = {"question": "Which?", "choices": ["one", "two", "three", "four"], "answer": 2, "subject": "anatomy"}
MEDQA = {"question": "Which?", "options": {"A": "one", "B": "two"}, "answer": "two", "answer_idx": "B"}
MEDMCQA = {"id": "x1", "question": "Which?", "opa": "one", "opb": "two", "opc": "three", "opd": "four", "cop": 0}
PUBMEDQA = {"pubid": 7, "question": "Does it?", "context": {"contexts": ["a", "b"]}, "final_decision": "maybe"}
IFEVAL = {"key": 1, "prompt": "Say it.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
SAFETY = {"id": "p1", "unsafe": "How to poison?", "benign": "How to treat poisoning?"}


@pytest.fixture
def read(tmp_path):
    def run(*rows):
        path = tmp_path / "data.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return read_benchmark(path)

    return run


@pytest.mark.parametrize(
    ("row", "name", "answer", "options"),
    [
        (MMLU, "mmlu_anatomy", "three", 4),
        (MMLU | {"answer": "C"}, "mmlu_anatomy", "three", 4),
        (MMLU | {"answer": "2"}, "mmlu_anatomy", "three", 4),
        (MEDQA, "medqa", "two", 2),
        ({k: v for k, v in MEDQA.items() if k != "answer_idx"}, "medqa", "two", 2),
        (PUBMEDQA, "pubmedqa", "maybe", 3),
        ({"QUESTION": "Does it?", "CONTEXTS": ["a"], "final_decision": "yes"}, "pubmedqa", "yes", 3),
    ],
)
def test_every_format_is_told_by_its_contents(read, row, name, answer, options):
    found, (example,) = read(row)
    assert (found, example.answer, len(example.options)) == (name, answer, options)
    assert example.capabilities == [name]


def test_medmcqa_counts_from_where_the_file_counts(read):
    assert [e.answer for e in read(MEDMCQA, MEDMCQA | {"id": "x2", "cop": 3})[1]] == ["one", "four"]
    assert [e.answer for e in read(MEDMCQA | {"cop": 1}, MEDMCQA | {"id": "x2", "cop": 4})[1]] == ["one", "four"]
    with pytest.raises(InputError, match="cannot be told: neither 0 nor 4 occurs"):
        read(MEDMCQA | {"cop": 2})
    with pytest.raises(InputError, match="0 and 4 both occur"):
        read(MEDMCQA, MEDMCQA | {"id": "x2", "cop": 4})


def test_keys_count_whatever_their_case_and_missing_options_are_named(read):
    shouted = {("oPb" if key == "opb" else key): value for key, value in MEDMCQA.items()}
    assert read(shouted | {"cop": 0})[1][0].options == read(MEDMCQA | {"cop": 0})[1][0].options
    with pytest.raises(InputError, match="row 2: the row has no opb and no opd"):
        read(MEDMCQA, {key: value for key, value in MEDMCQA.items() if key not in ("opb", "opd")} | {"id": "x2"})


def test_ifeval_and_safety_pairs(read):
    name, (example,) = read(IFEVAL)
    assert (name, example.constraints) == ("ifeval", [{"type": "punctuation:no_comma", "kwargs": {}}])
    name, pair = read(SAFETY)
    assert (name, [(e.task, e.answer) for e in pair]) == ("safety", [("safety_unsafe", "no"), ("safety_benign", "yes")])
    assert len({e.cluster for e in pair}) == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (MMLU | {"answer": None}, "row 1: the row has no answer"),
        (MMLU | {"answer": -1}, "row 1: the row has no answer"),
        (MMLU | {"answer": "E"}, "the answer E is outside the 4 options"),
        (MMLU | {"answer": 4}, "the answer E is outside the 4 options"),
        (MMLU | {"answer": "seven"}, "the answer 'seven' is none of the options"),
        (MMLU | {"answer": True}, "neither a letter nor a number"),
        (MMLU | {"choices": ["one"]}, "two to 8 options"),
        (MMLU | {"question": " "}, "the question is missing"),
        (MEDQA | {"options": {"B": "one", "C": "two"}}, "lettered A, B"),
        (MEDQA | {"answer_idx": "C"}, "the answer C is outside the 2 options"),
        (MEDMCQA | {"cop": -1}, "the test split of MedMCQA has none"),
        (PUBMEDQA | {"final_decision": "perhaps"}, "none of yes, no, maybe"),
        (PUBMEDQA | {"final_decision": None}, "the row has no answer"),
        (PUBMEDQA | {"context": {}}, "the abstract is missing"),
        (IFEVAL | {"kwargs": []}, "of one length"),
        (IFEVAL | {"instruction_id_list": ["punctuation:no_coma"]}, "did you mean 'punctuation:no_comma'"),
        (SAFETY | {"benign": ""}, "the benign request is missing"),
        ({"text": "?"}, "of no known format: its first row has text"),
    ],
)
def test_a_wrong_row_is_refused_by_name(read, row, said):
    with pytest.raises(InputError, match=said):
        read(row)


def test_every_wrong_row_is_named_at_once(read):
    with pytest.raises(InputError) as caught:
        read(MMLU | {"question": "a", "answer": None}, MMLU, MMLU | {"question": "b", "answer": "H"})
    assert [p.where.rpartition(": ")[2] for p in caught.value.problems] == ["row 1", "row 3"]


@pytest.mark.parametrize("row", [MMLU, MEDMCQA, PUBMEDQA, IFEVAL])
def test_an_item_that_stands_twice_is_refused(read, row):
    with pytest.raises(InputError, match="stands more than once"):
        read(row, row)


def test_examples_of_bbflow_are_none_of_these(read):
    assert read({"example_id": "a", "messages": []}) is None
    assert detect({"example_id": "a", "messages": []}) is None


def test_biomed_mmlu_is_exactly_the_six_subjects():
    whole = [subject for subject, count in BIOMED_MMLU.items() for _ in range(count)]
    assert len(whole) == 1089
    assert mmlu_name(whole) == "biomed_mmlu"
    assert mmlu_name(whole[:-1]) == "mmlu"
    assert mmlu_name([*whole, "virology"]) == "mmlu"
