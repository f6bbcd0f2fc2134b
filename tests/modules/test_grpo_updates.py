"""Several updates per batch of rollouts, KL in the reward, groups sampled again, mixes that adapt: wired into GRPO."""

import pandas as pd
import pytest
import torch

from bbflow.capabilities import Capability, DynamicMix
from bbflow.errors import InputError
from bbflow.modules import GRPO
from bbflow.modules.training.policy_step import rollout_logprobs
from bbflow.modules.training.settings import ExperienceSettings
from bbflow.optimization import GDPO, LossSettings, OptimizerSettings
from bbflow.optimization.kl import KLSettings
from bbflow.optimization.weightings import UPGrad, WeightedSum
from bbflow.policies import PolicySettings
from bbflow.policies.rollouts import TransformersRollout
from bbflow.rewards.base import Reward

CLIP = {"clip_low": 0.02, "clip_high": 0.02}


class Watched(GRPO):
    """Keeps the rollouts, and parameters and gradient of every update."""

    seen: list

    def collect_experience(self, examples, batch_idx):
        self.gathered, self.seen = super().collect_experience(examples, batch_idx), []
        return self.gathered

    def on_before_optimizer_step(self, optimizer):
        super().on_before_optimizer_step(optimizer)
        state = [p.detach().clone() for p in self.parameters()]
        self.seen.append((state, torch.cat([p.grad.flatten().clone() for p in self.parameters()])))


def run(folder, capabilities, make_trainer, data, steps=1, trainer=None, **changes):
    torch.manual_seed(3)
    settings = OptimizerSettings(learning_rate=3e-3)
    module = Watched(PolicySettings(path=str(folder)), capabilities, TransformersRollout(4, 8), GDPO(), optimizer=settings, **changes)
    made = make_trainer(max_steps=steps, **(trainer or {}))
    made.fit(module, data)
    return module, made


def written_out(module, number, old_NT, settings):
    """The clipped loss of one update, by autograd: its gradient, and the log-probabilities."""
    for parameter, value in zip(module.parameters(), module.seen[number][0], strict=True):
        parameter.data.copy_(value)
        parameter.grad = None
    module.model.eval()
    rollouts, mask = module.gathered.rollouts, module.gathered.rollouts.completion_mask_NT
    logprobs = rollout_logprobs(module.model, rollouts, 1.0)
    ratio = (logprobs - (logprobs.detach() if old_NT is None else old_NT)).exp()
    advantages = torch.tensor(module.last_rollouts.advantages)[:, None]
    low, high = settings.clip
    objective = torch.minimum(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)
    (-(objective * mask).sum() / mask.sum()).backward()
    return torch.cat([p.grad.flatten() for p in module.parameters()]), logprobs.detach()


@pytest.fixture
def examples(example):
    return [example(i, question=f"Question {i}?") for i in range(4)]


@pytest.mark.parametrize("weighting", [None, WeightedSum()], ids=["one loss", "a gradient per capability"])
def test_later_updates_are_clipped_against_the_first(tiny_qwen_dir, examples, vowels, make_trainer, make_data, tmp_path, weighting):
    loss = LossSettings(**CLIP)
    module, trainer = run(
        tiny_qwen_dir, {"domain": vowels()}, make_trainer, make_data(examples), loss=loss, weighting=weighting, experience=ExperienceSettings(updates=3)
    )  # fmt: skip
    assert len(module.seen) == 3
    assert trainer.global_step == 1  # batches of rollouts
    assert 0 < float(trainer.callback_metrics["train/clipped"]) < 1
    trainer.logger.save()
    logged = pd.read_csv(tmp_path / "run" / "metrics.csv").iloc[0]
    assert 0 <= logged["train/reward/domain"] <= 1
    assert logged["train/clipped"] == pytest.approx(float(trainer.callback_metrics["train/clipped"]))
    gradients, (first, old), latest = [s[1] for s in module.seen], written_out(module, 0, None, loss), written_out(module, 2, None, loss)[1]
    torch.testing.assert_close(gradients[0], first, atol=1e-6, rtol=1e-4)
    assert ((latest - old).abs() > 0.02).any()
    torch.testing.assert_close(gradients[2], written_out(module, 2, old, loss)[0], atol=1e-6, rtol=1e-3)
    assert module.batch_in_use.experience is None  # the next batch is sampled anew


