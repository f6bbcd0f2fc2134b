"""What severity does: critical refuses, warning quarantines up to the fraction, info reports."""

import json

import jsonschema
import pandas as pd
import pytest
from contract_samples import make_row, quality, recommend

from bbflow.contracts import load_contract, validate, verdict_schema
from bbflow.errors import InputError, Refused
from bbflow.records import Example
from bbflow.reporting.pages.contract_page import write_contract_report

LONG = "word " * 20 + "Answer: amlodipine"


def rows(*bad, n=10, **change):
    """`n` right rows; those at the positions in `bad` are changed."""
    made = []
    for i in range(n):
        messages = [{"role": "user", "content": f"Question {i}?"}]
        made.append(make_row(example_id=f"example-{i}", messages=messages, **(change if i in bad else {})))
    return made


def length(severity, **custom):
    return quality("response_not_empty", "length", severity, {"max_words": 15}, **custom)


def test_critical_refuses_the_data(judge):
    data = rows(3, response=LONG)
    verdict = judge(data, length("critical"), maxQuarantineFraction=1.0)
    assert verdict.refused
    assert verdict.accepted == ()
    assert verdict.refusals == ("length: 1 of 10 rows fail, first example-3: the response has 22 words, more than 15",)
    with pytest.raises(Refused, match="example-3"):
        verdict.keep(data)


def test_warning_quarantines_up_to_the_fraction(judge):
    data = rows(3, 7, response=LONG)
    verdict = judge(data, length("warning"), maxQuarantineFraction=0.2)
    assert not verdict.refused
    assert verdict.accepted == tuple(f"example-{i}" for i in range(10) if i not in (3, 7))
    assert [row["example_id"] for row in verdict.keep(data)] == list(verdict.accepted)
    assert [(q.example_id, q.row, q.rule) for q in verdict.quarantine] == [("example-3", 3, "length"), ("example-7", 7, "length")]


def test_more_than_the_fraction_refuses(judge):
    verdict = judge(rows(3, 7, response=LONG), length("warning"), maxQuarantineFraction=0.19)
    assert verdict.refused
    assert verdict.refusals == ("2 of 10 rows would be quarantined, more than the contract's maxQuarantineFraction of 0.19",)
    assert judge(rows(3, response=LONG), length("warning")).refused  # no fraction stated: none may


@pytest.mark.parametrize(("bad", "n", "fraction"), [(29, 100, 0.29), (7, 100, 0.07), (1, 3, 0.3334)])
def test_exactly_the_fraction_is_not_more_than_it(judge, bad, n, fraction):
    assert not judge(rows(*range(bad), n=n, response=LONG), length("warning"), maxQuarantineFraction=fraction).refused
    assert judge(rows(*range(bad + 1), n=n, response=LONG), length("warning"), maxQuarantineFraction=fraction).refused


def test_a_row_that_fails_two_rules_counts_once_in_the_fraction(judge):
    verdict = judge(
        rows(3, response=LONG),
        length("warning"),
        quality("response_not_empty", "again", "warning", {"max_words": 9}),
        maxQuarantineFraction=0.1,
    )
    assert not verdict.refused
    assert [q.rule for q in verdict.quarantine] == ["length", "again"]


def test_info_reports_and_keeps(judge):
    verdict = judge(rows(3, response=LONG), length("info"))
    assert not verdict.refused
    assert len(verdict.accepted) == 10
    assert (verdict.results[0].verdict, verdict.results[0].rows) == ("report", {3})


def test_on_failure_changes_what_follows(judge):
    data = rows(3, response=LONG)
    assert not judge(data, length("critical", onFailure="quarantine"), maxQuarantineFraction=0.1).refused
    assert judge(data, length("warning", onFailure="refuse"), maxQuarantineFraction=0.1).refused


def test_ids_that_stand_twice_are_quarantined_by_row(judge):
    data = [make_row(), make_row(response=LONG)]
    assert judge(data, length("warning"), maxQuarantineFraction=0.5).keep(data) == data[:1]


