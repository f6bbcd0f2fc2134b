"""Great Expectations' own expectations in a contract: real columns, reasons, severities."""

import subprocess
import sys

import pandas as pd
import pytest
from contract_samples import make_patient, make_row, quality

from bbflow.contracts import load_contract
from bbflow.contracts.engine.runner import Table
from bbflow.contracts.integrations.gx_columns import by_frame
from bbflow.contracts.language.contract_tests import run_cases
from bbflow.contracts.language.explanation import describe_rule
from bbflow.errors import InputError

BETWEEN = "expect_column_values_to_be_between"
AGE = {"column": "patient.age", "min_value": 0, "max_value": 120}


def rows_of(*ages):
    return [make_row(example_id=f"row-{i}", patient=make_patient(age=age), hops=i) for i, age in enumerate(ages)]


def found(verdict):
    return [(result.verdict, result.evaluated, [(f.example_id, f.row, f.reason) for f in result.failures]) for result in verdict.results]


def test_a_failing_row_is_named_with_its_reason_and_refuses_by_severity(judge):
    failure = [("row-2", 2, "patient.age 130 is not between 0 and 120")]
    for severity, verdict in (("critical", "refuse"), ("warning", "quarantine"), ("info", "report")):
        judged = judge(rows_of(54, 0, 130, 120), quality(BETWEEN, "age", severity, AGE), maxQuarantineFraction=0.25)
        assert found(judged) == [(verdict, 4, failure)]
        assert judged.refused == (severity == "critical")
        assert [q.reason for q in judged.quarantine] == ([failure[0][2]] if severity == "warning" else [])


def test_it_runs_next_to_the_rules_of_bbflow_and_two_uses_of_it_are_kept_apart(judge):
    rules = [quality(BETWEEN, "wide", "info", AGE), quality("no_phi"), quality(BETWEEN, "narrow", "info", {**AGE, "max_value": 60})]
    same = quality(BETWEEN, "wide-again", "critical", dict(AGE))
    judged = judge(rows_of(54, 90), *rules, same)
    assert [(r.id, len(r.rows), r.error) for r in judged.results] == [
        ("wide", 0, ""),
        ("no_phi", 0, ""),
        ("narrow", 1, ""),
        ("wide-again", 0, ""),
    ]


def test_nulls_are_not_evaluated_and_a_rule_that_saw_none_but_nulls_refuses(judge):
    assert found(judge(rows_of(54, None), quality(BETWEEN, "age", kwargs=AGE))) == [("pass", 1, [])]
    judged = judge(rows_of(None, None), quality(BETWEEN, "age", kwargs=AGE))
    assert judged.results[0].error.startswith("applied to no row")
    nulls = judge(rows_of(54, None), quality("expect_column_values_to_not_be_null", "age", "info", {"column": "patient.age"}))
    assert found(nulls) == [("report", 2, [("row-1", 1, "patient.age is null")])]


def test_mostly_lets_the_data_pass_or_names_every_failing_row(judge):
    ages = rows_of(54, 54, 54, 130)
    assert found(judge(ages, quality(BETWEEN, "age", kwargs={**AGE, "mostly": 0.75}))) == [("pass", 4, [])]
    assert len(judge(ages, quality(BETWEEN, "age", kwargs={**AGE, "mostly": 0.8})).results[0].rows) == 1


def test_a_failure_of_the_whole_table_blames_no_row(judge):
    for severity, verdict in (("critical", "refuse"), ("warning", "refuse"), ("info", "report")):
        judged = judge(rows_of(54, 60), quality("expect_table_row_count_to_be_between", "count", severity, {"min_value": 3}))
        assert found(judged) == [(verdict, 2, [("the data set", None, "expected table row count to be between (min_value 3), found 2")])]
    mean = judge(rows_of(54, 60), quality("expect_column_mean_to_be_between", "mean", "info", {"column": "patient.age", "max_value": 50}))
    assert mean.results[0].failures[0].reason == "expected column mean to be between (column 'patient.age', max_value 50), found 57"


