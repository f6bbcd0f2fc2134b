"""The worked example of docs/synthesis.md, as it stands there."""

import re
import shutil
from pathlib import Path

import pytest

from bbflow.cli.main import main
from bbflow.data.example_io import read_examples
from bbflow.graph import ClinicalPack
from bbflow.synthesis import generate
from bbflow.synthesis.tasks import MetapathQuestion

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "synthesis.md").read_text()


def test_the_task_of_the_guide_makes_proven_examples_in_its_own_words(tmp_path: Path) -> None:
    space: dict = {}
    exec(re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1], space)
    made = generate(ClinicalPack().load(), {"which_class": space["WhichClass"]()}, {"train": 20, "test": 4}, {}, 0)
    assert len(made.examples["train"]) > 5
    assert {e.prompt.split()[0] for e in made.examples["train"]} <= {"Which", "What"}
    assert all(e.prompt.startswith("Where does") for e in made.examples["test"])


def test_the_metapath_of_the_guide_makes_questions_in_every_split(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(re.search(r"```yaml\n(metapaths:.*?)```", GUIDE, re.DOTALL)[1])
    task = MetapathQuestion(metapaths=str(file))
    made = generate(ClinicalPack().load(), {"metapath": task}, {"train": 40, "validation": 10, "test": 10}, {}, 1)
    assert {split: len(examples) for split, examples in made.examples.items()} == {"train": 40, "validation": 10, "test": 10}
    for example in made.examples["train"]:
        assert [predicate for _, predicate, _ in example.edges] == ["diagnosed_by", "treats"]
        assert example.edges[1][0].startswith("drug:")
        assert example.provenance["template"].startswith("metapath/drug_behind_test")


def test_the_recipe_of_the_guide_generates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "mmlu.jsonl").write_text('{"question": "Which nerve is injured in a fracture of the humeral shaft?"}\n')
    shutil.copytree(ROOT / "data_contracts", tmp_path / "data_contracts")
    recipe = tmp_path / "recipes" / "mine.yaml"
    recipe.write_text(re.search(r"```yaml\n(data:.*?)```", GUIDE, re.DOTALL)[1])
    monkeypatch.chdir(tmp_path)
    assert main(["generate", "--config", "recipes/mine.yaml", "--out", "out", "--num", "120"]) == 0
    assert {e.task for e in read_examples(tmp_path / "out")} == {"metapath", "open_book", "joint_case"}


def test_the_task_of_the_guide_is_found_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "own_task.py").write_text(re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1])
    settings = "graph: {class_path: ClinicalPack}, contract: null, tasks: {which_class: {class_path: own_task.WhichClass}}"
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"data: {{class_path: KnowledgeGraphData, init_args: {{{settings}}}}}\n")
    assert main(["generate", "--config", str(recipe), "--out", str(tmp_path / "out"), "--num", "60"]) == 0
    assert {e.task for e in read_examples(tmp_path / "out")} == {"which_class"}
