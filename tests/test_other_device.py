"""Every tensor, index and generator is made on the device that the model is on; shown on a pretended one, which `make nightly` compiles."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = Path(__file__).parent / "scripts" / "other_device" / "other_device.py"
RECIPES = ROOT / "recipes"
SMALL = [
    "--trainer.accelerator=other", "--trainer.strategy=other", "--trainer.callbacks+=other_device.Watch", "--trainer.max_steps=2",
    "--data.init_args.train_size=32", "--data.init_args.validation_size=16", "--data.init_args.test_size=16",
]  # fmt: skip
LLAMA = "--model.init_args.rollout.class_path=LlamaRollout"
WAYS = {
    "grpo": ["grpo"],
    "a gradient per capability and a penalty": ["grpo", "--model.init_args.weighting=UPGrad", "--model.init_args.kl.coefficient=0.1"],
    "a penalty in the reward": ["grpo", "--model.init_args.kl.coefficient=0.1", "--model.init_args.kl.place=reward"],
    "adapter": ["grpo", "--model.init_args.policy.adapter={r: 4}", "--model.init_args.kl.coefficient=0.1"],
    "adapter, a gradient per capability": ["grpo", "--model.init_args.policy.adapter={r: 4}", "--model.init_args.weighting=UPGrad"],
    "own decoder": ["grpo", LLAMA],
    "steps of fixed shape": ["grpo", LLAMA, "--model.init_args.rollout.init_args.graphs=true"],
    "micro-batches": ["grpo", "--model.init_args.micro_batch_tokens=500", "--model.init_args.experience.resample=1"],
    "several updates": ["grpo", "--model.init_args.experience.updates=2", "--model.init_args.loss.entropy_coefficient=0.01"],
    "measured": ["grpo", "--model.init_args.interference.every=1", "--trainer.precision=bf16-true"],
    "ranked": ["grpo", "--trainer.callbacks+=SelectBestState", "--trainer.val_check_interval=1"],
    "sft": ["sft"],
    "packed": ["sft", "--model.init_args.packing=true", "--model.init_args.max_length=256"],
    "sft, a gradient per capability": ["sft", "--config", str(RECIPES / "parts" / "weighting" / "sft.yaml")],
    "reward model": ["reward", "--model.init_args.micro_batch_tokens=600", "--trainer.val_check_interval=1"],
}


def run(folder: Path, *command: str) -> subprocess.CompletedProcess:
    paths = os.pathsep.join([str(ROOT), str(PROGRAM.parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths, "BBFLOW_CACHE": str(folder / "cache")}
    arguments = [sys.executable, str(PROGRAM), str(folder / "device"), *command]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=600, cwd=folder, env=environment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    if not shutil.which("ninja") or not shutil.which("c++"):
        pytest.skip("the device is compiled with ninja and c++, which are not here")
    folder = tmp_path_factory.mktemp("other")
    (folder / "device").mkdir()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_run_on_another_device(folder, tmp_path, way):
    recipe, *options = way
    done = run(folder, "fit", "--config", str(RECIPES / f"{recipe}.yaml"), *options, *SMALL, f"--trainer.default_root_dir={tmp_path}")
    assert done.returncode == 0, done.stderr[-3000:]
    assert list(tmp_path.rglob("report.json")), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "mixed",
    ["x + torch.ones(4)", "x[0].cpu()[torch.tensor([0]).to('other')]", "torch.cat([x, torch.ones(1, 4)])",
     "torch.rand(3, device='other', generator=torch.Generator())"],
)  # fmt: skip
def test_the_device_refuses_what_is_mixed(folder, mixed):
    code = f"""
import sys, other_device, torch
other_device.register(sys.argv[1])
x = torch.arange(12.0).view(3, 4).to("other")
assert (x @ x.T).sum().item() == 1134.0 and x[torch.tensor([1])].tolist() == [[4.0, 5.0, 6.0, 7.0]]
try:
    {mixed}
except RuntimeError as error:
    print(error)
"""
    environment = os.environ | {"PYTHONPATH": str(PROGRAM.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "device")], capture_output=True, text=True, timeout=600, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "device" in done.stdout.lower()
