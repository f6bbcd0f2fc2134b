"""`bbflow generate` from outside: what a recipe must hold, what is refused, and that nothing is left behind then."""

import re
from pathlib import Path

import pytest

from bbflow.cli.main import main
from bbflow.data.example_io import read_examples

RECIPE = """\
data:
  class_path: KnowledgeGraphData
  init_args:
    graph: {class_path: ClinicalPack}
    contract: null
    tasks: {doses: {class_path: DoseCalculation}, checks: {class_path: InteractionCheck}}
    train_size: 20
    validation_size: 4
    test_size: 6
"""
TINY_GRAPH = """\
nodes:
  - {id: "d:a", kind: Drug, name: a}
  - {id: "x:b", kind: Disease, name: b}
edges:
  - ["d:a", treats, "x:b", "label:a indications"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "r.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def generate(*arguments: str) -> int:
    return main(["generate", "--config", "r.yaml", "--out", "out", *arguments])


def refused(capsys, folder: Path, *arguments: str) -> str:
    before = {p.name for p in folder.iterdir()}
    assert generate(*arguments) == 2
    assert {p.name for p in folder.iterdir()} == before
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_the_data_part_of_a_recipe_is_enough(folder: Path, capsys) -> None:
    assert generate() == 0
    assert {e.task for e in read_examples(folder / "out")} == {"dose_calculation", "interaction_check"}
    shown = capsys.readouterr().out
    assert any("dose_calculation" in line and "10" in line for line in shown.splitlines())


def test_the_other_parts_are_let_stand_as_they_are(folder: Path) -> None:
    (folder / "r.yaml").write_text("seed_everything: 3\ntrainer: {max_steps: 3}\nmodel: {class_path: Unheard}\nckpt_path: null\n" + RECIPE)
    assert generate() == 0


def test_in_memory_and_in_shards_the_same_is_told(folder: Path, capsys) -> None:
    assert generate() == 0
    plain = [line for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert main(["generate", "--config", "r.yaml", "--out", "shards", "--shard_rows", "8"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if "│" in line] == plain
    assert "| dose_calculation | 10 | 2 | 3 |" in (folder / "out" / "README.md").read_text()
    assert "| dose_calculation | 10 | 2 | 3 |" in (folder / "shards" / "README.md").read_text()


def test_what_the_graph_does_not_offer_is_told(folder: Path, capsys) -> None:
    curation = "curation: {class_path: Curation, init_args: {held_out_per_cluster: 1}}"
    (folder / "r.yaml").write_text(RECIPE.replace("test_size", f"{curation}\n    test_size"))
    assert generate("--num", "400") == 0
    assert re.search(r"note: of \w+, test has \d+ fewer than asked: the graph offers no more", capsys.readouterr().out)


def test_mistakes_of_the_data_part_are_told_together(folder: Path, capsys) -> None:
    (folder / "r.yaml").write_text(RECIPE.replace("DoseCalculation", "DoseCalculatio").replace("test_size", "tset_size") + "modl: 3\n")
    said = refused(capsys, folder)
    assert "r.yaml:6:33: data.init_args.tasks.doses.class_path: unknown class 'DoseCalculatio' (did you mean 'DoseCalculation'?)" in said
    assert "tset_size: unknown key (did you mean 'test_size'?)" in said
    assert "modl: unknown key (did you mean 'model'?)" in said


def test_a_recipe_without_data(folder: Path, capsys) -> None:
    (folder / "r.yaml").write_text("trainer: {max_steps: 3}\n")
    assert "r.yaml:1:1: the key 'data' is missing" in refused(capsys, folder)


@pytest.mark.parametrize("how", [[], ["--shard_rows", "8"]])
def test_a_graph_without_what_the_tasks_ask_about(folder: Path, capsys, how: list[str]) -> None:
    (folder / "g.yaml").write_text(TINY_GRAPH)
    said = refused(capsys, folder, "--graph", "g.yaml", *how)
    assert "has no edge that task 'doses' could ask about (it needs has_maximum_daily_dose edges" in said
    assert "has no edge that task 'checks' could ask about (it needs interacts_with edges" in said


@pytest.mark.parametrize("how", [[], ["--shard_rows", "8"]])
def test_a_folder_that_cannot_be_written(folder: Path, capsys, how: list[str]) -> None:
    (folder / "file").write_text("")
    assert main(["generate", "--config", "r.yaml", "--out", "file/out", *how]) == 2
    said = capsys.readouterr().err
    assert "error: --out file/out: cannot be written: " in said
    assert "Traceback" not in said


CURATION = """\
    curation:
      class_path: Curation
      init_args:
        near_duplicates: 0.9
        benchmarks: [./benchmark.jsonl]
        capabilities: {safety: 2.0}
        stages:
          - {class_path: Rewrite, init_args: {rewriter: {class_path: TemplateRewriter}, splits: [train, test]}}
          - class_path: Rewrite
            init_args: {rewriter: {class_path: LanguageModelRewriter, init_args: {path: tiny, tries: 1, max_new_tokens: 8}}}
          - {class_path: Answerability, init_args: {policy: tiny, tries: 1, max_new_tokens: 8, drop_unanswered: false}}
"""


@pytest.mark.parametrize("how", [[], ["--shard_rows", "8"]])
def test_curation_of_a_recipe_runs_in_memory_and_in_shards(folder: Path, monkeypatch: pytest.MonkeyPatch, how: list[str]) -> None:
    monkeypatch.setattr("bbflow.data.sharding.BLOCK", 64)
    monkeypatch.setattr("bbflow.synthesis.pipeline._CURATION_BATCH", 16)
    (folder / "benchmark.jsonl").write_text('{"question": "Which nerve is injured in a fracture of the humeral shaft?"}\n')
    (folder / "r.yaml").write_text(RECIPE + CURATION)
    assert generate(*how) == 0
    examples = read_examples(folder / "out")
    assert len(examples) == 30
    rewritten = [e for e in examples if e.provenance["template"].endswith("~TemplateRewriter")]
    assert {e.split for e in rewritten} == {"train", "test"}
    assert {e.level for e in examples if e.split == "train"} <= {1, 2}


def test_mistakes_of_curation_are_told_together(folder: Path, capsys) -> None:
    wrong = (
        CURATION.replace("0.9", "1.9").replace("safety", "safty").replace("[train, test]", "[trian]").replace("policy: tiny, tries: 1", "policy: ./tny, tries: 0")
    )  # fmt: skip
    (folder / "r.yaml").write_text(RECIPE + wrong)
    said = refused(capsys, folder)
    for part in (
        "near_duplicates must lie in (0, 1], not 1.9",
        "data.init_args.curation.capabilities: no task exercises 'safty' (did you mean 'safety'?)",
        "benchmark.jsonl: there is no such benchmark file",
        "data.init_args.curation.stages[0].splits: 'trian' is no split (did you mean 'train'?)",
        "data.init_args.curation.stages[2]: tries must be at least 1, not 0",
        "tny' is neither a folder nor a Hub id",
    ):
        assert part in said
