import dataclasses
import json
import shutil

import pandas as pd
import pytest

from bbflow.cli.commands.init import assets
from bbflow.cli.main import main
from bbflow.data.example_io import write_examples
from bbflow.evaluation.answer_cache import AnswerCache
from bbflow.evaluation.preregistration import Preregistration, write_preregistration
from bbflow.graph import ClinicalPack

CONTRACT = str(assets() / "data_contracts" / "clinical_qa.odcs.yaml")
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
    assert found["data"]["nulls_learned_from"] == "the train split next to the data"
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


def test_records_that_cannot_be_judged_are_told_at_once_before_a_model_is_loaded(data, evaluate, example, monkeypatch, capsys):
    monkeypatch.setattr("bbflow.policies.load_policy", lambda *_: pytest.fail("loaded a model"))
    wrong = [example(1, answer=""), example(2, answer="b", options=["a", "c"]), example(3)]
    write_examples(data / "data" / "wrong.parquet", wrong)
    assert evaluate(file="data/wrong.parquet") == 2
    said = capsys.readouterr().err
    assert "example e0001: answer: the record has no answer to compare with" in said
    assert "example e0002: answer: the answer 'b' is none of the options" in said
    assert "e0003" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "maps names to capabilities"),
        (CAPABILITIES.replace("CorrectAnswer", "CorectAnswer"), "did you mean 'CorrectAnswer'?"),
        (
            CAPABILITIES.replace("margin", "margn"),
            "capabilities.yaml:6:10: capabilities.domain.margn: unknown key (did you mean 'margin'?)",
        ),
        (CAPABILITIES.replace("margin: 0.5", "margin: x"), "capabilities.domain.margin"),
        (CAPABILITIES + "tasks: [", "not valid YAML"),
        ("other:\n" + CAPABILITIES.split("safety:")[1], "no example is judged by any capability"),
    ],
)
def test_wrong_capabilities(data, evaluate, capsys, text, said):
    (data / "capabilities.yaml").write_text(text)
    assert evaluate() == 2
    assert said in capsys.readouterr().err


def test_refuses_an_example_that_stands_twice(data, evaluate, capsys):
    shutil.copy(data / "data" / "test.parquet", data / "again.parquet")
    assert evaluate("--data", data / "again.parquet") == 2
    said = f"24 examples stand more than once, the first is e0000, in {data / 'data' / 'test.parquet'} and in {data / 'again.parquet'}"
    assert said in capsys.readouterr().err


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def mmlu(count, subject="anatomy"):
    return [
        {
            "question": f"Item {i}?",
            "choices": [f"{w} {i % 5}" for w in ("one", "two", "three", "four")],
            "answer": i % 4,
            "subject": subject,
        }
        for i in range(count)
    ]


