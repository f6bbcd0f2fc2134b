"""Rules run the same in pieces, in one process and in several; a process that fails refuses."""

import datetime

import numpy as np
import pandas as pd
import pytest
from contract_samples import make_row, quality, recommend

from bbflow.contracts import load_contract, row_rule, validate
from bbflow.contracts.engine import runner as evaluation_module
from bbflow.contracts.engine.process_worker import RuleWorker
from bbflow.contracts.engine.rule import RULES
from bbflow.contracts.engine.runner import CHUNK, Table, evaluate
from bbflow.contracts.integrations import great_expectations

NAMES = ("no_contraindicated_drug", "text_no_contraindicated_drug", "no_phi", "no_duplicates", "workflow_in_order")


def rows_of(count):
    rows = [make_row(example_id=f"row-{i:06d}", messages=[{"role": "user", "content": f"Question {i}?"}]) for i in range(count)]
    rows[3] = {**rows[3], "recommended": [recommend("propranolol")], "seen": datetime.date(2020, 1, 1)}
    rows[count - 1] = {**rows[count - 1], "response": "Call 555-123-4567.", "recommended": None, "messages": rows[0]["messages"]}
    return rows


@pytest.fixture(scope="module")
def outcomes(graph):
    table = Table(rows_of(2 * CHUNK + 7))
    calls = [(RULES[name], {}) for name in NAMES]
    return {workers: evaluate(calls, table, graph, workers) for workers in (1, 2)}


def test_processes_find_what_one_finds(outcomes):
    assert outcomes[1] == outcomes[2]


def test_pieces_find_what_the_whole_shows(outcomes, graph):
    found = dict(zip(NAMES, outcomes[1], strict=True))
    assert {name: [f.row for f in outcome.findings] for name, outcome in found.items()} == {
        "no_contraindicated_drug": [3, 2 * CHUNK + 6], "text_no_contraindicated_drug": [], "no_phi": [2 * CHUNK + 6],
        "no_duplicates": [2 * CHUNK + 6], "workflow_in_order": [],
    }  # fmt: skip
    assert found["no_phi"].evaluated == 2 * CHUNK + 7
    assert found["no_contraindicated_drug"].findings[0].edges == (("drug:propranolol", "contraindicated_in", "mondo:asthma"),)


def test_a_process_that_ends_too_early_refuses(write_contract, graph, monkeypatch):
    receive = RuleWorker.receive

    def killed(self):
        self.process.kill()
        return receive(self)

    monkeypatch.setattr(RuleWorker, "receive", killed)
    contract = load_contract(write_contract(quality("no_phi", severity="info"), quality("no_duplicates", severity="info")))
    verdict = validate(contract, rows_of(20), graph, workers=2)
    assert verdict.refused
    errors = {r.id: r.error for r in verdict.results}
    assert errors["no_phi"].startswith("a process that ran the rule failed: ")
    assert errors["no_duplicates"] == ""


def test_a_rule_that_crashes_in_a_process_refuses(write_contract, graph, tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    contract = load_contract(write_contract(quality("no_benchmark_contamination", kwargs={"benchmarks": {"none": "empty.jsonl"}})))
    errors = [validate(contract, rows_of(20), graph, workers=n).results[0].error for n in (1, 2)]
    assert errors[0].startswith("the rule crashed: ValueError: benchmark 'none'")
    assert errors[0] == errors[1]


def test_rules_that_only_this_process_knows_stay_in_it(graph, register, monkeypatch):
    @row_rule("response")
    def polite(row, graph):
        if "please" not in row.text("response"):
            yield "rude"

    monkeypatch.setattr(evaluation_module, "start_workers", lambda count: pytest.fail("started"))
    rows = rows_of(20)
    assert len(evaluate([(RULES["polite"], {})], Table(rows), graph, 2)[0].findings) == 20


def test_where_no_process_can_be_started_the_rows_are_judged_here(graph, monkeypatch):
    monkeypatch.setattr(
        "bbflow.contracts.engine.process_worker.RuleWorker.__init__", lambda self: (_ for _ in ()).throw(OSError("no more processes"))
    )
    outcome = evaluate([(RULES["no_phi"], {})], Table(rows_of(20)), graph, 2)[0]
    assert [f.row for f in outcome.findings] == [19]


def test_a_row_without_columns_is_still_a_row(graph):
    assert len(evaluate([(RULES["no_phi"], {})], Table([{}, {}, {}]), graph, 1)[0].findings) == 3


def test_rows_read_the_same_whatever_they_come_as():
    rows = [{"a": 1, "b": ["x"]}, {"a": float("nan"), "b": None}]
    for data in (rows, pd.DataFrame(rows), pd.DataFrame([{**row, "b": row["b"] and np.array(row["b"], dtype=object)} for row in rows])):
        assert Table(data).cells(0, 9) == [{"a": 1, "b": ["x"]}, {"a": None, "b": None}]
    assert Table([{"a": 1}, {"b": 2}]).cells(0, 2) == [{"a": 1, "b": None}, {"a": None, "b": 2}]


def test_great_expectations_looks_at_the_rows_that_it_was_lent(write_contract, graph, monkeypatch):
    contract = load_contract(write_contract(quality("no_phi", severity="info")))
    batch = great_expectations._batch
    monkeypatch.setattr(great_expectations, "_batch", lambda ids: batch(ids[:-1]))
    verdict = validate(contract, rows_of(20), graph, workers=1)
    assert verdict.refused
    assert verdict.results[0].error
