"""A receipt holds as long as no byte changed, and no longer."""

import json
import os

import pytest
from contract_samples import make_graph, make_row, quality

from bbflow.contracts import check_receipt, load_contract, receipt, validate, write_receipt
from bbflow.errors import Refused
from bbflow.io.checksums import source_sha256


@pytest.fixture
def made(tmp_path, write_contract, graph):
    """A contract, two data files and their receipt."""
    contract = write_contract(quality("no_phi"))
    files = [tmp_path / "train.parquet", tmp_path / "test.parquet"]
    for file in files:
        file.write_bytes(b"rows of " + file.name.encode())
    path = tmp_path / "receipt.json"
    write_receipt(path, validate(load_contract(contract), [make_row()], graph), files, graph)
    return path, contract, files


def test_a_fresh_receipt_holds(made, graph):
    assert check_receipt(*made, graph) == []


def test_a_receipt_says_what_it_rests_on(made, graph):
    record = json.loads(made[0].read_text())
    assert record["graph_sha256"] == graph.sha256
    assert record["data"].keys() == {"train.parquet", "test.parquet"}
    assert record["versions"]["great-expectations"]
    assert record["verdict"]["refused"] is False
    assert record["verdict"]["rules"][0]["evaluated"] == 1
    assert "failures" not in record["verdict"]["rules"][0]


def edit(path):
    """Changes one byte and puts the modification time back."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_one_byte_of_data_makes_it_stale_whatever_the_time(made, graph):
    edit(made[2][1])
    assert check_receipt(*made, graph) == ["data file 'test.parquet' changed"]


def test_one_byte_of_the_contract_makes_it_stale(made, graph):
    edit(made[1])
    assert check_receipt(*made, graph) == ["the contract changed"]


def test_another_graph_makes_it_stale(made):
    assert check_receipt(*made, make_graph("other")) == ["the graph changed"]


def test_other_rule_code_makes_it_stale(made, graph, monkeypatch):
    monkeypatch.setattr(receipt, "rules_sha256", lambda: "0" * 64)
    assert check_receipt(*made, graph) == ["the code of the rules changed"]


def test_the_hash_of_code_changes_with_a_byte_and_with_a_name(tmp_path):
    (tmp_path / "rule.py").write_text("a = 1")
    first = source_sha256(["*.py"], tmp_path)
    (tmp_path / "rule.py").write_text("a = 2")
    second = source_sha256(["*.py"], tmp_path)
    (tmp_path / "rule.py").rename(tmp_path / "other.py")
    assert len({first, second, source_sha256(["*.py"], tmp_path)}) == 3


def test_added_removed_and_missing_files_make_it_stale(made, graph, tmp_path):
    path, contract, files = made
    extra = tmp_path / "extra.parquet"
    extra.write_bytes(b"more")
    assert check_receipt(path, contract, [*files, extra], graph) == ["data file 'extra.parquet' was added or removed"]
    assert check_receipt(path, contract, files[:1], graph) == ["data file 'test.parquet' was added or removed"]
    files[0].unlink()
    assert "there is no" in check_receipt(path, contract, files, graph)[0]


def test_a_folder_can_be_moved(made, graph, tmp_path):
    path, contract, files = made
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    moved = [file.rename(folder / file.name) for file in (path, *files)]
    assert check_receipt(moved[0], contract, moved[1:], graph) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"verdict": 1}', "\xff"])
def test_a_broken_receipt_does_not_hold(made, graph, text):
    made[0].write_bytes(text.encode("latin-1"))
    assert check_receipt(*made, graph)


def test_a_missing_receipt_does_not_hold(made, graph):
    made[0].unlink()
    assert check_receipt(*made, graph)


def test_a_receipt_of_a_refusal_does_not_hold_and_is_not_written(made, graph, write_contract, tmp_path):
    record = json.loads(made[0].read_text())
    record["verdict"]["refused"] = True
    made[0].write_text(json.dumps(record))
    assert check_receipt(*made, graph) == ["the receipt does not say that the data were accepted"]
    refused = validate(load_contract(made[1]), [make_row(response="Call 555-123-4567")], graph)
    with pytest.raises(Refused, match="no_phi"):
        write_receipt(tmp_path / "new.json", refused, made[2], graph)
    assert not (tmp_path / "new.json").exists()