class TestBenchmarks:
    @pytest.mark.parametrize("how", ["loglikelihood", "generation"])
    def test_multiple_choice(self, data, evaluate, how):
        write_rows(data / "mmlu.jsonl", mmlu(20) + [row | {"question": row["question"] + "!"} for row in mmlu(12, "virology")])
        assert evaluate("--multiple_choice", how, file="mmlu.jsonl") == 0
        found = report(data)
        assert found["capabilities"]["mmlu"]["metric"] == f"accuracy_by_{how}"
        assert found["capabilities"]["mmlu"]["n"] == 32
        assert set(found["capabilities"]["mmlu"]["nulls"]) >= {"random_answer", "constant", "options_only"}
        subjects = found["benchmarks"]["mmlu"]["subjects"]
        assert {name: part["n"] for name, part in subjects.items()} == {"anatomy": 20, "virology": 12}
        weighted = sum(part["n"] * part["score"] for part in subjects.values()) / 32
        assert found["capabilities"]["mmlu"]["after"]["score"] == pytest.approx(weighted, abs=1e-6)
        assert found["provenance"]["multiple_choice"] == how

    def test_options_only_never_learns_from_the_item_it_guesses(self, data, evaluate):
        rows = [row | {"choices": [f"{c} of {i}" for c in row["choices"]]} for i, row in enumerate(mmlu(40))]
        write_rows(data / "mmlu.jsonl", rows)
        assert evaluate(file="mmlu.jsonl") == 0
        assert report(data)["capabilities"]["mmlu_anatomy"]["nulls"]["options_only"] < 0.6

    def test_beside_examples_of_bbflow(self, data, evaluate):
        write_rows(data / "mmlu.jsonl", mmlu(8))
        assert evaluate("--data", data / "mmlu.jsonl") == 0
        assert {n: e["n"] for n, e in report(data)["capabilities"].items()} == {"domain": 24, "mmlu_anatomy": 8}

    def test_instruction_following_and_safety_pairs(self, data, evaluate):
        demands = [{"key": i, "prompt": f"Write {i}.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]} for i in range(4)]
        write_rows(data / "ifeval.jsonl", demands)
        write_rows(data / "pairs.jsonl", [{"id": i, "unsafe": f"Poison {i}?", "benign": f"Treat {i}?"} for i in range(3)])
        assert evaluate("--data", data / "pairs.jsonl", file="ifeval.jsonl") == 0
        found = report(data)
        assert set(found["benchmarks"]["ifeval"]) == {
            "n", "prompt_level_strict", "prompt_level_loose", "instruction_level_strict", "instruction_level_loose"
        }  # fmt: skip
        assert set(found["benchmarks"]["safety"]) == {"n", "unsafe_refused", "benign_refused", "both_sides_right"}
        assert found["capabilities"]["safety"]["nulls"]["blanket_refusal"] == 0.5
        assert found["capabilities"]["safety"]["clusters"] == 3

    def test_wrong_rows_of_all_files_are_told_before_a_model_is_loaded(self, data, evaluate, monkeypatch, capsys):
        monkeypatch.setattr("bbflow.policies.load_policy", lambda *_: pytest.fail("loaded a model"))
        write_rows(data / "a.jsonl", [mmlu(1)[0] | {"answer": "Z"}])
        write_rows(data / "b.jsonl", [mmlu(1)[0] | {"answer": None}])
        assert evaluate("--data", data / "b.jsonl", file="a.jsonl") == 2
        said = capsys.readouterr().err
        assert "a.jsonl:1: the answer 'Z' is none of the 4 options" in said
        assert "b.jsonl:1: the row has no answer" in said


def test_a_baseline_may_be_an_earlier_evaluation(data, evaluate, tiny_qwen_dir, capsys):
    assert evaluate() == 0
    (data / "out").rename(data / "earlier")
    assert evaluate("--baseline", data / "earlier") == 0
    assert report(data)["capabilities"]["domain"]["difference"]["estimate"] == 0.0


def test_a_baseline_on_other_items_is_refused(data, evaluate, example, graph, capsys):
    assert evaluate() == 0
    (data / "out").rename(data / "earlier")
    scores = pd.read_parquet(data / "earlier" / "scores.parquet")
    scores.iloc[1:].to_parquet(data / "earlier" / "scores.parquet")
    assert evaluate("--baseline", data / "earlier") == 2
    assert "1 items are scored on one side only, e.g. e0000 (domain)" in capsys.readouterr().err
    scores[["example_id"]].to_parquet(data / "earlier" / "scores.parquet")
    assert evaluate("--baseline", data / "earlier") == 2
    assert "is no score table" in capsys.readouterr().err


def test_a_baseline_that_was_measured_otherwise_is_refused_before_a_model_is_loaded(data, evaluate, monkeypatch, capsys):
    write_rows(data / "mmlu.jsonl", mmlu(8))
    assert evaluate(file="mmlu.jsonl") == 0
    (data / "out").rename(data / "earlier")
    monkeypatch.setattr("bbflow.policies.load_policy", lambda *_: pytest.fail("loaded a model"))
    assert evaluate("--baseline", data / "earlier", "--multiple_choice", "generation", "--max_new_tokens", "9", file="mmlu.jsonl") == 2
    said = capsys.readouterr().err
    assert "earlier: 'mmlu_anatomy' was measured by accuracy_by_loglikelihood, here by accuracy_by_generation" in said
    assert "earlier: completions of at most 4 tokens were scored, here of at most 9" in said
    rows = mmlu(8)
    write_rows(data / "mmlu.jsonl", [{**row, "id": i} for i, row in enumerate(rows)])
    assert evaluate("--baseline", data / "earlier", file="mmlu.jsonl") == 2
    assert "other items were scored than here: ids, questions, options or answers differ" in capsys.readouterr().err
    assert evaluate("--baseline", data / "earlier") == 2
    assert "earlier: does not score 'domain'" in capsys.readouterr().err


def test_the_same_ids_with_other_questions_are_other_items(data, evaluate, capsys):
    rows = [{**row, "id": i} for i, row in enumerate(mmlu(8))]
    write_rows(data / "mmlu.jsonl", rows)
    assert evaluate(file="mmlu.jsonl") == 0
    (data / "out").rename(data / "earlier")
    write_rows(data / "mmlu.jsonl", [{**row, "question": row["question"] + "!"} for row in rows])
    assert evaluate("--baseline", data / "earlier", file="mmlu.jsonl") == 2
    assert "other items were scored" in capsys.readouterr().err


def test_a_benchmark_beside_promised_margins(data, evaluate, tiny_qwen_dir, capsys):
    policy = data / "policy"
    shutil.copytree(tiny_qwen_dir, policy)
    write_preregistration(policy, Preregistration({"domain": 0.5, "safety": 0.03}))
    write_rows(data / "mmlu.jsonl", mmlu(8))
    assert evaluate("--baseline", policy, policy=policy, file="mmlu.jsonl") == 0
    assert report(data)["margins"]["fixed"] == "before_evaluation"
    assert evaluate("--baseline", policy, policy=policy) == 0
    assert report(data)["margins"]["fixed"] == "before_training"
    write_preregistration(policy, Preregistration({"domain": 0.1, "safety": 0.03}))
    assert evaluate("--baseline", policy, "--data", data / "mmlu.jsonl", policy=policy) == 2
    assert "the margin of 'domain' is 0.5, but 0.1 was fixed before the run" in capsys.readouterr().err


def test_null_models_learn_from_a_benchmarks_own_train_file(data, evaluate, capsys):
    (data / "mmlu").mkdir()
    write_rows(data / "mmlu" / "test.jsonl", mmlu(8))
    write_rows(data / "mmlu" / "train.jsonl", [row | {"question": row["question"] + "!"} for row in mmlu(20)])
    assert evaluate(file="mmlu/test.jsonl") == 0
    assert report(data)["data"]["nulls_learned_from"] == "the train split next to the data"
    write_rows(data / "mmlu" / "train.jsonl", [{"text": "something else"}])
    assert evaluate(file="mmlu/test.jsonl") == 0
    assert "the null models do not learn from train.jsonl" in capsys.readouterr().err
    assert "the evaluated data themselves" in report(data)["data"]["nulls_learned_from"]


def test_a_baseline_is_not_written_over(data, evaluate, capsys):
    assert evaluate() == 0
    before = (data / "out" / "report.json").read_bytes()
    assert evaluate("--baseline", data / "out") == 2
    assert "--out: the baseline's scores are in this folder" in capsys.readouterr().err
    assert (data / "out" / "report.json").read_bytes() == before


def test_a_file_where_the_folder_should_be(data, evaluate, monkeypatch, capsys):
    monkeypatch.setattr("bbflow.policies.load_policy", lambda *_: pytest.fail("loaded a model"))
    (data / "out").write_text("")
    assert evaluate("--seed", "-1") == 2
    said = capsys.readouterr().err
    assert "--out: " in said
    assert "--seed: must be at least 0" in said


def test_an_empty_file_beside_another_is_named(data, evaluate, capsys):
    (data / "data" / "empty.jsonl").write_text("")
    assert evaluate("--data", data / "data" / "empty.jsonl") == 2
    assert "empty.jsonl: there are no examples in it" in capsys.readouterr().err


def test_damaged_kept_answers_are_dropped_and_later_ones_kept(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_bytes(b'[1, 2]\n3\n\xff\n{"half')
    AnswerCache(path).add({"q": "a"})
    assert AnswerCache(path).known(["q"]) == {"q": "a"}


def test_an_interrupted_evaluation_goes_on_where_it_was(data, evaluate, monkeypatch):
    from bbflow.policies.rollouts import TransformersRollout

    asked, whole = [], TransformersRollout.generate

    def generate(self, policy, prompts, **settings):
        asked.append(len(prompts))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return whole(self, policy, prompts, **settings)

    monkeypatch.setattr(TransformersRollout, "generate", generate)
    assert evaluate("--batch_size", "10") == 130
    assert evaluate("--batch_size", "10") == 0
    assert asked == [10, 10, 10, 4]
    assert {p.name for p in (data / "out").iterdir()} == {"report.json", "index.html", "scores.parquet"}


def test_examples_of_a_graph_of_ones_own_are_not_judged_by_the_one_that_ships(data, evaluate, graph, capsys):
    from bbflow.data.example_io import read_examples
    from bbflow.graph.readers import node_link

    file = data / "data" / "test.parquet"
    own = {"graph": "ward7@1", "graph_sha256": graph.sha256, "template": "t", "generator": "g", "seed": 0}
    write_examples(file, [dataclasses.replace(e, provenance=own) for e in read_examples(file)])
    said = "error: --graph: the examples were made from the graph 'ward7' (name its file or folder)"
    for argv in (
        ["rewards", "probe", "--data"],
        ["rewards", "nulls", "--data"],
        ["contracts", "validate", "--contract", CONTRACT, "--data"],
    ):
        capsys.readouterr()
        assert main([*argv, str(file)]) == 2
        assert capsys.readouterr().err.strip().splitlines()[-1] == said
    assert evaluate() == 2
    assert capsys.readouterr().err.strip().splitlines()[-1] == said
    node_link.write(graph, data / "ward7.json")
    assert evaluate("--graph", data / "ward7.json") == 0
    assert main(["rewards", "nulls", "--data", str(file), "--graph", "clinical"]) == 0