@pytest.mark.parametrize(
    ("rule", "kwargs", "reason"),
    [
        ("expect_column_values_to_match_regex", {"column": "patient.sex", "regex": "^m"}, "patient.sex 'female' does not match ^m"),
        ("expect_column_values_to_not_match_regex", {"column": "answer", "regex": "^aml"}, "answer 'amlodipine' matches ^aml"),
        ("expect_column_value_lengths_to_be_between", {"column": "answer", "max_value": 3}, "answer 'amlodipine' has a length that is not at most 3"),
        ("expect_column_values_to_be_in_set", {"column": "task", "value_set": ["a", "b"]}, "task 'treatment_choice' is none of 'a', 'b'"),
        ("expect_column_values_to_be_unique", {"column": "patient.sex"}, "patient.sex 'female' occurs more than once"),
        ("expect_column_pair_values_to_be_equal", {"column_A": "hops", "column_B": "patient.age"}, "hops 0, patient.age 54 differ"),
        ("expect_multicolumn_sum_to_equal", {"column_list": ["hops", "patient.age"], "sum_total": 3}, "hops 0, patient.age 54 fails: multicolumn sum to equal (column_list 'hops', 'patient.age', sum_total 3)"),
        ("expect_column_values_to_match_regex", {"column": "messages", "regex": "assistant"}, "does not match assistant"),
        ("expect_column_values_to_match_regex", {"column": "patient.conditions", "regex": "gout"}, "does not match gout"),
    ],
)  # fmt: skip
def test_reasons(judge, rule, kwargs, reason):
    failures = judge(rows_of(54, 60), quality(rule, "r", "info", kwargs)).results[0].failures
    assert failures[0].row == 0
    assert failures[0].reason.endswith(reason), failures[0].reason


def test_lists_and_objects_are_json_text_and_the_table_keeps_its_own_columns(write_contract):
    rules = [
        quality("expect_column_values_to_match_regex", "text", kwargs={"column": "messages", "regex": "."}),
        quality(BETWEEN, "age", kwargs=AGE),
        quality("expect_table_column_count_to_equal", "count", kwargs={"value": 2}),
    ]
    rows = [{"messages": [{"role": "user"}], "patient": {"age": 54}}, {"messages": None, "patient": None}]
    (_, values), (_, table) = by_frame(load_contract(write_contract(*rules)).rules, Table(rows))
    assert values["messages"][0] == '[{"role": "user"}]'
    assert values["patient.age"][0] == 54
    assert values.isna().to_numpy().tolist() == [[False, False], [True, True]]
    assert list(table.columns) == ["messages", "patient"]


def test_the_columns_of_the_table_are_those_of_the_data(judge):
    rows = [{"example_id": "a", "task": "x"}, {"example_id": "b", "task": "y"}]
    kwargs = {"column_set": ["example_id", "task"]}
    for data in (rows, pd.DataFrame(rows)):
        assert not judge(data, quality("expect_table_columns_to_match_set", "columns", kwargs=kwargs)).refused
    assert judge(rows, quality("expect_column_to_exist", "there", kwargs={"column": "answer"})).refused


def test_a_crash_refuses_with_its_reason_and_leaves_the_others_alone(judge):
    text = quality(BETWEEN, "text", "info", {"column": "task", "min_value": 0})
    judged = judge(rows_of(54), text, quality(BETWEEN, "age", "info", AGE), quality("no_phi"))
    assert judged.refused
    assert judged.results[0].error.startswith("the rule crashed: ")
    assert [r.error for r in judged.results[1:]] == ["", ""]


def test_arguments_that_great_expectations_refuses_together_are_an_error_with_a_place(judge):
    with pytest.raises(InputError, match=r"yaml:\d+:\d+: Great Expectations refuses the arguments of rule 'age': min_value and max_value"):
        judge(rows_of(54), quality(BETWEEN, "age", kwargs={"column": "patient.age"}))


def test_a_column_that_the_data_lack_is_an_error_with_a_place(judge):
    with pytest.raises(InputError, match="the data lack column 'tsk', which rule 'task' reads"):
        judge(rows_of(54), quality("expect_column_values_to_not_be_null", "task", kwargs={"column": "tsk"}))


def test_accept_and_reject_rows_test_an_expectation(write_contract, graph):
    cases = {"accept": [{"patient": {"age": 54}}], "reject": [{"patient": {"age": 130}}, {"patient": {"age": 5}}]}
    contract = load_contract(write_contract(quality(BETWEEN, "age", kwargs=AGE, **cases), testRow=make_row()))
    assert [(r.kind, r.passed, r.said) for r in run_cases(contract, graph)] == [
        ("accept", True, ""), ("reject", True, "patient.age 130 is not between 0 and 120"), ("reject", False, "the rule finds nothing"),
    ]  # fmt: skip
    assert describe_rule(contract.rules[0]).startswith("age: Great Expectations: column values to be between. (column is patient.age;")


def test_reading_a_contract_that_names_one_loads_no_great_expectations(write_contract):
    path = write_contract(quality(BETWEEN, "age", kwargs=AGE))
    code = (
        f"import sys; from bbflow.contracts import load_contract; load_contract({str(path)!r}); print('great_expectations' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
