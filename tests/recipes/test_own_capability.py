"""What the README shows: a capability of one's own, in a file next to the recipe; overrides on top of a recipe."""

import json
import re
from pathlib import Path

import pytest

from bbflow.cli.main import main

ROOT = Path(__file__).parents[2]
OWN = """
from bbflow.rewards import Reward

class Short(Reward):
    def __call__(self, examples, completions):
        return [max(0.0, 1 - len(text) / 400) for text in completions]
"""
BREVITY = """
      brevity:
        tasks: [fact_recall]
        metric: {class_path: my_rewards.Short}
        rewards: {short: {class_path: my_rewards.Short}}
"""
WRONG_TASK = """
from dataclasses import replace
from bbflow.synthesis.tasks import FactRecall

class Commaless(FactRecall):
    name = "commaless"
    fields = FactRecall.fields | {"constraints"}

    def propose(self, rng):
        item = super().propose(rng)
        return item and replace(item, task=self.name, constraints=({"type": "punctuation:no_comma", "kwargs": {"commas": 0}},))
"""
RECIPE = """
seed_everything: 3
trainer: {max_steps: 2, accelerator: cpu, log_every_n_steps: 1}
model:
  class_path: GRPO
  init_args:
    policy: {path: %s}
    rollout: {class_path: TransformersRollout, init_args: {group_size: 2, max_new_tokens: 6}}
    advantage: {class_path: GDPO}
    capabilities:
      domain:
        metric: {class_path: CorrectAnswer}
        rewards: {answer: {class_path: CorrectAnswer}}
%s
data:
  class_path: KnowledgeGraphData
  init_args:
    graph: {class_path: ClinicalPack}
    contract: %s
    train_size: 24
    validation_size: 4
    test_size: 8
    batch_size: 4
"""


@pytest.fixture
def recipe(tmp_path: Path, tiny_qwen_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "my_rewards.py").write_text(OWN)
    path = tmp_path / "mine" / "recipe.yaml"
    path.write_text(RECIPE % (tiny_qwen_dir, BREVITY, ROOT / "data_contracts" / "clinical_qa.odcs.yaml"))
    return path


def test_a_capability_of_ones_own_trains_and_is_reported(recipe: Path, tmp_path: Path) -> None:
    assert main(["fit", "--config", str(recipe), "--model.init_args.capabilities.brevity.weight=2"]) == 0
    run = next((tmp_path / "runs").rglob("report.json")).parents[1]
    report = json.loads((run / "report" / "report.json").read_text())
    assert set(report["capabilities"]) == {"domain", "brevity"}
    assert "weight: 2" in (run / "config.yaml").read_text()


def test_records_that_no_reward_can_read_are_refused_before_the_policy_is_loaded(recipe: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "mine" / "my_tasks.py").write_text(WRONG_TASK)
    text = recipe.read_text().replace("brevity:", "form:").replace("tasks: [fact_recall]", "tasks: [commaless]")
    text = text.replace("{class_path: my_rewards.Short}", "{class_path: FollowsInstructions}")
    text = re.sub(
        "contract: .*",
        "contract: null\n    tasks: {commaless: {class_path: my_tasks.Commaless}, fact_recall: {class_path: FactRecall}}",
        text,
    )
    recipe.write_text(text)
    monkeypatch.setattr("bbflow.modules.base.load_policy", lambda *_: pytest.fail("loaded the policy"))
    assert main(["fit", "--config", str(recipe)]) == 2
    said = capsys.readouterr().err
    assert "constraints: constraint 'punctuation:no_comma' does not take its arguments" in said
    assert said.count("error: example ") > 1
    assert "did you mean" not in said
    assert "Traceback" not in said


def test_same_seed_same_metrics(recipe: Path, tmp_path: Path) -> None:
    import csv

    for _ in range(2):
        assert main(["fit", "--config", str(recipe)]) == 0
    one, other = (list(csv.DictReader(p.open())) for p in sorted((tmp_path / "runs").rglob("metrics.csv")))
    keep = lambda rows: [{k: v for k, v in row.items() if not k.endswith("_seconds")} for row in rows]  # noqa: E731
    assert keep(one) == keep(other)
    assert any(k.endswith("_seconds") for k in one[0])


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("tasks: [fact_recall]", "tasks: [fact_recal]", ["brevity.tasks", "did you mean 'fact_recall'"]),
        ("      brevity:\n        tasks: [fact_recall]", "      brevity:", ["no task of the data feeds the capability 'brevity'"]),
        ("metric: {class_path: my_rewards.Short}", "metric: {class_path: SafeChoice}", ["SafeChoice reads 'patient'", "fact_recall"]),
    ],
)
def test_capabilities_that_do_not_fit_the_data_are_refused(recipe: Path, capsys, old: str, new: str, parts: list[str]) -> None:
    recipe.write_text(recipe.read_text().replace(old, new))
    assert main(["fit", "--config", str(recipe)]) == 2
    message = capsys.readouterr().err
    assert all(part in message for part in parts), message
    assert "Traceback" not in message
