"""Examples that lie in files: what `generate` wrote, edited by hand, trains like what is generated on the fly."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bbflow.cli.main import main
from bbflow.data import ExampleFiles, KnowledgeGraphData
from bbflow.data.example_io import read_examples, write_examples
from bbflow.errors import InputError, Refused
from bbflow.graph import ClinicalPack
from bbflow.records import SPLITS, Recommendation
from bbflow.synthesis.tasks import FactRecall, TreatmentChoice

CONTRACT = str(Path(__file__).parents[2] / "data_contracts" / "clinical_qa.odcs.yaml")


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    sizes = {"train_size": 40, "validation_size": 8, "test_size": 12}
    tasks = {"fact_recall": FactRecall(), "treatment_choice": TreatmentChoice()}
    module = KnowledgeGraphData(ClinicalPack(), CONTRACT, tasks, cache_dir=str(folder), **sizes)
    module.prepare_data()
    return [example for split in SPLITS for example in read_examples(module.folder / f"{split}.parquet")]


@pytest.fixture
def folder(generated, tmp_path):
    for split in SPLITS:
        write_examples(tmp_path / "recipes" / "mine" / f"{split}.jsonl", [e for e in generated if e.split == split])
    return tmp_path / "recipes" / "mine"


def ready(path, cache, contract=CONTRACT):
    module = ExampleFiles(str(path), ClinicalPack(), contract, cache_dir=str(cache))
    module.prepare_data()
    module.setup("fit")
    return module


def test_what_was_generated_and_edited_is_checked_kept_and_read_again(folder, generated, tmp_path):
    file = folder / "train.jsonl"
    edited = [replace(e, messages=[{"role": "user", "content": f"Please: {e.prompt}"}]) for e in read_examples(file)]
    write_examples(file, edited)
    module = ready(folder, tmp_path / "cache")
    assert [e for split in SPLITS for e in module.splits[split]] == edited + [e for e in generated if e.split != "train"]
    assert module.receipt["verdict"]["accepted"] == len(generated)
    before = {f.name: f.stat().st_mtime_ns for f in module.folder.iterdir()}
    again = ready(folder, tmp_path / "cache")
    assert {f.name: f.stat().st_mtime_ns for f in again.folder.iterdir()} == before
    write_examples(file, edited[1:])
    assert ready(folder, tmp_path / "cache").fingerprint != again.fingerprint


def test_tasks_are_what_the_records_name_and_fill(folder, tmp_path):
    tasks = ExampleFiles(str(folder), ClinicalPack(), None).tasks
    assert set(tasks["treatment_choice"].capabilities) == {"safety", "reasoning"}
    assert "patient" in tasks["treatment_choice"].fields
    assert "patient" not in tasks["fact_recall"].fields


def test_nothing_that_the_contract_refuses_trains(folder, tmp_path):
    file = folder / "train.jsonl"
    examples = read_examples(file)
    place, graph = next((i, e) for i, e in enumerate(examples) if e.patient and e.answer == "none of these"), ClinicalPack().load()
    i, example = place
    drug = next(name for name in example.options if name != example.answer)
    assert graph.resolve(drug)
    advice = Recommendation(drug=drug, dose=None, unit=None, per_day=None, route=None)
    examples[i] = replace(example, recommended=[advice])
    write_examples(file, examples)
    with pytest.raises(Refused, match="no-contraindicated-drug: 1 of"):
        ready(folder, tmp_path / "cache")
    assert len(ready(folder, tmp_path / "cache", contract=None).splits["train"]) == len(examples)


def test_mistakes_in_files_are_told_together(folder, tmp_path):
    (folder / "test.jsonl").unlink()
    module = ExampleFiles(str(folder), ClinicalPack(), "nowhere.yaml", batch_size=0)
    said = [str(problem) for problem in module.problems()]
    assert len(said) == 3
    assert any("no record is for the test split" in text for text in said)
    lines = (folder / "train.jsonl").read_text().splitlines()
    (folder / "train.jsonl").write_text("\n".join(["{", json.dumps({**json.loads(lines[0]), "split": "trian"}), *lines[1:]]) + "\n")
    with pytest.raises(InputError) as caught:
        ready(folder, tmp_path / "cache")
    assert [problem.where for problem in caught.value.problems] == [f"{folder}/train.jsonl:1", f"{folder}/train.jsonl:2"]
    with pytest.raises(InputError, match="no such file"):
        ready(tmp_path / "nowhere", tmp_path / "cache")


def test_examples_of_another_graph_are_refused(folder, generated, tmp_path):
    own = [replace(e, provenance={**e.provenance, "graph": "ward7@1"}) for e in generated if e.split == "train"]
    write_examples(folder / "train.jsonl", own)
    with pytest.raises(InputError, match="the examples were made from the graph 'ward7', and the recipe's is 'clinical'"):
        ready(folder, tmp_path / "cache")


RECIPE = """
trainer: {max_steps: 1, accelerator: cpu}
model:
  class_path: SFT
  init_args:
    policy: {path: %s}
    max_length: 200
    max_new_tokens: 4
    capabilities:
      domain: {metric: CorrectAnswer, rewards: {answer: CorrectAnswer}}
data:
  class_path: ExampleFiles
  init_args: {path: mine, graph: ClinicalPack, contract: %s, batch_size: 4}
"""


def test_a_recipe_trains_on_them_with_paths_beside_it(folder, tmp_path, tiny_qwen_dir, monkeypatch, capsys):
    (tmp_path / "recipes" / "recipe.yaml").write_text(RECIPE % (tiny_qwen_dir, CONTRACT))
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "--config", "recipes/recipe.yaml"]) == 0
    report = json.loads((tmp_path / "runs" / "recipe" / "version_0" / "report" / "report.json").read_text())
    assert report["data"]["contract"]["id"] == "clinical-qa"
    assert main(["fit", "--config", "recipes/recipe.yaml", "--data.init_args.path=nowhere"]) == 2
    assert "nowhere: no such file" in capsys.readouterr().err