def test_old_logprobs_can_be_those_of_the_engine(tiny_qwen_dir, examples, vowels, make_trainer, make_data):
    class Shifted(TransformersRollout):
        def generate(self, *args, **kwargs):
            from dataclasses import replace

            rollouts = super().generate(*args, **kwargs)
            shift = 0.05 * torch.randn(rollouts.logprobs_NT.shape, generator=torch.Generator().manual_seed(1))
            return replace(rollouts, logprobs_NT=rollouts.logprobs_NT + shift)

    loss = LossSettings(**CLIP)
    module = Watched(
        PolicySettings(path=str(tiny_qwen_dir)),
        {"domain": vowels()},
        Shifted(4, 8),
        GDPO(),
        loss,
        experience=ExperienceSettings(old_logprobs="sampled"),
    )
    trainer = make_trainer(max_steps=1)
    trainer.fit(module, make_data(examples))
    expected, _ = written_out(module, 0, module.gathered.rollouts.logprobs_NT, loss)
    torch.testing.assert_close(module.seen[0][1], expected, atol=1e-6, rtol=1e-3)
    assert float(trainer.callback_metrics["train/clipped"]) > 0.1


def test_what_all_updates_of_a_batch_did_is_measured_by_the_next(tiny_qwen_dir, examples, vowels, make_trainer, make_data):
    class Measured(Watched):
        steps = ()

        def on_before_optimizer_step(self, optimizer):
            rows, counts, jacobian = self.update.jacobian.rows_RP.clone(), self.update._normalizers_R.clone(), self.update.jacobian
            parameters = jacobian.flatten(jacobian.parameters)
            super().on_before_optimizer_step(optimizer)
            self.steps = (*self.steps, (parameters, rows, counts, self.last_geometry.applied_K))

    torch.manual_seed(3)
    capabilities = {"domain": vowels("aeiou"), "safety": vowels("nrst", tasks=["fact_recall"])}
    module = Measured(
        PolicySettings(path=str(tiny_qwen_dir)), capabilities, TransformersRollout(4, 8), GDPO(),
        optimizer=OptimizerSettings(learning_rate=1e-3), weighting=UPGrad(), experience=ExperienceSettings(updates=3),
    )  # fmt: skip
    make_trainer(max_steps=2).fit(module, make_data(examples * 2))
    assert [applied is None for *_, applied in module.steps] == [True, True, True, False, True, True]
    (start, *_), (now, rows, counts, applied) = module.steps[0], module.steps[3]
    halves, change = rows.double().view(2, 2, -1).sum(0), (now - start).double()
    torch.testing.assert_close(applied, halves @ change / counts.view(2, 2).sum(0), rtol=1e-6, atol=1e-12)


def test_several_updates_and_accumulation_are_refused_together(tiny_qwen_dir, examples, vowels, make_trainer, make_data):
    with pytest.raises(InputError, match="accumulate"):
        run(
            tiny_qwen_dir,
            {"domain": vowels()},
            make_trainer,
            make_data(examples),
            experience=ExperienceSettings(updates=2),
            trainer={"accumulate_grad_batches": 2},
        )


def test_wrong_counts_are_refused_together(tiny_qwen_dir, examples, vowels, make_trainer, make_data):
    with pytest.raises(InputError) as caught:
        run(tiny_qwen_dir, {"domain": vowels()}, make_trainer, make_data(examples), experience=ExperienceSettings(updates=0, resample=-1))
    assert {p.where.rsplit(".", 1)[1] for p in caught.value.problems} == {"updates", "resample"}


@pytest.mark.parametrize("weighting", [None, WeightedSum()], ids=["one loss", "a gradient per capability"])
def test_a_kl_in_the_reward_counts_against_the_advantage(tiny_qwen_dir, examples, vowels, make_trainer, make_data, weighting):
    data = make_data(examples * 2)
    module, trainer = run(
        tiny_qwen_dir, {"domain": vowels()}, make_trainer, data, steps=2, weighting=weighting, kl=KLSettings(0.5, place="reward")
    )  # fmt: skip
    rollouts, reference = module.gathered.rollouts, module.gathered.reference_NT
    strayed = (rollouts.logprobs_NT - reference).sum(1).unflatten(0, (-1, 4))
    penalty = -0.5 * (strayed - strayed.mean(1, keepdim=True)).flatten()
    assert penalty.abs().max() > 0.01
    advantages = torch.tensor(module.last_rollouts.advantages) + penalty
    (state, gradient), mask = module.seen[0], rollouts.completion_mask_NT
    for parameter, value in zip(module.parameters(), state, strict=True):
        parameter.data.copy_(value)
        parameter.grad = None
    module.model.eval()
    (-(advantages[:, None] * rollout_logprobs(module.model, rollouts, 1.0)).sum() / mask.sum()).backward()
    torch.testing.assert_close(gradient, torch.cat([p.grad.flatten() for p in module.parameters()]), atol=1e-6, rtol=1e-3)
    assert float(trainer.callback_metrics["train/kl"]) > 0


