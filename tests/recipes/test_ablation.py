"""The ablation's command: every overlay is a recipe that parses, and what has run is not run again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bbflow.cli.training import load_recipe

ROOT = Path(__file__).parents[2]
PARTS = ROOT / "recipes" / "ablation" / "parts"
OVERLAYS = sorted(path for path in PARTS.glob("*.yaml") if not path.stem.startswith("sft"))
SMALL = [
    "--trainer.max_steps=2", "--trainer.val_check_interval=2", "--data.init_args.train_size=40", "--data.init_args.validation_size=8",
    "--data.init_args.test_size=24", "--data.init_args.batch_size=4", "--trainer.accelerator=cpu",
]  # fmt: skip


@pytest.mark.parametrize("overlay", [path for path in OVERLAYS if path.stem not in ("hybrid", "rewards_alone")], ids=lambda path: path.stem)
def test_an_arm_changes_one_thing(overlay):
    plain = load_recipe(ROOT / "recipes" / "grpo.yaml").config.model
    arm = load_recipe(ROOT / "recipes" / "grpo.yaml", ["--config", str(overlay)]).config.model
    changed = {key.partition(".")[0] for key in arm.init_args.keys() if arm.init_args.get(key) != plain.init_args.get(key)}  # noqa: SIM118
    assert changed <= {"advantage", "weighting", "reference_advantage"}
    assert arm.class_path == plain.class_path


def test_an_arm_is_laid_over_rewards_alone():
    over = ["--config", str(PARTS / "rewards_alone.yaml"), "--config", str(PARTS / "gdpo_upgrad.yaml")]
    arm = load_recipe(ROOT / "recipes" / "grpo.yaml", over).config
    assert arm.trainer.max_steps == 110
    assert arm.model.init_args.reference_advantage == 0.0
    assert arm.model.init_args.rollout.init_args.group_size == 8
    assert arm.model.init_args.weighting.class_path.endswith("UPGrad")


def test_supervised_fine_tuning_by_the_same_steps():
    grpo = load_recipe(ROOT / "recipes" / "grpo.yaml").config
    sft = load_recipe(ROOT / "recipes" / "sft.yaml", ["--config", str(PARTS / "sft_same_steps.yaml")]).config
    assert sft.model.class_path.endswith("SFT")
    assert sft.trainer.max_steps == grpo.trainer.max_steps
    assert sft.trainer.gradient_clip_val == grpo.trainer.gradient_clip_val
    assert sft.model.init_args.optimizer == grpo.model.init_args.optimizer
    assert sft.data == grpo.data


@pytest.mark.slow
def test_runs_and_goes_on(tmp_path):
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "research" / "ablation.py"),
        "--arms",
        "gdpo",
        "sum_then_normalize",
        "--seeds",
        "1",
        "2",
    ]
    results = tmp_path / "results.json"
    command += ["--results", str(results), "--", *SMALL]
    first = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert first.returncode == 0, first.stderr[-3000:]
    found = json.loads(results.read_text())
    assert found.keys() == {f"{arm}/{seed}" for arm in ("gdpo", "sum_then_normalize") for seed in (1, 2)}
    assert "| sum_then_normalize | 1, 2 |" in first.stdout
    again = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert again.stdout.splitlines()[-4:] == first.stdout.splitlines()[-4:]
    assert json.loads(results.read_text()) == found  # seconds included: nothing was run again
