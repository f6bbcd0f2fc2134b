"""One reading of contamination: curation and the rule of the contract agree on every prompt."""

import json

import pytest
from contract_samples import make_row

from bbflow.contracts import RULES, Row
from bbflow.errors import InputError
from bbflow.records import Example
from bbflow.text.decontamination import Benchmarks, SharedRun

VIGNETTE = "A 45-year-old man takes 2.5 mg of amlodipine daily"
OPTIONS = ["aspirin 5 mg", "ibuprofen 5 mg", "naproxen 5 mg"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "items.jsonl"
    items = [{"question": VIGNETTE, "options": OPTIONS}, {"question": "What is gout?"}, {"text": "Which drug lowers uric acid?"}]
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return str(path)


@pytest.mark.parametrize(
    ("prompt", "options", "contaminated"),
    [
        (VIGNETTE, None, True),
        ("A 52-year-old man takes 5 mg of amlodipine daily", None, True),  # another age and dose: the same template
        ("a 52 YEAR old man takes 5mg of \u0430mlodipine", None, True),  # a Cyrillic letter
        ("A 52-year-old man has 5 mg of amlodipine daily", None, False),
        ("Tell me: what is gout? Be brief.", None, True),
        ("What is gouty arthritis?", None, False),
        ("Which drug lowers uric acid?", None, True),
        ("Which drug lowers serum uric acid?", None, False),
        ("Which one?", ["Naproxen 5 mg", "aspirin 5 mg", "ibuprofen 5 MG"], True),
        ("Which one?", ["naproxen 10 mg", "aspirin 5 mg", "ibuprofen 5 mg"], False),  # among options a number is an answer
        ("Which one?", ["naproxen 5 mg", "aspirin 5 mg"], False),
    ],
)
def test_curation_and_the_contract_agree(graph, file, prompt, options, contaminated):
    messages = [{"role": "user", "content": prompt}]
    example = Example("1", "t", ["domain"], messages, "r", "x", options=options)
    outcome = RULES["no_benchmark_contamination"].run([Row(0, make_row(messages=messages, options=options))], graph, benchmarks={"b": file})
    assert (Benchmarks([file]).objection(example) is not None) == contaminated
    assert bool(outcome.findings) == contaminated


def test_a_shared_run_names_its_length_and_benchmark(file):
    known = Benchmarks({"mine": file})
    assert known.shared_run(VIGNETTE) == SharedRun(8, "mine", whole=False)
    assert known.shared_run("So what is gout then?") == SharedRun(3, "mine", whole=True)
    assert known.shared_options(OPTIONS) == "mine"
    assert known.questions == {"mine": 3}


def test_the_window_can_be_set(file):
    assert Benchmarks([file], window=5).shared_run("takes 7 mg of amlodipine") == SharedRun(5, "items", whole=False)
    assert Benchmarks([file]).shared_run("takes 7 mg of amlodipine") is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", f'id,question,context\n1,short one here,"{VIGNETTE}"\n'),
        ("b.csv", f'"{VIGNETTE}",B\n'),
        ("c.tsv", f"question\tanswer\n{VIGNETTE}\tB\n"),
        ("d.txt", f"{VIGNETTE}\n"),
        ("e.json", json.dumps({"data": [{"stem": VIGNETTE}]})),
    ],
)
def test_every_text_of_a_file_counts(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert Benchmarks([str(tmp_path / name)]).shared_run(VIGNETTE.replace("45", "61")) is not None


def test_short_cells_without_a_question_column_are_names(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"question": "x y z", "answer": "low dose of oral aspirin"}))
    known = Benchmarks([str(tmp_path / "a.jsonl")])
    assert known.shared_run("Take a low dose of oral aspirin") is None
    assert known.shared_run("x y z") is not None


def test_options_by_letter_or_as_lists_of_an_object(tmp_path):
    items = [{"question": "q", "options": {"A": "x", "B": "y", "C": "z"}}, {"question": "q", "choices": {"text": ["k", "l", "m"]}}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    known = Benchmarks([str(tmp_path / "a.jsonl")])
    assert known.shared_options(["z", "y", "x"]) == known.shared_options(["m", "l", "k"]) == "a"


def test_all_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_text("{")
    with pytest.raises(InputError) as caught:
        Benchmarks([str(tmp_path / "a.jsonl"), str(tmp_path / "none.csv")])
    assert len(caught.value.problems) == 2
