import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from bbflow.errors import InputError
from bbflow.modules import GRPO, SFT
from bbflow.modules.training import policy_step
from bbflow.modules.training.metric_sums import MetricSums
from bbflow.modules.training.policy_step import rollout_logprobs
from bbflow.optimization import GDPO, KLSettings, OptimizerSettings, SumThenNormalize
from bbflow.optimization.advantages import Advantages
from bbflow.optimization.weightings import UPGrad
from bbflow.policies import LoraSettings, PolicySettings, completion_logprobs
from bbflow.policies.rollouts import TransformersRollout
from bbflow.rewards.base import Reward


def make_module(folder, capabilities, adapter=None, **changes):
    policy = PolicySettings(path=str(folder), adapter=adapter)
    rollout = TransformersRollout(group_size=4, max_new_tokens=8)
    return GRPO(policy, capabilities, rollout, changes.pop("advantage", GDPO()), **changes)


def fixed(advantages_N, group_size):
    """Advantages of one capability."""
    alive_KG = (advantages_N != 0).view(1, -1, group_size).any(2)
    return Advantages(advantages_N[None], torch.ones(1), alive_KG)


def fit(module, data, make_trainer, tmp_path, **settings):
    torch.manual_seed(5)
    trainer = make_trainer(**settings)
    trainer.fit(module, data)
    trainer.logger.finalize("success")
    return pd.read_csv(tmp_path / "run" / "metrics.csv")


@pytest.mark.parametrize("advantage", [GDPO(), SumThenNormalize()])
@pytest.mark.parametrize("adapter", [None, LoraSettings(r=8, dropout=0.1)])
def test_the_reward_rises(tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path, advantage, adapter):
    examples = [example(i, question=f"Question {i}?") for i in range(8)]
    settings = OptimizerSettings(learning_rate=5e-3 if adapter is None else 2e-2)
    module = make_module(tiny_qwen_dir, {"domain": vowels()}, adapter, optimizer=settings, advantage=advantage)
    metrics = fit(module, make_data(examples, batch_size=8), make_trainer, tmp_path, max_steps=25, gradient_clip_val=1.0)
    reward = metrics["train/reward/domain"]
    assert reward[-5:].mean() > 1.3 * reward[:5].mean()


def test_the_gradient_is_that_of_the_algorithm_written_out(tiny_dir, example, vowels, make_trainer, make_data):
    class Watched(GRPO):
        def on_before_optimizer_step(self, optimizer):
            super().on_before_optimizer_step(optimizer)
            self.gradient = [p.grad.clone() for p in self.parameters()]

        def sample(self, examples, batch_idx, attempt=0):
            self.rollouts = super().sample(examples, batch_idx, attempt)
            self.before = [p.detach().clone() for p in self.parameters()]
            return self.rollouts

    capabilities = {"domain": vowels("aeiou", weight=2.0), "safety": vowels("stxyz", tasks=["fact_recall"])}
    module = Watched(PolicySettings(path=str(tiny_dir)), capabilities, TransformersRollout(4, 8, temperature=1.3), GDPO())
    examples = [example(i, question=f"Question {i}?") for i in range(3)]
    make_trainer(max_steps=1).fit(module, make_data(examples))

    record, rollouts = module.last_rollouts, module.rollouts
    summed = torch.zeros(12, dtype=torch.float64)
    for name, capability in capabilities.items():
        for group in range(3):
            rows = torch.tensor(record.rewards[name][4 * group : 4 * group + 4], dtype=torch.float64)
            if rows.std() > 0:
                summed[4 * group : 4 * group + 4] += capability.weight * (rows - rows.mean()) / rows.std()
    advantages = summed / summed.square().mean().sqrt()
    assert record.advantages == pytest.approx(advantages.tolist())
    for parameter, value in zip(module.parameters(), module.before, strict=True):
        parameter.data.copy_(value)
        parameter.grad = None
    module.model.eval()
    logprobs = completion_logprobs(
        module.model, rollouts.prompt_ids_BP, rollouts.prompt_mask_BP, rollouts.completion_ids_NT, rollouts.completion_mask_NT,
        group_size=4, temperature=1.3, share_prompt=False,
    )  # fmt: skip
    (-(advantages[:, None] * logprobs).sum() / rollouts.completion_mask_NT.sum()).backward()
    for parameter, seen in zip(module.parameters(), module.gradient, strict=True):
        torch.testing.assert_close(seen, parameter.grad, atol=1e-6, rtol=1e-4)


def test_the_same_seed_gives_the_same_metrics(tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path):
    examples = [example(i, question=f"Question {i}?") for i in range(8)]
    tables = []
    for _ in range(2):
        module = make_module(tiny_qwen_dir, {"domain": vowels()}, optimizer=OptimizerSettings(learning_rate=1e-2))
        metrics = fit(module, make_data(examples, examples), make_trainer, tmp_path, max_steps=4, val_check_interval=2)
        tables.append(metrics[[c for c in metrics if not c.endswith("_seconds")]])
    pd.testing.assert_frame_equal(*tables)
    assert tables[0]["validation/domain"].notna().sum() == 2


