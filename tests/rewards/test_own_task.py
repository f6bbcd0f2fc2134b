"""What docs/rewards.md shows: a capability of one's own, whole (task, reward, metric), in a file next to the recipe."""

import json
import re
from pathlib import Path

from bbflow.cli.main import main

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "rewards.md"


def block(name: str) -> str:
    """The code block of the guide that follows the name of a file."""
    match = re.search(rf"`{re.escape(name)}`:\n\n```\w+\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert match, name
    return match[1]


def test_the_guide_s_capability_trains_and_is_reported(tmp_path: Path, tiny_qwen_dir: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drug_classes.py").write_text(block("drug_classes.py"))
    recipe = block("classes.yaml").replace("path: tiny", f"path: {tiny_qwen_dir}")
    (tmp_path / "classes.yaml").write_text(recipe)
    steps = ["--trainer.max_steps=2", "--trainer.accelerator=cpu", "--model.init_args.rollout.init_args.group_size=2"]
    small = ["--model.init_args.rollout.init_args.max_new_tokens=6", "--data.init_args.train_size=24", "--data.init_args.test_size=12",
             "--data.init_args.validation_size=4", "--data.init_args.batch_size=4"]  # fmt: skip
    assert main(["fit", "--config", "classes.yaml", *steps, *small]) == 0
    report = json.loads(next((tmp_path / "runs").rglob("report.json")).read_text())
    assert report["capabilities"]["classes"]["metric"] == "names_the_class"


def test_the_guide_s_reward_holds_against_the_probes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "drug_classes.py").write_text(block("drug_classes.py"))
    import drug_classes

    from bbflow.evaluation.baselines.probes import reward_breaches
    from bbflow.graph import ClinicalPack
    from bbflow.synthesis import generate

    graph, task = ClinicalPack().load(), drug_classes.ClassRecall()
    examples = generate(graph, {task.name: task}, {"train": 12}, {}, 0).examples["train"]
    found, tried = reward_breaches(drug_classes.NamesTheClass(), examples, graph)
    assert tried > 50
    assert not found
