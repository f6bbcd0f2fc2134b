# ruff: noqa: RUF043
"""Contracts that extend one another, the tests that they carry, and the commands around them."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from contract_samples import contract_data, make_graph, make_row, quality, recommend

from bbflow.cli.commands import contracts as command
from bbflow.contracts import RULES, check_receipt, load_contract, mask, validate, write_receipt
from bbflow.contracts.language.column_mapping import graph_rows, map_rows, mapping_of, read_csv
from bbflow.contracts.language.contract_tests import run_cases
from bbflow.errors import InputError, Refused
from bbflow.graph import ClinicalPack
from bbflow.graph.readers import node_link
from bbflow.reporting.pages.contract_page import write_contract_report

SHIPPED = sorted((Path(__file__).parents[3] / "data_contracts").glob("*.yaml"))


@pytest.fixture(scope="module")
def pack():
    return ClinicalPack().load()


@pytest.fixture
def graph_file(tmp_path):
    path = tmp_path / "graph.json"
    node_link.write(make_graph(), path)
    return str(path)


def child(folder, *rules, parent="test.odcs.yaml", name="child.odcs.yaml", **more):
    data = contract_data(*rules, extends=parent, **more)
    (folder / name).write_text(yaml.safe_dump(data, sort_keys=False))
    return folder / name


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
def test_every_case_of_every_shipped_contract_comes_out_right(path, pack):
    wrong = [r for r in run_cases(load_contract(path), pack) if not r.passed]
    assert wrong == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
def test_every_rule_of_every_shipped_contract_carries_three_cases_of_each_kind(path):
    few = {rule.id for rule in load_contract(path).rules if min(len(rule.accept), len(rule.reject)) < 3}
    assert few == set()


def test_the_shipped_contracts_use_every_rule():
    assert {rule.rule.name for path in SHIPPED for rule in load_contract(path).rules} == RULES.keys()


def test_a_child_inherits_changes_and_switches_off(tmp_path, write_contract):
    write_contract(quality("no_phi"), quality("response_not_empty", "length", kwargs={"max_words": 9}), maxQuarantineFraction=0.2)
    path = child(
        tmp_path,
        {"id": "length", "severity": "warning"},
        {"id": "no_phi", "customProperties": [{"property": "disabled", "value": "no texts"}]},
    )
    contract = load_contract(path)
    assert [(r.id, r.severity, dict(r.kwargs)) for r in contract.rules] == [("length", "warning", {"max_words": 9})]
    assert contract.disabled == (("no_phi", "no texts"),)
    assert contract.max_quarantine_fraction == 0.2


@pytest.mark.parametrize(
    ("rules", "more", "message"),
    [
        ([{"id": "lenght", "severity": "warning"}], {}, "no inherited rule has the id 'lenght'.*did you mean 'length'"),
        (
            [],
            {"parent": "tset.odcs.yaml"},
            r"child.odcs.yaml:\d+:\d+: there is no contract 'tset.odcs.yaml' to extend.*did you mean 'test.odcs.yaml'",
        ),
        ([], {"parent": "child.odcs.yaml"}, "extends itself"),
    ],
)
def test_mistakes_in_extending(tmp_path, write_contract, rules, more, message):
    write_contract(quality("response_not_empty", "length"))
    with pytest.raises(InputError, match=message):
        load_contract(child(tmp_path, *rules, **more))


def test_a_partial_entry_needs_a_contract_to_extend(write_contract):
    with pytest.raises(InputError, match="lacks 'severity'"):
        load_contract(write_contract({"id": "length"}))


def test_one_byte_of_an_extended_contract_makes_the_receipt_stale(tmp_path, write_contract, graph):
    parent = write_contract(quality("no_phi"))
    path = child(tmp_path, quality("entities_in_graph"))
    data = tmp_path / "train.jsonl"
    data.write_text("{}")
    write_receipt(tmp_path / "receipt.json", validate(load_contract(path), [make_row()], graph), [data], graph)
    assert check_receipt(tmp_path / "receipt.json", path, [data], graph) == []
    parent.write_text(parent.read_text() + "\n")
    assert check_receipt(tmp_path / "receipt.json", path, [data], graph) == ["the contract changed: test.odcs.yaml"]


def test_a_missing_benchmark_file_has_its_place(write_contract):
    path = write_contract(quality("no_benchmark_contamination", kwargs={"benchmarks": {"mmlu": "none.jsonl"}}))
    with pytest.raises(InputError, match=r"test.odcs.yaml:\d+:\d+: there is no file 'none.jsonl'"):
        load_contract(path)


def test_a_case_that_comes_out_wrong_or_applies_to_nothing_fails(write_contract, graph_file, capsys):
    row = make_row()
    good = quality("no_contraindicated_drug", accept=[{}], reject=[{"recommended": [recommend("Inderal")]}])
    command.test(str(write_contract(good, testRow=row)), graph_file)
    for bad in ({"accept": [{"recommended": [recommend("Inderal")]}]}, {"reject": [{}]}, {"accept": [{"recommended": []}]}):
        with pytest.raises(Refused, match="1 of 1 tests"):
            command.test(str(write_contract(quality("no_contraindicated_drug", **bad), testRow=row)), graph_file)
    assert "the rule does not apply to the row" in capsys.readouterr().out
    with pytest.raises(Refused, match="carries no test"):
        command.test(str(write_contract(quality("no_phi"))), graph_file)


def test_a_finding_on_the_data_set_as_a_whole_refuses_even_as_a_warning(judge):
    rows = [make_row(example_id=f"e{i}", capabilities=["domain"]) for i in range(9)]
    verdict = judge(
        rows, quality("balanced_capabilities", severity="warning", kwargs={"at_least": {"safety": 0.1}}), maxQuarantineFraction=1.0
    )
    assert verdict.refused
    assert verdict.results[0].failures[0].example_id == "the data set"
    assert verdict.to_json()["rules"][0]["failures"][0]["row"] is None
    info = judge(rows, quality("balanced_capabilities", severity="info", kwargs={"at_least": {"safety": 0.1}}))
    assert not info.refused


def test_a_csv_under_other_names_is_judged(tmp_path, write_contract, graph_file):
    path = tmp_path / "own.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "output", "problems", "meds", "allergic", "drugs"])
        writer.writerow(["What now?", "Start Inderal.", "asthma; hypertension", "", "", "Inderal"])
    columns = [{"name": "recommended", "logicalType": "array"}, {"name": "patient", "logicalType": "object", "properties": [
        {"name": "conditions", "logicalType": "array"}, {"name": "medications", "logicalType": "array"}, {"name": "allergies", "logicalType": "array"}]}]  # fmt: skip
    contract = str(
        write_contract(quality("no_contraindicated_drug"), quality("text_no_contraindicated_drug"), quality("no_phi"), columns=columns)
    )
    names = [
        "messages=question",
        "response=output",
        "patient.conditions=problems",
        "patient.medications=meds",
        "patient.allergies=allergic",
        "recommended=drugs",
    ]
    with pytest.raises(Refused, match="no_contraindicated_drug: 1 of 1 rows fail, first row-000001: propranolol contraindicated_in asthma"):
        command.validate(contract, [str(path)], graph_file, columns=names)
    with pytest.raises(InputError, match="the data lack column 'ouput'.*did you mean 'output'"):
        command.validate(contract, [str(path)], graph_file, columns=["response=ouput"])
    with pytest.raises(InputError, match="the contract knows no column 'respons'"):
        command.validate(contract, [str(path)], graph_file, columns=["respons=output"])


def test_a_torn_csv_is_refused_with_its_line(tmp_path):
    path = tmp_path / "torn.csv"
    path.write_text("a,b\n1,2\n3\n")
    with pytest.raises(InputError, match="torn.csv:3: the line has 1 cells, and there are 2 columns"):
        read_csv(path)


def test_physical_names_of_a_contract_are_used(write_contract):
    contract = load_contract(
        write_contract(quality("no_phi"), columns=[{"name": "response", "logicalType": "string", "physicalName": "chosen"}])
    )
    (row,) = map_rows([{"chosen": "x", "messages": "Hi?"}], mapping_of({}, contract), contract)
    assert row == {"response": "x", "messages": [{"role": "user", "content": "Hi?"}], "example_id": "row-000001"}


def test_init_explain_and_diff(tmp_path, graph_file, capsys):
    data, drafted = tmp_path / "d.jsonl", tmp_path / "mine.odcs.yaml"
    rows = [make_row(example_id=f"id-{i}", messages=[{"role": "user", "content": f"Question {i}?"}]) for i in range(3)]
    rows[2]["recommended"] = [recommend("Inderal")]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command.init(str(data), str(drafted))
    with pytest.raises(InputError, match="never overwritten"):
        command.init(str(data), str(drafted))
    command.explain(str(drafted), [str(data)], graph_file)
    said = capsys.readouterr().out
    assert "no-contraindicated-drug: No recommended drug is contraindicated" in said
    assert "1 of 3 rows that it applies to fail, first id-2" in said
    softer = tmp_path / "softer.odcs.yaml"
    softer.write_text(drafted.read_text().replace("severity: critical", "severity: warning"))
    command.diff(str(drafted), str(softer), [str(data)], graph_file)
    said = capsys.readouterr().out
    assert "row 3 id-2: refused -> quarantined" in said
    assert "1 of 3 rows change verdict" in said


def test_a_graph_is_judged_row_by_row(pack, capsys):
    verdict = validate(load_contract(SHIPPED[0].parent / "knowledge_graph.odcs.yaml"), graph_rows(pack), pack)
    assert not verdict.refused


def test_the_report_marks_the_words_shows_the_edge_and_masks_people(tmp_path, judge, graph):
    rows = [make_row(response="Mrs. Smith, call 555-123-4567. Start Inderal."), make_row(example_id="jane@x.org", entities=["Dr. Smith"])]
    verdict = judge(rows, quality("text_no_contraindicated_drug"), quality("no_phi"), quality("entities_in_graph"))
    write_contract_report(tmp_path, verdict, rows, graph)
    page, data = (tmp_path / "report.html").read_text(), (tmp_path / "report.json").read_text()
    assert "<mark>Inderal</mark>" in page
    assert "propranolol <em>contraindicated in</em> asthma" in page
    assert "label:test" in page
    for text in (page, data):
        assert not any(word in text for word in ("Smith", "555-123", "jane@"))


def test_masks_keep_the_length():
    assert mask("Mail jane@x.org now") == "Mail " + "█" * 10 + " now"


def test_data_docs_are_written_on_request(tmp_path, write_contract, graph_file):
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(make_row()) + "\n")
    command.validate(
        str(write_contract(quality("no_phi"))),
        [str(path)],
        graph_file,
        data_docs=str(tmp_path / "docs"),
        quarantine=str(tmp_path / "q.jsonl"),
    )
    assert (tmp_path / "docs" / "data_docs.html").stat().st_size > 1000
    assert (tmp_path / "q.jsonl").read_text() == ""


def test_data_docs_of_refused_data_are_whole_and_masked(tmp_path, write_contract, graph_file, capfd):
    path = tmp_path / "d.jsonl"
    rows = [make_row(), make_row(example_id="Mrs. Jane Smith", response="Call 555-123-4567.")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = quality("expect_column_values_to_be_between", "age", "info", {"column": "patient.age", "max_value": 10})
    with pytest.raises(Refused):
        command.validate(str(write_contract(quality("no_phi"), own)), [str(path)], graph_file, data_docs=str(tmp_path / "docs"))
    page = (tmp_path / "docs" / "data_docs.html").read_text()
    assert "unexpected values found" in page
    for said in (
        "no_phi (critical, on failure: refuse)", "response seems to hold a phone number", "Neither prompt nor response",
        "age (info, on failure: report)", "0123456789abcdef: patient.age 34 is not at most 10",
    ):  # fmt: skip
        assert said in page
    assert not any(elsewhere in page for elsewhere in ("http", "<script", "<link", "src=", "href=", "batch_id"))
    assert not any(word in page for word in ("Smith", "555-123"))
    assert "Exception" not in "".join(capfd.readouterr())


def test_a_contract_drafted_from_a_csv_judges_it(tmp_path, graph_file, capsys):
    path, drafted = tmp_path / "own.csv", tmp_path / "own.odcs.yaml"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "output", "problems", "meds", "allergic", "expecting", "drugs"])
        writer.writerow(["What; now?", "Start Inderal.", "asthma; hypertension", "", "", "no", "Inderal"])
        writer.writerow(["And here?", "Rest is best.", "", "", "penicillin", "", ""])
    names = ["messages=question", "response=output", "patient.conditions=problems", "patient.medications=meds", "patient.allergies=allergic",
             "patient.pregnant=expecting", "recommended=drugs"]  # fmt: skip
    command.init(str(path), str(drafted), columns=names)
    contract = load_contract(drafted)
    assert {"no-contraindicated-drug", "text-no-contraindicated-drug", "no-phi"} <= {rule.id for rule in contract.rules}
    with pytest.raises(Refused) as refused:
        command.validate(str(drafted), [str(path)], graph_file)
    said = str(refused.value)
    assert "no-contraindicated-drug: 1 of 2 rows fail, first row-000001: propranolol contraindicated_in asthma" in said
    assert not any(rule in said for rule in ("declared columns", "no-phi", "response-not-empty"))
    rows = map_rows(read_csv(path), mapping_of({}, contract), contract)
    assert rows[0]["messages"] == [{"role": "user", "content": "What; now?"}]
    assert rows[1]["patient"] == {"conditions": [], "medications": [], "allergies": ["penicillin"], "pregnant": None}
    assert rows[1]["recommended"] == []


def test_null_amid_json_says_nothing(write_contract):
    columns = [{"name": "patient", "logicalType": "object", "properties": [{"name": "conditions", "logicalType": "array"}]}]
    contract = load_contract(write_contract(quality("no_contraindicated_drug"), columns=columns))
    (row,) = map_rows([{"patient": {"conditions": None}, "recommended": None}], mapping_of({}, contract), contract)
    assert (row["patient"], row["recommended"]) == ({"conditions": None}, None)


def test_red_flags_need_a_list(reasons):
    with pytest.raises(ValueError, match="names a red flag"):
        reasons("red_flag_not_ignored")


def test_shipped_contracts_move_as_a_folder(tmp_path):
    shutil.copytree(SHIPPED[0].parent, tmp_path / "c")
    assert load_contract(tmp_path / "c" / "clinical_training.odcs.yaml").rules


def test_the_guides_example_of_extending_a_contract_is_one(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "contracts.md").read_text()
    [snippet] = [text for text in re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL) if "kind: DataContract" in text]
    for path in SHIPPED:
        shutil.copy(path, tmp_path)
    (tmp_path / "ours.odcs.yaml").write_text(snippet)
    ours, parent = load_contract(tmp_path / "ours.odcs.yaml"), load_contract(tmp_path / "clinical_qa.odcs.yaml")
    assert dict(ours.disabled) == {"text-drugs-known": "trial drugs, reviewed by hand"}
    assert {rule.id: rule.severity for rule in ours.rules}["no-duplicates"] == "critical"
    assert len(ours.rules) == len(parent.rules) - 1


def test_a_table_that_says_nothing_of_allergies_is_told_so_at_once_and_when_it_is_refused(tmp_path, capsys):
    data, columns = tmp_path / "my.csv", ["messages=question", "response=output", "patient.conditions=problems", "recommended=drugs"]
    data.write_text("question,output,problems,drugs,meds,none\nWhich drug for hypertension?,Give amlodipine.,hypertension,amlodipine,,\n")
    command.init(str(data), str(tmp_path / "c.yaml"), columns=[*columns, "patient.medications=meds"])
    assert "note: no column says patient.allergies, so the rules about patients will refuse every row" in capsys.readouterr().out
    with pytest.raises(
        Refused, match="nothing says which allergies the patient has: 'patient.allergies' is missing, and an empty list means none"
    ):
        command.validate(str(tmp_path / "c.yaml"), [str(data)])
    command.init(str(data), str(tmp_path / "d.yaml"), columns=[*columns, "patient.medications=meds", "patient.allergies=none"])
    assert "note:" not in capsys.readouterr().out.split("rules. Read")[-1]
    command.validate(str(tmp_path / "d.yaml"), [str(data)])
