"""A gradient that is not finite: injected into one step of every module, in every way that an update is made."""

import json

import pandas as pd
import pytest
import torch

from bbflow.errors import Refused
from bbflow.modules import GRPO, SFT
from bbflow.modules.training.gradient_check import MOST_IN_A_ROW
from bbflow.optimization import GDPO, OptimizerSettings
from bbflow.optimization.weightings import UPGrad
from bbflow.policies import PolicySettings
from bbflow.policies.rollouts import TransformersRollout

KINDS = ("sft", "grpo", "grpo with a weighting")


def make_module(kind, folder, vowels, bad_steps, nonfinite):
    """A module whose gradient is not finite in some steps, and that keeps its weights as they were after every step."""
    policy, optimizer = PolicySettings(path=str(folder)), OptimizerSettings(learning_rate=1e-2, nonfinite=nonfinite)
    base = SFT if kind == "sft" else GRPO

    class Broken(base):
        def on_train_batch_start(self, batch, batch_idx):
            super().on_train_batch_start(batch, batch_idx)
            self.weights.append([p.detach().clone() for p in self.parameters()])

        def sum_over_tokens(self, total, count):
            return super().sum_over_tokens(total * (float("nan") if self.global_step in bad_steps() else 1.0), count)

        def on_before_optimizer_step(self, optimizer):
            if self.update is not None and self.global_step in bad_steps():
                self.update.jacobian.rows_RP[0, 3] = float("inf")
            super().on_before_optimizer_step(optimizer)

    # Lightning counts a skipped step as a step of the optimiser, so global_step goes on
    if kind == "sft":
        module = Broken(policy, optimizer=optimizer)
    else:
        weighting = UPGrad() if "weighting" in kind else None
        capabilities = {"domain": vowels(), "safety": vowels("stxyz")}
        module = Broken(policy, capabilities, TransformersRollout(4, 8), GDPO(), optimizer=optimizer, weighting=weighting)
    module.weights = []
    return module


def train(module, example, make_trainer, make_data, steps, **settings):
    torch.manual_seed(1)
    examples = [example(i, question=f"Question {i}?", capabilities=["domain", "safety"]) for i in range(4)]
    trainer = make_trainer(max_steps=steps, **settings)
    trainer.fit(module, make_data(examples, batch_size=2))
    return trainer


@pytest.mark.parametrize("kind", KINDS)
def test_stop_keeps_the_batch_and_the_weights(kind, tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path):
    module = make_module(kind, tiny_qwen_dir, vowels, lambda: {2}, "stop")
    with pytest.raises(Refused, match=r"gradient of step 2 is not finite \(its batch: .*step-000002-rank-0.jsonl\)"):
        train(module, example, make_trainer, make_data, 5)
    assert all(p.isfinite().all() for p in module.parameters())
    kept = [json.loads(line) for line in (tmp_path / "run" / "faults" / "step-000002-rank-0.jsonl").read_text().splitlines()]
    assert len(kept) == 2
    assert kept[0]["messages"][0]["content"].startswith("Question ")
    rollouts = tmp_path / "run" / "faults" / "step-000002-rank-0.rollouts.parquet"
    assert rollouts.exists() == (kind != "sft")
    if kind != "sft":
        assert set(pd.read_parquet(rollouts)["example_id"]) == {row["example_id"] for row in kept}


@pytest.mark.parametrize("kind", KINDS)
def test_skip_leaves_weights_and_moments_and_goes_on(kind, tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path):
    module = make_module(kind, tiny_qwen_dir, vowels, lambda: {2, 3}, "skip")
    with pytest.warns(UserWarning, match="gradient of step 2 is not finite.*: the step is skipped"):
        train(module, example, make_trainer, make_data, 6)
    moved = [
        any(not torch.equal(a, b) for a, b in zip(*pair, strict=True)) for pair in zip(module.weights, module.weights[1:], strict=False)
    ]
    assert moved == [True, True, False, False, True]
    assert sorted(p.name for p in (tmp_path / "run" / "faults").glob("*.jsonl")) == ["step-000002-rank-0.jsonl", "step-000003-rank-0.jsonl"]


def test_what_never_recovers_stops_all_the_same(tiny_qwen_dir, example, vowels, make_trainer, make_data):
    module = make_module("sft", tiny_qwen_dir, vowels, lambda: set(range(1, 100)), "skip")
    with pytest.warns(UserWarning, match="skipped"), pytest.raises(Refused, match="the weights themselves are broken"):
        train(module, example, make_trainer, make_data, 50)
    assert module.global_step == MOST_IN_A_ROW


def test_all_micro_batches_of_a_step_are_kept(tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path):
    module = make_module("sft", tiny_qwen_dir, vowels, lambda: {1}, "stop")
    with pytest.raises(Refused):
        train(module, example, make_trainer, make_data, 3, accumulate_grad_batches=2)
    assert len((tmp_path / "run" / "faults" / "step-000001-rank-0.jsonl").read_text().splitlines()) == 4


def test_a_policy_that_computes_no_numbers_names_the_step_and_keeps_the_batch(
    tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path
):
    module = make_module("grpo", tiny_qwen_dir, vowels, set, "skip")
    module.optimizer_settings = OptimizerSettings(learning_rate=1e30)
    path = "run/faults/step-000001-rank-0.jsonl"
    with pytest.raises(Refused, match=rf"step 1: the policy computes numbers that are not finite.* \(the batch: .*{path}\)"):
        train(module, example, make_trainer, make_data, 5)
    kept = [json.loads(line)["messages"][0]["content"] for line in (tmp_path / path).read_text().splitlines()]
    assert kept == ["Question 2?", "Question 3?"]
    assert not list(tmp_path.rglob("*.rollouts.parquet"))  # nothing was sampled from this batch
