"""The plain loss under FSDP: what two processes are left with is what one is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bbflow.errors import InputError
from bbflow.modules import GRPO
from bbflow.modules.training.preflight import trainer_problems
from bbflow.optimization import GDPO
from bbflow.policies import PolicySettings, load_policy
from bbflow.policies.rollouts import TransformersRollout

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grpo", "sft", "sft-wrapped"])
def test_two_processes_under_fsdp_equal_one(tiny_qwen_dir, tmp_path, monkeypatch, kind):
    monkeypatch.syspath_prepend(SCRIPTS)
    import fsdp_step

    command = [sys.executable, fsdp_step.__file__, str(tiny_qwen_dir), "2", str(tmp_path / "left"), kind]
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=900, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(SCRIPTS.parents[1])}
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    ranks = [torch.load(tmp_path / f"left.{rank}", weights_only=True) for rank in (0, 1)]
    start = torch.cat([p.detach().flatten() for p in load_policy(PolicySettings(path=str(tiny_qwen_dir))).model.parameters()])
    metrics, parameters = fsdp_step.steps(str(tiny_qwen_dir), 1, kind)[1]
    assert torch.equal(ranks[0][1], ranks[1][1])
    assert metrics["clipped"] == pytest.approx(0.05, rel=1e-3)
    assert ranks[0][0] == ranks[1][0] == pytest.approx(metrics, rel=1e-3, abs=1e-6)
    difference = (ranks[0][1] - parameters).abs()
    assert difference.mean() < 1e-3 * 1e-2  # of the learning rate: Adam's first step is the sign of the gradient, so one of 0 may differ
    assert (ranks[0][1] - start).abs().mean() > 0.5 * 1e-2


@pytest.fixture
def sharded(make_trainer):
    """A trainer that would shard, as far as it can be made without a GPU."""
    from lightning.pytorch.strategies import FSDPStrategy

    class OnCPU(FSDPStrategy):
        """Escapes Lightning's refusal of FSDP on a CPU."""

    return lambda **settings: make_trainer(max_steps=1, strategy=OnCPU(**settings))


def test_a_gradient_per_capability_is_refused_and_the_alternatives_are_named(sharded):
    (problem,) = trainer_problems(sharded())
    assert problem.where == "trainer.strategy"
    assert "shards the parameters" in problem.what
    assert problem.hint == "use ddp or one device, or `weighting: null`, the plain weighted sum"


def test_units_within_a_policy_that_samples_are_refused_before_it_is_loaded(sharded, tiny_qwen_dir, vowels):
    module = GRPO(PolicySettings(path=str(tiny_qwen_dir)), {"domain": vowels()}, TransformersRollout(4, 8), GDPO())
    module._trainer = sharded(auto_wrap_policy=lambda *_, **__: True)
    with pytest.raises(InputError, match=r"trainer\.strategy: layers that are gathered one by one.*leave `auto_wrap_policy` out"):
        module.setup("fit")
    assert module.policy is None
