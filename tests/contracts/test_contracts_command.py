"""`bbflow contracts validate`, as the function behind it."""

import json

import pytest
import yaml
from contract_samples import make_graph, make_row, quality, recommend

from bbflow.cli.commands.contracts import validate
from bbflow.data.example_io import write_examples
from bbflow.errors import InputError, Refused
from bbflow.graph.readers import node_link
from bbflow.records import Example


@pytest.fixture
def graph_file(tmp_path):
    path = tmp_path / "graph.json"
    node_link.write(make_graph(), path)
    return str(path)


def data_file(folder, name, *rows):
    write_examples(folder / name, [Example.from_row(row) for row in rows])
    return str(folder / name)


def test_good_data_are_accepted_and_every_rule_is_shown(tmp_path, graph_file, write_contract, capsys):
    path = data_file(tmp_path, "a.parquet", make_row())
    validate(str(write_contract(quality("no_phi"), quality("no_contraindicated_drug"))), [path], graph_file, report=str(tmp_path / "r"))
    out = capsys.readouterr().out
    assert "no_phi" in out
    assert "no_contraindicated_drug" in out
    assert "accepted: 1 rows, 1 accepted, 0 quarantined" in out
    assert json.loads((tmp_path / "r" / "report.json").read_text())["refused"] is False


def test_bad_data_are_refused_with_ids_and_reasons(tmp_path, graph_file, write_contract, capsys):
    unsafe = make_row(example_id="bad-one", recommended=[recommend("propranolol")])
    path = data_file(tmp_path, "a.jsonl", make_row(), unsafe)
    with pytest.raises(Refused, match="bad-one: propranolol contraindicated_in asthma"):
        validate(str(write_contract(quality("no_contraindicated_drug"))), [path], graph_file, report=str(tmp_path / "r"))
    assert "no_contraindicated_drug bad-one: propranolol contraindicated_in asthma" in capsys.readouterr().out
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert report["rules"][0]["failures"] == [
        {
            "example_id": "bad-one", "row": 1, "outcome": "fails", "reason": "propranolol contraindicated_in asthma", "column": "", "span": None,
            "edges": [["drug:propranolol", "contraindicated_in", "mondo:asthma"]],
        }
    ]  # fmt: skip


def test_a_folder_of_splits_is_judged_as_one(tmp_path, graph_file, write_contract):
    folder = tmp_path / "data"
    data_file(folder, "train.parquet", make_row())
    data_file(folder, "test.parquet", make_row(example_id="b" * 16, split="test"))
    with pytest.raises(Refused, match="its prompt is in test too"):
        validate(str(write_contract(quality("no_split_leakage"))), [str(folder)], graph_file)


def test_rows_that_are_no_examples_are_failing_rows(tmp_path, graph_file, write_contract):
    path = tmp_path / "raw.jsonl"
    path.write_text(json.dumps({**make_row(), "recommended": None}) + "\n")
    with pytest.raises(Refused, match="'recommended' is null"):
        validate(str(write_contract(quality("no_contraindicated_drug"))), [str(path)], graph_file)


def test_markup_in_data_is_shown_as_it_is(tmp_path, graph_file, write_contract, capsys):
    path = data_file(tmp_path, "a.jsonl", make_row(example_id="[red]x[/]", entities=["[bold]y"]))
    with pytest.raises(Refused):
        validate(str(write_contract(quality("entities_in_graph"))), [path], graph_file)
    assert "[red]x[/]: entity '[bold]y' is no node of the graph" in capsys.readouterr().out


@pytest.mark.parametrize("broken", ["contract", "data", "graph"])
def test_missing_files_are_input_errors(tmp_path, graph_file, write_contract, broken):
    files = {"contract": str(write_contract(quality("no_phi"))), "data": [data_file(tmp_path, "a.jsonl", make_row())], "graph": graph_file}
    files[broken] = [str(tmp_path / "none.jsonl")] if broken == "data" else str(tmp_path / "none.json")
    with pytest.raises(InputError, match="none"):
        validate(**files)


def test_the_shipped_contract_refuses_a_corrupted_copy_of_good_data(tmp_path, graph_file):
    from pathlib import Path

    shipped = Path(__file__).parents[2] / "data_contracts" / "clinical_qa.odcs.yaml"
    validate(str(shipped), [data_file(tmp_path, "good.jsonl", make_row())], graph_file)
    assert yaml.safe_load(shipped.read_text())["kind"] == "DataContract"
    for change in (
        {"recommended": [recommend("Inderal")]},
        {"entities": ["drug:x"]},
        {"answer": "lisinopril"},
        {"patient": None},
        {"split": None},
    ):
        with pytest.raises(Refused):
            validate(str(shipped), [raw(tmp_path, {**make_row(), **change})], graph_file)


def raw(folder, row):
    path = folder / "raw.jsonl"
    path.write_text(json.dumps(row) + "\n")
    return str(path)
