import json
import string

import pytest

from bbflow.errors import InputError
from bbflow.evaluation.benchmarks.formats import BIOMED_MMLU, detect, merge_subjects, mmlu_name, read_benchmark

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
    with pytest.raises(InputError, match=r"data\.jsonl:2: the row has no opb and no opd"):
        read(MEDMCQA, {key: value for key, value in MEDMCQA.items() if key not in ("opb", "opd")} | {"id": "x2"})


def test_ifeval_and_safety_pairs(read):
    name, (example,) = read(IFEVAL)
    assert (name, example.constraints) == ("ifeval", [{"type": "punctuation:no_comma", "kwargs": {}}])
    name, pair = read(SAFETY)
    assert (name, [(e.task, e.answer) for e in pair]) == ("safety", [("safety", "no"), ("safety", "yes")])
    assert len({e.cluster for e in pair}) == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (MMLU | {"answer": None}, "data.jsonl:1: the row has no answer"),
        (MMLU | {"answer": -1}, "data.jsonl:1: the row has no answer"),
        (MMLU | {"answer": "E"}, "the answer 'E' is none of the 4 options"),
        (MMLU | {"answer": 4}, "the answer 4 is none of the 4 options .numbers count from 0"),
        (MMLU | {"answer": "seven"}, "the answer 'seven' is none of the 4 options"),
        (MMLU | {"answer": True}, "neither a letter, a number nor a text"),
        (MMLU | {"choices": ["one"]}, "two to 26 options"),
        (MMLU | {"question": " "}, "the question is missing"),
        (MEDQA | {"options": {"B": "one", "C": "two"}}, "lettered A, B"),
        (MEDQA | {"answer_idx": "C"}, "the answer 'C' is none of the 2 options"),
        (MEDMCQA | {"cop": -1}, "the test split of MedMCQA has none"),
        (PUBMEDQA | {"final_decision": "perhaps"}, "none of yes, no, maybe"),
        (PUBMEDQA | {"final_decision": None}, "the row has no answer"),
        (PUBMEDQA | {"context": {}}, "the abstract is missing"),
        (IFEVAL | {"kwargs": []}, "of one length"),
        (IFEVAL | {"instruction_id_list": ["punctuation:no_coma"]}, "did you mean 'punctuation:no_comma'"),
        (IFEVAL | {"prompt": None}, "the prompt is missing"),
        (IFEVAL | {"prompt": " "}, "the prompt is missing"),
        (IFEVAL | {"kwargs": ["x"]}, "the arguments of each by name"),
        (IFEVAL | {"instruction_id_list": [["punctuation:no_comma"]]}, "must hold names"),
        (MEDMCQA | {"cop": [1]}, r"`cop` is the number of an option, not .1."),
        (MMLU | {"question": "half \ud800"}, "data.jsonl:1: holds half of a pair of surrogates"),
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
    assert [p.where.rpartition(":")[2] for p in caught.value.problems] == ["1", "3"]


@pytest.mark.parametrize("row", [MMLU, MEDMCQA, PUBMEDQA, IFEVAL, SAFETY])
def test_an_item_that_stands_twice_is_refused_by_both_its_lines(read, row):
    with pytest.raises(InputError, match=r"data.jsonl:2: is the item of .*data.jsonl:1 once more") as caught:
        read(row, row)
    assert len(caught.value.problems) == 1


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps(MMLU) + "\n\n\n" + json.dumps(MMLU | {"answer": 9}) + "\n")
    with pytest.raises(InputError, match=r"data\.jsonl:4: the answer 9"):
        read_benchmark(path)


def test_a_row_of_ifeval_that_lacks_its_lists_is_refused_by_line(read):
    with pytest.raises(InputError, match=r"data\.jsonl:2: instruction_id_list and kwargs"):
        read(IFEVAL, {"key": 2, "prompt": "Say it."})


WORDS = IFEVAL | {"instruction_id_list": ["length_constraints:number_words"]}
PARAGRAPHS = IFEVAL | {"instruction_id_list": ["length_constraints:number_paragraphs"]}
KEYWORDS = IFEVAL | {"instruction_id_list": ["keywords:existence"]}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (WORDS | {"kwargs": [{"relation": "at least"}]}, "missing 1 required positional argument: 'num_words'"),
        (WORDS | {"kwargs": [{"relation": "at least", "num_words": 3, "foo": 1}]}, "unexpected keyword argument 'foo'"),
        (WORDS | {"kwargs": [{"relation": "at least", "num_words": "many"}]}, "does not take .*many"),
        (WORDS | {"kwargs": [{"relation": "about", "num_words": 3}]}, "the relation must be"),
        (PARAGRAPHS | {"kwargs": [{"num_paragraphs": "many"}]}, "does not take num_paragraphs='many'"),
        (KEYWORDS | {"kwargs": [{"keywords": "pain"}]}, "does not take keywords='pain'"),
    ],
)
def test_arguments_that_no_verifier_takes_are_found_while_reading(read, row, said):
    with pytest.raises(InputError, match=f"data.jsonl:2: .*{said}"):
        read(IFEVAL, row | {"key": 2})


