import json

import pandas as pd
import pytest

from bbflow.cli.main import main
from bbflow.data.files import write_examples
from bbflow.graph import ClinicalPack

CAPABILITIES = """
domain:
  metric: {class_path: CorrectAnswer}
  rewards:
    answer: {class_path: CorrectAnswer}
  margin: 0.5
safety:
  metric: {class_path: CorrectAnswer}
  rewards:
    answer: {class_path: CorrectAnswer}
"""


@pytest.fixture(scope="module")
def graph():
    return ClinicalPack().load()


@pytest.fixture
def data(tmp_path, example, graph):
    """A folder with a train and a test file of choice questions; the graph's drugs are the options."""
    drugs = [node.name for node in graph.nodes("Drug")]

    def item(i, split):
        options = [drugs[i % 7], drugs[7 + i % 5]]
        return example(
            i, answer=options[i % 2], options=options, split=split, cluster=f"c{i % 8}",
            question=f"Case {i}: A) {options[0]} B) {options[1]}?",
            provenance={"graph": graph.name, "graph_sha256": graph.sha256, "template": "t", "generator": "g", "seed": 0},
        )  # fmt: skip

    write_examples(tmp_path / "data" / "test.parquet", [item(i, "test") for i in range(24)])
    write_examples(tmp_path / "data" / "train.parquet", [item(100 + i, "train") for i in range(30)])
    (tmp_path / "capabilities.yaml").write_text(CAPABILITIES)
    return tmp_path


@pytest.fixture
def evaluate(data, tiny_qwen_dir):
    def run(*extra, policy=tiny_qwen_dir, file="data/test.parquet"):
        return main(
            ["evaluate", "--policy", str(policy), "--data", str(data / file), "--out", str(data / "out"), "--max_new_tokens", "4",
             "--capabilities", str(data / "capabilities.yaml"), *map(str, extra)]
        )  # fmt: skip

    return run


def report(data):
    return json.loads((data / "out" / "report.json").read_text())


def test_scores_a_policy(data, evaluate, capsys):
    assert evaluate() == 0
    found = report(data)
    assert set(found["capabilities"]) == {"domain"}
    assert found["capabilities"]["domain"]["n"] == 24
    assert "verdict" not in found
    assert found["capabilities"]["domain"]["nulls"]["random_answer"] > 0.1
    assert found["data"]["nulls_learned_from"] == "the train split beside the data"
    assert {p.name for p in (data / "out").iterdir()} == {"report.json", "index.html", "scores.parquet"}
    assert len(pd.read_parquet(data / "out" / "scores.parquet")) == 24
    said = capsys.readouterr()
    assert "'safety' judges no example" in said.err
    assert "domain" in said.out


def test_certifies_against_a_baseline(data, evaluate, tiny_qwen_dir, capsys):
    assert evaluate("--baseline", tiny_qwen_dir, "--gate") == 0
    domain = report(data)["capabilities"]["domain"]
    assert (domain["difference"]["estimate"], domain["margin"], domain["verdict"]) == (0.0, 0.5, "preserved")


def test_gate_refuses_what_is_not_certified(data, evaluate, tiny_qwen_dir, capsys):
    (data / "capabilities.yaml").write_text(CAPABILITIES.replace("0.5", "0.0"))
    assert evaluate("--baseline", tiny_qwen_dir) == 0
    assert evaluate("--baseline", tiny_qwen_dir, "--gate") == 1
    assert "not certified but inconclusive: domain inconclusive" in capsys.readouterr().err
    assert report(data)["verdict"] == "inconclusive"


def test_without_a_train_file_the_nulls_learn_from_the_data(data, evaluate):
    (data / "data" / "train.parquet").unlink()
    assert evaluate() == 0
    assert "the evaluated data themselves" in report(data)["data"]["nulls_learned_from"]


def test_every_mistake_is_told_at_once_before_a_model_is_loaded(data, evaluate, monkeypatch, capsys):
    monkeypatch.setattr("bbflow.policies.load_policy", lambda *_: pytest.fail("loaded a model"))
    (data / "capabilities.yaml").write_text(CAPABILITIES.replace("margin: 0.5", "margin: 7"))
    assert evaluate("--gate", "--batch_size", "0", policy="tny", file="data/no.parquet") == 2
    said = capsys.readouterr().err
    for problem in ("did you mean 'tiny'?", "--gate", "--batch_size", "no.parquet: no such file", "margin must lie in [0, 1)"):
        assert problem in said
    assert not (data / "out").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "maps names to capabilities"),
        (CAPABILITIES.replace("CorrectAnswer", "CorectAnswer"), "CorectAnswer"),
        (CAPABILITIES.replace("margin", "margn"), "margn"),
        (CAPABILITIES + "tasks: [", "not valid YAML"),
        ("other:\n" + CAPABILITIES.split("safety:")[1], "no example is judged by any capability"),
    ],
)
def test_wrong_capabilities(data, evaluate, capsys, text, said):
    (data / "capabilities.yaml").write_text(text)
    assert evaluate() == 2
    assert said in capsys.readouterr().err


def test_refuses_an_example_that_stands_twice(data, evaluate, capsys):
    assert evaluate("--data", data / "data" / "test.parquet") == 2
    assert "24 examples stand more than once" in capsys.readouterr().err