class Even(Reward):
    """Pays for an even number of characters."""

    def __call__(self, examples, completions):
        return [float(len(text) % 2 == 0) for text in completions]


def test_sampling_again_leaves_fewer_dead_groups(tiny_qwen_dir, examples, make_trainer, make_data):
    dead = []
    for resample in (0, 4):
        capability = Capability(Even(), {"even": Even()})
        module, trainer = run(
            tiny_qwen_dir,
            {"domain": capability},
            make_trainer,
            make_data(examples * 2, batch_size=8),
            experience=ExperienceSettings(resample=resample),
        )
        dead.append(float(trainer.callback_metrics["train/dead_groups"]))
    assert dead[0] > dead[1]
    assert float(trainer.callback_metrics["train/resampled"]) > 0
    assert module.tokens_generated > int(module.gathered.rollouts.completion_mask_NT.sum())


def test_a_dynamic_mix_is_logged_and_comes_back_from_a_checkpoint(tiny_qwen_dir, examples, vowels, make_trainer, make_data, tmp_path):
    def capabilities():
        rewards = {"letters": vowels().rewards["letters"], "never": vowels("").rewards["letters"]}
        return {"domain": vowels(rewards=rewards, dynamic_mix=DynamicMix(memory=0.5))}

    module, trainer = run(tiny_qwen_dir, capabilities(), make_trainer, make_data(examples))
    assert trainer.callback_metrics["train/mix/domain/letters"] == 2.0
    assert trainer.callback_metrics["train/mix/domain/never"] == 0.5
    trainer.save_checkpoint(tmp_path / "c.ckpt")
    fresh = GRPO(PolicySettings(path=str(tiny_qwen_dir)), capabilities(), TransformersRollout(4, 8), GDPO())
    fresh.configure_model()
    fresh.on_load_checkpoint(torch.load(tmp_path / "c.ckpt", weights_only=True))
    assert fresh.capabilities["domain"].mixture.shares == module.capabilities["domain"].mixture.shares == {"letters": 1.0, "never": 0.0}


@pytest.mark.parametrize("kind", ["grpo", "bnpo", "dr_grpo", "cispo", "gspo"])
def test_every_loss_trains_with_several_updates(tiny_qwen_dir, examples, vowels, make_trainer, make_data, kind):
    loss = LossSettings(kind, entropy_coefficient=0.01)
    module, trainer = run(
        tiny_qwen_dir,
        {"domain": vowels()},
        make_trainer,
        make_data(examples),
        loss=loss,
        experience=ExperienceSettings(updates=2),
        kl=KLSettings(0.1),
    )
    assert torch.isfinite(trainer.callback_metrics["train/loss"])
    assert module.seen[1][1].abs().max() > 0


@pytest.mark.parametrize(
    ("bad", "named"),
    [([float("inf")], "inf"), ([float("nan")], "nan"), ([1.5], "1.5"), ([0.5, 0.5], "32 scores for 16")],
    ids=["infinite", "nan", "out of range", "wrong count"],
)
def test_a_bad_reward_late_in_the_run_leaves_the_last_checkpoint_intact(
    tiny_qwen_dir, examples, vowels, make_trainer, make_data, tmp_path, bad, named
):
    from lightning.pytorch.callbacks import ModelCheckpoint

    class BreaksLater(Reward):
        calls = 0

        def __call__(self, given, completions):
            self.calls += 1
            return [0.5] * len(given) if self.calls < 3 else bad * len(given)

    every = ModelCheckpoint(tmp_path / "kept", every_n_train_steps=1, save_top_k=-1, filename="{step}")
    with pytest.raises(InputError) as caught:
        run(
            tiny_qwen_dir, {"domain": vowels(rewards={"late": BreaksLater()})}, make_trainer, make_data(examples * 4), steps=4,
            trainer={"callbacks": [every], "enable_checkpointing": True},
        )  # fmt: skip
    for part in ("reward 'late'", named, "example e000", "completion '"):
        assert part in str(caught.value)
    saved = sorted(p.name for p in (tmp_path / "kept").iterdir())
    assert saved == ["step=1.ckpt", "step=2.ckpt"]
    assert torch.load(tmp_path / "kept" / "step=2.ckpt", weights_only=True)["global_step"] == 2