def test_what_is_logged(tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path):
    module = make_module(tiny_qwen_dir, {"domain": vowels(), "safety": vowels()}, kl=KLSettings(0.1))
    metrics = fit(module, make_data([example(1), example(2)]), make_trainer, tmp_path, max_steps=1)
    logged = {c.removeprefix("train/") for c in metrics if c.startswith("train/")}
    assert logged == {
        "loss", "grad_norm", "kl", "entropy", "completion_length", "truncated", "dead_groups", "tokens_generated",
        "reward/domain", "reward_std/domain", "signal/domain", "signal/safety", "rollout_seconds", "reward_seconds",
    } - {"signal/safety"}  # fmt: skip  # no example is judged on safety
    record = module.last_rollouts
    row = metrics.iloc[0]
    assert row["train/reward/domain"] == pytest.approx(sum(record.rewards["domain"]) / 8, abs=1e-6)
    assert row["train/truncated"] == pytest.approx(sum(record.truncated) / 8)
    assert row["train/tokens_generated"] == pytest.approx(8 * row["train/completion_length"])


@pytest.mark.parametrize("weighting", [None, UPGrad()])
def test_a_step_logs_nothing_of_the_steps_before_so_that_a_resumed_run_logs_the_same(
    weighting, tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path
):
    """Every other batch is judged on safety, and taught by its reference; one run goes on from the middle of the epoch."""
    judged = ["safety", "domain", "safety", "domain", "domain", "domain", "safety", "domain"]
    examples = [example(i, question=f"Question {i}?", capabilities=[name]) for i, name in enumerate(judged)]

    def run(folder, resumed=None):
        torch.manual_seed(5)
        capabilities = {"domain": vowels(), "safety": vowels("stxyz")}
        module = make_module(tiny_qwen_dir, capabilities, weighting=weighting, reference_advantage={"safety": 1.0})
        data = make_data(examples, batch_size=1)
        if resumed:
            data.splits["train"] = examples[3:] + examples[:3]  # this loader knows nothing of the epoch's progress
        states = ModelCheckpoint(tmp_path / folder, filename="{step}", every_n_train_steps=1, save_top_k=-1)
        trainer = make_trainer(max_steps=8, folder=tmp_path / folder, callbacks=[states], enable_checkpointing=True)
        trainer.fit(module, data, ckpt_path=resumed, weights_only=True)
        trainer.logger.finalize("success")
        metrics = pd.read_csv(tmp_path / folder / "metrics.csv")
        return metrics[[c for c in metrics if not c.endswith("_seconds")]].set_index("step")

    whole = run("whole")
    resumed = run("resumed", tmp_path / "whole" / "step=3.ckpt")
    pd.testing.assert_frame_equal(whole.loc[3:], resumed[whole.columns])
    for kind in ("reward/", "reward_std/", "signal/"):
        assert whole[f"train/{kind}safety"].notna().tolist() == [name == "safety" for name in judged]
    assert whole["train/reference_loss"].notna().tolist() == [name == "safety" for name in judged]


def test_groups_without_advantage_are_not_run(tiny_qwen_dir, example, vowels, monkeypatch):
    module = make_module(tiny_qwen_dir, {"domain": vowels()})
    module.configure_model()
    experience = module.collect_experience([example(i, question=f"Question {i}?") for i in range(3)], 0)
    rollouts, rows = experience.rollouts, []
    monkeypatch.setattr(
        policy_step, "rollout_logprobs", lambda model, r, *at: rows.append(len(r.completion_ids_NT)) or rollout_logprobs(model, r, *at)
    )
    advantages = torch.zeros(12)
    advantages[4:8] = torch.tensor([1.0, -1.0, 0.5, -0.5])
    term = module.policy_step.sampled(experience, fixed(advantages, 4))
    module.policy_step.scalar_loss(term, MetricSums())[0].backward()
    partial = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    monitored = rollout_logprobs(module.model.eval(), rollouts, 1.0)
    (-(advantages[:, None] * monitored).sum()).backward()
    assert rows[0] == 4
    for seen, parameter in zip(partial, module.parameters(), strict=True):
        torch.testing.assert_close(seen, parameter.grad, atol=1e-4, rtol=1e-4)


def test_a_bad_reward_stops_the_run_and_names_itself(tiny_qwen_dir, example, vowels, make_trainer, make_data):
    class Broken(Reward):
        def __call__(self, examples, completions):
            return [float("nan")] * len(examples)

    module = make_module(tiny_qwen_dir, {"domain": vowels(rewards={"broken": Broken()})})
    with pytest.raises(InputError, match=r"reward 'broken'.*e0001|e0001.*reward 'broken'"):
        make_trainer(max_steps=1).fit(module, make_data([example(1)]))


def test_the_reference_stays_out_of_checkpoints(tiny_qwen_dir, vowels):
    module = make_module(tiny_qwen_dir, {"domain": vowels()}, kl=KLSettings(0.1))
    module.configure_model()
    plain = make_module(tiny_qwen_dir, {"domain": vowels()})
    plain.configure_model()
    assert module.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize(("dtype", "precision"), [("float32", "bf16-mixed"), ("bfloat16", "bf16-true"), ("bfloat16", "32-true")])
@pytest.mark.parametrize("module_class", ["GRPO", "SFT"])
def test_lower_precisions_run(module_class, dtype, precision, tiny_qwen_dir, example, vowels, make_trainer, make_data):
    policy = PolicySettings(path=str(tiny_qwen_dir), dtype=dtype, adapter=LoraSettings(r=2))
    capabilities, rollout = {"domain": vowels()}, TransformersRollout(group_size=4, max_new_tokens=8)
    module = GRPO(policy, capabilities, rollout, GDPO()) if module_class == "GRPO" else SFT(policy, capabilities)
    trainer = make_trainer(max_steps=2, precision=precision, gradient_clip_val=1.0)
    examples = [example(i, question=f"Question {i}?") for i in range(4)]
    trainer.fit(module, make_data(examples * 2, examples))
    assert torch.isfinite(trainer.callback_metrics["train/grad_norm"])
    assert torch.isfinite(trainer.callback_metrics["validation/domain"])