def test_examples_rows_and_frames_get_the_same_verdict(write_contract, graph):
    contract = load_contract(
        write_contract(length("warning"), quality("no_contraindicated_drug"), quality("edges_in_graph"), maxQuarantineFraction=0.5)
    )
    data = rows(2, response=LONG) + rows(0, n=1, recommended=[recommend("propranolol")])
    examples = [Example.from_row(row) for row in data]
    verdicts = [validate(contract, each, graph).to_json() for each in (data, examples, pd.DataFrame(data), [e.to_row() for e in examples])]
    assert all(verdict == verdicts[0] for verdict in verdicts)
    assert verdicts[0]["rules"][1]["failing"] == 1


def test_nan_in_an_optional_column_is_null(judge):
    frame = pd.DataFrame([make_row(), make_row(example_id="b" * 16, options=float("nan"))])
    verdict = judge(frame, quality("answer_among_options"), columns=[{"name": "options", "logicalType": "array"}])
    assert not verdict.refused
    assert [r.evaluated for r in verdict.results] == [2, 1]


def test_a_missing_column_is_an_input_error_with_the_rules_place(write_contract, graph):
    path = write_contract(quality("no_phi"), columns=[{"name": "respons", "logicalType": "string"}])
    data = [{k: v for k, v in make_row().items() if k != "messages"}]
    with pytest.raises(InputError) as error:
        validate(load_contract(path), data, graph)
    assert [p.what for p in error.value.problems] == [
        "the data lack column 'respons'",
        "the data lack column 'messages', which rule 'no_phi' reads",
    ]
    assert error.value.problems[0].hint == "did you mean 'response'?"
    assert error.value.problems[1].where.startswith(f"{path}:")


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ({"logicalType": "string", "required": True}, None, "'x' is null"),
        ({"logicalType": "string"}, None, None),
        ({"logicalType": "string"}, 5, "'x' is of type int, not string"),
        ({"logicalType": "integer"}, 5.0, None),
        ({"logicalType": "integer"}, 5.5, "'x' is of type float, not integer"),
        ({"logicalType": "integer"}, True, "'x' is of type bool, not integer"),
        ({"logicalType": "boolean"}, True, None),
        ({"logicalType": "number", "logicalTypeOptions": {"minimum": 0, "maximum": 9}}, 10, "'x' breaks maximum 9"),
        ({"logicalType": "string", "logicalTypeOptions": {"minLength": 3}}, "ab", "'x' breaks minLength 3"),
        ({"logicalType": "array", "logicalTypeOptions": {"minItems": 1}}, [], "'x' breaks minItems 1"),
        ({"logicalType": "array", "items": {"logicalType": "string"}}, ["a", None], "'x[1]' is null"),
        (
            {"logicalType": "array", "items": {"logicalType": "array", "items": {"logicalType": "string"}}},
            [["a", 1]],
            "'x[0][1]' is of type int, not string",
        ),
        ({"logicalType": "object", "properties": [{"name": "y", "logicalType": "string", "required": True}]}, {"z": 1}, "'x.y' is null"),
    ],
)
def test_declared_columns_are_checked(judge, column, cell, reason):
    verdict = judge([{**make_row(), "x": cell}], quality("no_phi"), columns=[{"name": "x", **column}])
    assert [f.reason for f in verdict.results[0].failures] == ([reason] if reason else [])
    assert verdict.refused == bool(reason)


def test_unique_columns(judge):
    verdict = judge(rows(n=2), quality("no_phi"), columns=[{"name": "answer", "logicalType": "string", "unique": True}])
    assert [f.reason for f in verdict.results[0].failures] == ["'answer' has the same value as row 1"]


def test_the_report_follows_its_schema_and_names_every_failing_example(judge, tmp_path):
    data = rows(*range(120), n=120, response=LONG)
    data[5]["example_id"] = "<script>alert(1)</script>"
    verdict = judge(data, length("warning"), quality("no_phi"), maxQuarantineFraction=1.0)
    write_contract_report(tmp_path / "out", verdict)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    jsonschema.validate(report, verdict_schema())
    assert [f["example_id"] for f in report["rules"][0]["failures"]] == [row["example_id"] for row in data]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in page
    assert "http" not in page
    assert "and 20 more in report.json" in page
    assert "no medical advice" in page


def test_a_refused_report_follows_its_schema_too(judge):
    verdict = judge([], quality("no_phi"))
    jsonschema.validate(verdict.to_json(), verdict_schema())
    assert verdict.to_json()["refused"] is True
