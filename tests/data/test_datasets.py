"""Examples as Hugging Face datasets: from the data module, from files, and by `load_dataset` on a generated folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset, List, Value, load_dataset

from bbflow.cli.main import main
from bbflow.data import ExampleFiles, KnowledgeGraphData, read_dataset, read_examples
from bbflow.graph import ClinicalPack
from bbflow.records import SPLITS, Example
from bbflow.synthesis.tasks import TreatmentChoice

CONTRACT = str(Path(__file__).parents[2] / "data_contracts" / "clinical_qa.odcs.yaml")
RECIPE = f"""\
data:
  class_path: KnowledgeGraphData
  init_args:
    graph: {{class_path: ClinicalPack}}
    contract: {CONTRACT}
    tasks: {{choice: {{class_path: TreatmentChoice}}, recall: {{class_path: FactRecall}}}}
    seed: 2
    train_size: 20
    validation_size: 4
    test_size: 6
"""


def generate(folder: Path, *arguments: str) -> Path:
    (folder / "r.yaml").write_text(RECIPE)
    assert main(["generate", "--config", str(folder / "r.yaml"), "--out", str(folder / "out"), *arguments]) == 0
    return folder / "out"


@pytest.mark.parametrize("arguments", [(), ("--shard_rows", "8")], ids=["one file per split", "shards"])
def test_load_dataset_reads_the_splits_of_a_generated_folder_and_nothing_else(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    folder = generate(tmp_path, *arguments)
    assert {"quarantine.parquet", "receipt.json", "croissant.json", "README.md"} < {file.name for file in folder.iterdir()}
    loaded = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    examples = read_examples(folder)
    assert loaded.num_rows == {"train": 20, "validation": 4, "test": 6}
    assert [Example.from_row(row) for split in SPLITS for row in loaded[split]] == examples
    assert loaded["train"].features == read_dataset(folder)["train"].features


def test_features_are_typed(tmp_path: Path) -> None:
    features = read_dataset(generate(tmp_path))["train"].features
    assert features["messages"] == List({"role": Value("string"), "content": Value("string")})
    assert features["edges"] == List(List(Value("string")))
    assert features["hops"] == Value("int64")
    assert features["open_book"] == Value("bool")
    assert features["patient"]["egfr"] == Value("float64")
    assert features["patient"]["conditions"] == List(Value("string"))


def test_an_edited_dataset_is_read_back_as_examples(tmp_path: Path) -> None:
    folder = generate(tmp_path)
    loaded = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    edited = tmp_path / "edited"
    edited.mkdir()
    for split in SPLITS:
        loaded[split].filter(lambda row: row["task"] == "treatment_choice").to_parquet(edited / f"{split}.parquet")
    expected = [example for example in read_examples(folder) if example.task == "treatment_choice"]
    assert 0 < len(expected) < 30
    assert read_examples(edited) == expected
    assert ExampleFiles(edited, ClinicalPack(), None).problems() == []


def test_the_data_module_hands_out_typed_datasets(tmp_path: Path) -> None:
    module = KnowledgeGraphData(
        ClinicalPack(), CONTRACT, {"choice": TreatmentChoice()}, train_size=12, validation_size=2, test_size=3, cache_dir=str(tmp_path)
    )
    module.prepare_data()
    module.setup("fit")
    assert {split: module.dataset[split].to_list() for split in SPLITS} == {
        split: [example.to_row() for example in module.splits[split]] for split in SPLITS
    }
    assert module.dataset["train"].features == Dataset.from_parquet(str(module.folder / "train.parquet")).features


def test_training_data_are_read_without_the_import_of_datasets() -> None:
    code = "import sys, bbflow.data, bbflow.data.example_io; sys.exit('datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
