"""Files of examples: what goes in comes out, byte for byte the same every time, and broken files are named with their row."""

import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbflow.data.example_io import arrow_schema, located_rows, read_examples, read_rows, write_examples, write_quarantine
from bbflow.errors import InputError
from bbflow.records import Example, Message

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
TEXTS = st.lists(TEXT, max_size=3)
PATIENTS = st.fixed_dictionaries(
    {
        "age": st.none() | st.integers(0, 120), "sex": st.none() | TEXT, "pregnant": st.none() | st.booleans(),
        "conditions": TEXTS, "medications": TEXTS, "allergies": TEXTS, "egfr": st.none() | st.floats(0, 200),
    }
)  # fmt: skip
NUMBERS = st.none() | st.floats(0, 9)
RECOMMENDATIONS = st.fixed_dictionaries({"drug": TEXT, "dose": NUMBERS, "unit": st.none() | TEXT, "per_day": NUMBERS, "route": st.none()})
EXAMPLES = st.builds(
    Example,
    example_id=TEXT, task=TEXT, capabilities=TEXTS, response=TEXT, answer=TEXT, cluster=TEXT, entities=TEXTS, accepted=TEXTS,
    messages=st.lists(st.builds(lambda c: Message(role="user", content=c), TEXT), min_size=1, max_size=2),
    options=st.none() | TEXTS, patient=st.none() | PATIENTS, edges=st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=2),
    constraints=st.lists(st.fixed_dictionaries({"type": TEXT, "kwargs": st.dictionaries(TEXT, st.integers(), max_size=2)}), max_size=2),
    recommended=st.lists(RECOMMENDATIONS, max_size=2),
    split=st.sampled_from(["train", "validation", "test"]),
)  # fmt: skip


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
@given(examples=st.lists(EXAMPLES, max_size=3))
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory, suffix, examples):
    path = tmp_path_factory.mktemp("files") / f"x.{suffix}"
    write_examples(path, examples)
    assert read_examples(path) == examples


def make(n=0, **changes):
    return Example(f"id-{n}", "task", ["domain"], [Message(role="user", content=f"q{n}?\u2028more")], "r", "a", **changes)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_the_same_examples_give_the_same_bytes(tmp_path, suffix):
    for name in ("a", "b"):
        write_examples(tmp_path / f"{name}.{suffix}", [make(0), make(1, options=["x", "y"])])
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a.{suffix}", f"b.{suffix}"]


def test_a_column_of_nulls_keeps_its_type(tmp_path):
    write_examples(tmp_path / "x.parquet", [make()])
    write_examples(tmp_path / "empty.parquet", [])
    assert pq.read_schema(tmp_path / "x.parquet").equals(arrow_schema())
    assert pq.read_schema(tmp_path / "empty.parquet").equals(arrow_schema())
    assert arrow_schema().names == list(make().to_row())


def test_a_folder_is_its_splits_in_order(tmp_path):
    write_examples(tmp_path / "test.jsonl", [make(2, split="test")])
    write_examples(tmp_path / "train.parquet", [make(1)])
    (tmp_path / "notes.txt").write_text("ignored")
    assert [e.example_id for e in read_examples(tmp_path)] == ["id-1", "id-2"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", b'{"a": 1\n', r"x.jsonl:1: not valid JSON"),
        ("x.jsonl", b"\n[1]\n", r"x.jsonl:2: a line must be a JSON object"),
        ("x.jsonl", b"\xff", r"x.jsonl: cannot be read as UTF-8"),
        ("x.jsonl", b'{"example_id": "a"}\n', r"x.jsonl:1: the example lacks 'task'"),
        ("x.parquet", b"no parquet", r"x.parquet: cannot be read as Parquet"),
        ("x.csv", b"a,b", r"x.csv: no such file, or not of a kind"),
    ],
)
def test_broken_files_are_named_with_their_row(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_examples(tmp_path / name)


def test_all_broken_rows_are_told_up_to_a_limit(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({**make(i).to_row(), "split": "dev"}) + "\n" for i in range(30)))
    with pytest.raises(InputError) as error:
        read_examples(path)
    assert len(error.value.problems) == 21
    assert len(read_rows(path)) == 30


def test_missing_files_and_empty_folders(tmp_path):
    for path in (tmp_path / "x.parquet", tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=r"no such file|holds no train"):
            read_examples(path)


def test_what_does_not_fit_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.parquet"
    write_examples(path, [make()])
    before = path.read_bytes()
    with pytest.raises(InputError, match="does not fit"):
        write_examples(path, [make(hops="two")])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.parquet"]


def test_the_quarantine_keeps_row_rule_and_reason(tmp_path):
    from types import SimpleNamespace

    from bbflow.contracts import Quarantined

    verdict = SimpleNamespace(quarantine=(Quarantined("id-1", 1, "length", "too long"),))
    write_quarantine(tmp_path / "quarantine.parquet", [make(0), make(1)], verdict)
    assert [(r["example_id"], r["rule"], r["reason"]) for r in read_rows(tmp_path / "quarantine.parquet")] == [
        ("id-1", "length", "too long")
    ]


def test_every_broken_line_is_told_and_a_byte_order_mark_is_none(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n{broken\n[]\n\n{"a": 2}\n')
    with pytest.raises(InputError) as error:
        located_rows(path)
    assert [p.where for p in error.value.problems] == [f"{path}:2", f"{path}:3"]
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n\n{"a": 2}\n')
    assert located_rows(path) == [(f"{path}:1", {"a": 1}), (f"{path}:3", {"a": 2})]


@pytest.mark.parametrize("change", [{"messages": []}, {"cluster": 5}, {"provenance": "x"}, {"provenance": {"graph": "x"}}])
def test_fields_of_the_wrong_shape_are_named(tmp_path, change):
    row = {
        "example_id": "i",
        "task": "t",
        "capabilities": [],
        "messages": [{"role": "user", "content": "?"}],
        "response": "r",
        "answer": "a",
    }
    (tmp_path / "x.jsonl").write_text(json.dumps(row | change))
    with pytest.raises(InputError, match=f"x.jsonl:1: malformed example: '{next(iter(change))}'"):
        read_examples(tmp_path / "x.jsonl")
