"""The main job on a CUDA device, by the command line. `make gpu` runs these; nothing else does."""

import json
from pathlib import Path

import pytest

from bbflow.cli.main import main

ROOT = Path(__file__).parents[2]
SMALL = [
    "--trainer.max_steps=3", "--data.init_args.train_size=64", "--data.init_args.validation_size=32", "--data.init_args.test_size=64",
]  # fmt: skip
GRAPHS = ["--model.init_args.rollout.class_path=LlamaRollout", "--model.init_args.rollout.init_args.graphs=true"]
WAYS = {
    "gpu": ("gpu", []),
    "steps replayed as graphs": ("gpu", GRAPHS),
    "a gradient per capability": ("gpu", ["--model.init_args.weighting=UPGrad"]),
    "sharded": ("fsdp", ["--trainer.devices=1"]),
}


@pytest.mark.gpu
@pytest.mark.parametrize(("part", "options"), WAYS.values(), ids=WAYS)
def test_the_main_job_on_a_gpu(tmp_path: Path, part: str, options: list[str]) -> None:
    trainer = ["--trainer", str(ROOT / "recipes" / "parts" / "trainer" / f"{part}.yaml")]
    command = ["fit", "--config", str(ROOT / "recipes" / "grpo.yaml"), *trainer, *SMALL, *options, f"--trainer.default_root_dir={tmp_path}"]
    assert main(command) == 0
    (report,) = tmp_path.rglob("report.json")
    assert json.loads(report.read_text())["capabilities"]