def test_absent_arguments_may_be_null_and_numbers_may_have_a_point(read):
    row = WORDS | {"kwargs": [{"relation": "at least", "num_words": 3.0, "keywords": None}]}
    assert read(row)[1][0].constraints[0]["kwargs"] == {"relation": "at least", "num_words": 3.0}


@pytest.mark.parametrize(
    "row",
    [
        MMLU | {"choices": ["1", "2", "3", "4"], "answer": "2"},
        MMLU | {"choices": ["C", "D", "A", "K"], "answer": "D"},
        MEDQA | {"options": {"A": "C", "B": "D", "C": "A", "D": "K"}, "answer": "D", "answer_idx": None},
        MMLU | {"choices": ["one", "two", "two"], "answer": "two"},
    ],
)
def test_an_answer_that_can_mean_two_options_is_refused(read, row):
    with pytest.raises(InputError, match=r"can mean option B or [CD] \(write the option's place, a number from 0"):
        read(row)


def test_an_answer_that_can_mean_one_option_only_is_read(read):
    vitamins = {"A": "C", "B": "D", "C": "A", "D": "K"}
    rows = [
        MEDQA | {"options": vitamins, "answer": "A", "answer_idx": "C"},
        MEDQA | {"options": vitamins, "answer": "K", "answer_idx": None},
    ]
    assert [read(row)[1][0].response for row in rows] == ["C", "D"]
    assert read(MMLU | {"choices": ["1", "2", "3", "4"], "answer": 2})[1][0].answer == "3"
    assert read(MMLU | {"choices": ["0", "1"], "answer": "1"})[1][0].answer == "1"


def test_options_may_be_as_many_as_letters_and_more_are_not_all_shown(read):
    options = list(string.ascii_lowercase)
    example = read(MMLU | {"choices": [f"option {o}" for o in options], "answer": "Z"})[1][0]
    assert (example.answer, example.response) == ("option z", "Z")
    with pytest.raises(InputError, match="two to 26 options") as caught:
        read(MMLU | {"choices": [str(i) for i in range(5000)]})
    assert len(str(caught.value)) < 300


def test_examples_of_bbflow_are_none_of_these(read):
    assert read({"example_id": "a", "messages": []}) is None
    assert detect({"example_id": "a", "messages": []}) is None


def test_biomed_mmlu_is_exactly_the_six_subjects():
    whole = [subject for subject, count in BIOMED_MMLU.items() for _ in range(count)]
    assert len(whole) == 1089
    assert mmlu_name(whole) == "biomed_mmlu"
    assert mmlu_name(whole[:-1]) == "mmlu"
    assert mmlu_name([*whole, "virology"]) == "mmlu"


@pytest.fixture
def six_files(tmp_path):
    """The rows of BIOMED-MMLU, and a file for each subject, whose own ids count from 0."""
    paths, every = [], []
    for subject, count in BIOMED_MMLU.items():
        rows = [MMLU | {"question": f"{subject} {i}?", "subject": subject, "id": i} for i in range(count)]
        paths.append(tmp_path / f"{subject}_test.jsonl")
        unnamed = [{key: value for key, value in row.items() if key != "subject"} for row in rows]
        paths[-1].write_text("".join(json.dumps(row) + "\n" for row in (rows if len(paths) % 2 else unnamed)))
        every += rows
    return every, paths


def test_a_file_for_each_subject_is_the_same_benchmark_as_one_file(read, six_files):
    rows, paths = six_files
    parts = [read_benchmark(path) for path in paths]
    pubmedqa = read(PUBMEDQA)
    assert [name for name, _ in parts] == [f"mmlu_{subject}" for subject in BIOMED_MMLU]
    assert merge_subjects([*parts, pubmedqa]) == [read(*rows), pubmedqa]
    assert merge_subjects(parts[1:]) == parts[1:]
    assert merge_subjects([*parts, read(MMLU | {"subject": "virology"})])[0] == parts[0]
