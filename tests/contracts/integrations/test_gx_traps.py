"""Where Great Expectations lets bad data through by itself; each trap is closed, and refuses."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import great_expectations as gx
import numpy as np
import pandas as pd
from contract_samples import make_patient, make_row, quality, recommend

from bbflow.contracts import Row, load_contract, row_rule, table_rule, validate
from bbflow.contracts.integrations import great_expectations

UNSAFE = make_row(example_id="unsafe-row", recommended=[recommend("propranolol")])


def result(verdict, rule_id):
    return next(r for r in verdict.results if r.id == rule_id)


def test_trap_1_unknown_expectation_types_are_not_dropped(write_contract, graph, monkeypatch):
    contract = load_contract(write_contract(quality("no_contraindicated_drug"), quality("no_phi")))
    assert len(gx.ExpectationSuite("s", expectations=[{"type": "expect_nothing_known", "kwargs": {}}]).expectations) == 0  # the trap
    monkeypatch.setattr(
        great_expectations, "suite_of", lambda rules, run: gx.ExpectationSuite("s", expectations=[{"type": "expect_nope", "kwargs": {}}])
    )
    verdict = validate(contract, [make_row()], graph)
    assert verdict.refused
    assert [r.error for r in verdict.results] == ["Great Expectations gave 0 results, not one"] * 2


def test_trap_1_as_many_results_come_back_as_there_are_rules(judge):
    verdict = judge(
        [make_row()], quality("no_contraindicated_drug"), quality("no_phi"), columns=[{"name": "task", "logicalType": "string"}]
    )
    assert [r.id for r in verdict.results] == ["declared columns", "no_contraindicated_drug", "no_phi"]
    assert not verdict.refused


def test_trap_2_zero_rows_refuse(judge):
    for nothing in ([], pd.DataFrame()):
        verdict = judge(nothing, quality("no_phi"))
        assert verdict.refused
        assert "the data hold no row" in verdict.refusals


def test_trap_2_a_rule_that_applies_to_no_row_refuses(judge):
    nobody = make_row(recommended=[], patient=None)
    verdict = judge([nobody], quality("no_contraindicated_drug", severity="info"), quality("no_phi"))
    assert verdict.refused
    assert result(verdict, "no_contraindicated_drug").evaluated == 0
    assert not judge([nobody], quality("no_contraindicated_drug", onEmpty="pass"), quality("no_phi")).refused


def test_trap_3_numpy_arrays_count_as_lists(judge):
    cells = {k: np.array(v, dtype=object) if isinstance(v, list) else v for k, v in UNSAFE.items()}
    cells["patient"] = {k: np.array(v, dtype=object) if isinstance(v, list) else v for k, v in UNSAFE["patient"].items()}
    frame = pd.DataFrame([cells])
    assert isinstance(frame["recommended"][0], np.ndarray)
    assert result(judge(frame, quality("no_contraindicated_drug")), "no_contraindicated_drug").rows == {0}


def test_trap_3_a_malformed_cell_is_a_failing_row(judge):
    for cell in ("drug:amlodipine", 5, [None], [["drug:amlodipine"]], [{"drug": 5}]):
        verdict = judge([make_row(), make_row(example_id="b" * 16, recommended=cell)], quality("no_contraindicated_drug"))
        assert result(verdict, "no_contraindicated_drug").rows == {1}
        assert verdict.refused


def test_trap_4_a_crashed_rule_refuses_whatever_its_severity(judge, register):
    @row_rule("response")
    def crashes(row, graph):
        raise ZeroDivisionError("by accident")

    verdict = judge([make_row()], quality("crashes", severity="info"), quality("no_phi"))
    assert verdict.refused
    assert result(verdict, "crashes").error == "the rule crashed: ZeroDivisionError: by accident"
    assert [r.verdict for r in verdict.results] == ["refuse", "pass"]


def test_trap_4_a_finding_about_a_row_that_is_not_there_is_a_crash(judge, register):
    @table_rule("response")
    def beyond(rows, graph):
        yield Row(99, {}).finding("nowhere")

    assert "IndexError" in result(judge([make_row()], quality("beyond")), "beyond").error


def test_trap_4_when_great_expectations_itself_crashes_everything_is_refused(judge, monkeypatch):
    def broken(frame):
        raise RuntimeError("no engine")

    monkeypatch.setattr(great_expectations, "_batch", broken)
    verdict = judge([make_row()], quality("no_phi", severity="info"))
    assert verdict.refused
    assert "no engine" in verdict.results[0].error


def test_trap_5_results_are_matched_by_rule_id_in_any_order(write_contract, graph, monkeypatch):
    rules = [quality("no_phi", "phi"), quality("no_contraindicated_drug", "drug"), quality("response_not_empty", "length")]
    contract = load_contract(write_contract(*rules))
    read = great_expectations.read_results
    for order in (slice(None), slice(None, None, -1)):
        monkeypatch.setattr(
            great_expectations, "read_results", lambda rules, results, rows, order=order: read(rules, list(results)[order], rows)
        )
        verdict = validate(contract, [UNSAFE], graph)
        assert [(r.id, len(r.rows)) for r in verdict.results] == [("phi", 0), ("drug", 1), ("length", 0)]


def test_trap_5_a_doubled_missing_or_foreign_result_refuses(write_contract, graph, monkeypatch):
    contract = load_contract(write_contract(quality("no_phi")))
    read = great_expectations.read_results
    foreign = SimpleNamespace(expectation_config=SimpleNamespace(meta={"rule_id": "other"}))
    for change in (lambda r: [*r, *r], lambda r: [], lambda r: [*r, foreign]):
        monkeypatch.setattr(
            great_expectations, "read_results", lambda rules, results, rows, change=change: read(rules, change(results), rows)
        )
        assert validate(contract, [make_row()], graph).refused


def test_trap_6_null_cells_are_failing_rows(judge):
    rows = [make_row(), make_row(example_id="b" * 16, recommended=None), make_row(example_id="c" * 16, recommended=float("nan"))]
    found = result(judge(rows, quality("no_contraindicated_drug")), "no_contraindicated_drug")
    assert (found.evaluated, found.rows) == (3, {1, 2})
    assert result(judge(pd.DataFrame(rows), quality("no_contraindicated_drug")), "no_contraindicated_drug").rows == {1, 2}


def test_trap_7_arguments_reach_the_rule_and_keep_two_uses_of_it_apart(judge):
    row = make_row(response="one two three. Answer: amlodipine")
    verdict = judge([row], quality("response_not_empty", "short", kwargs={"max_words": 2}), quality("response_not_empty", "long"))
    assert [len(r.rows) for r in verdict.results] == [1, 0]


def test_trap_7_the_graph_that_was_given_is_the_one_that_is_asked(write_contract, graph):
    from contract_samples import make_graph

    contract = load_contract(write_contract(quality("no_contraindicated_drug")))
    assert validate(contract, [UNSAFE], graph).refused
    other = make_graph("other")
    other._edges = {k: v for k, v in other._edges.items() if k[1] != "contraindicated_in"}
    assert not validate(contract, [UNSAFE], other).refused
    assert validate(contract, [UNSAFE], graph).refused
    assert great_expectations._RUNNING == {}


def test_trap_8_the_reason_is_kept_beside_the_row(judge):
    row = make_row(example_id="two-reasons", recommended=[recommend("propranolol"), recommend("lisinopril")])
    failures = judge([make_row(), row], quality("no_contraindicated_drug")).results[0].failures
    assert [(f.example_id, f.row, f.reason) for f in failures] == [
        ("two-reasons", 1, "propranolol contraindicated_in asthma"),
        ("two-reasons", 1, "lisinopril contraindicated_in pregnancy"),
    ]


def test_rules_are_expectations_of_their_own_name(write_contract, graph):
    contract = load_contract(write_contract(quality("no_phi", severity="warning"), quality("no_contraindicated_drug")))
    suite = great_expectations.suite_of(contract.rules, "a run")
    assert [e.expectation_type for e in suite.expectations] == ["expect_no_phi", "expect_no_contraindicated_drug"]
    assert [e.severity for e in suite.expectations] == ["warning", "critical"]


def test_rows_without_a_usable_id_are_still_told_apart(judge):
    unsafe = {"recommended": [recommend("propranolol")]}
    rows = [make_row(example_id=None, **unsafe), make_row(), make_row(**unsafe), make_row(example_id=3, patient=make_patient())]
    failures = judge(rows, quality("no_contraindicated_drug")).results[0].failures
    assert [(f.example_id, f.row) for f in failures] == [("row 1", 0), ("0123456789abcdef", 2)]


def test_validations_of_one_graph_in_two_threads_keep_apart(write_contract, graph):
    contract = load_contract(write_contract(quality("no_contraindicated_drug"), quality("no_phi")))
    good = [make_row(example_id=f"good-{i}") for i in range(40)]
    bad = [*good[:-1], {**UNSAFE, "example_id": "bad-row"}]
    tables = [good, bad] * 8
    with ThreadPoolExecutor(2) as threads:
        verdicts = list(threads.map(lambda rows: validate(contract, rows, graph, workers=1), tables))
    assert [[f.example_id for f in verdict.results[0].failures] for verdict in verdicts] == [[], ["bad-row"]] * 8
    assert [verdict.results[1].error for verdict in verdicts] == [""] * 16
    assert great_expectations._RUNNING == {}
