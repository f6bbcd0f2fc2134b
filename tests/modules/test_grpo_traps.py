"""Where implementations of GRPO go wrong, each with its test (19 is in test_sft.py); the numbers are those of the project's list of traps."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from bbflow.capabilities import DynamicMix
from bbflow.errors import InputError
from bbflow.modules import GRPO
from bbflow.modules.training import policy_step
from bbflow.modules.training.metric_sums import MetricSums
from bbflow.modules.training.policy_step import rollout_logprobs
from bbflow.modules.training.settings import ExperienceSettings
from bbflow.optimization import GDPO, KLSettings, LossSettings, OptimizerSettings, SumThenNormalize, loss_mask, policy_loss, weightings
from bbflow.optimization.advantages import Advantages
from bbflow.policies import LoraSettings, PolicySettings, completion_logprobs, load_policy
from bbflow.policies.policy import pad
from bbflow.policies.reference import Reference
from bbflow.policies.reward_heads import HEADS_FILE, RewardModelFile, RewardScorer, load_scorer
from bbflow.policies.rollouts import TransformersRollout
from bbflow.rewards.base import Reward

NAN = math.nan
PROMPTS = [[5, 9, 11, 40, 7], [8, 30], [30, 31, 32]]


def make_module(folder, capabilities, **changes):
    rollout = TransformersRollout(**{"group_size": 4, "max_new_tokens": 8, **changes.pop("rollout", {})})
    settings = PolicySettings(path=str(folder), adapter=changes.pop("adapter", None))
    module = GRPO(settings, capabilities, rollout, changes.pop("advantage", GDPO()), **changes)
    module.configure_model()
    return module


def values(module, rollouts, model=None):
    with torch.no_grad():
        return rollout_logprobs(model or module.model, rollouts, module.rollout.temperature)


def scalar_loss(module, experience, advantages_N):
    """The summed loss of completions with these advantages."""
    alive_KG = (advantages_N != 0).view(1, -1, 4).any(2)
    term = module.policy_step.sampled(experience, Advantages(advantages_N[None], torch.ones(1), alive_KG))
    return module.policy_step.scalar_loss(term, MetricSums())[0]


@pytest.fixture
def examples(example):
    return [example(i, question=f"Question {i}?") for i in range(4)]


def test_trap_01_temperature_divides_new_and_reference_logprobs_like_the_sampled_ones(tiny_dir, vowels, examples):
    module = make_module(tiny_dir, {"domain": vowels()}, rollout={"temperature": 0.6}, kl=KLSettings(0.1))
    rollouts = module.sample(examples, 0)
    module.model.eval()
    torch.testing.assert_close(values(module, rollouts), rollouts.logprobs_NT, atol=1e-5, rtol=1e-5)
    with module.reference_policy.model(module.device) as reference:
        torch.testing.assert_close(values(module, rollouts, reference), rollouts.logprobs_NT, atol=1e-5, rtol=1e-5)
    module.rollout.temperature = 1.0
    assert (values(module, rollouts) - rollouts.logprobs_NT).abs().max() > 0.01


def test_trap_02_logprobs_do_not_depend_on_padding(tiny_gpt2_dir):
    model = load_policy(PolicySettings(path=str(tiny_gpt2_dir))).model.eval()
    completion = pad([[3, 4, 5]], 0, "right")
    alone = completion_logprobs(model, *pad([[8, 30]], 0, "left"), *completion)
    prompts, mask = pad([[8, 30]], 0, "left")
    ids, completion_mask = completion
    for pad_id in (0, 30):
        padded = completion_logprobs(
            model,
            torch.cat([torch.full((1, 7), pad_id), prompts], 1), torch.cat([torch.zeros(1, 7, dtype=torch.bool), mask], 1),
            torch.cat([ids, torch.full((1, 5), pad_id)], 1), torch.cat([completion_mask, torch.zeros(1, 5, dtype=torch.bool)], 1),
        )  # fmt: skip
        torch.testing.assert_close(padded[:, :3], alone)


def test_trap_03_completion_masks_come_from_lengths_and_every_end_mark_counts(tiny_qwen_dir):
    policy = load_policy(PolicySettings(path=str(tiny_qwen_dir)))
    policy = replace(policy, eos_ids=tuple(range(40)), pad_id=39)  # the pad id is one of many end marks
    rollouts = TransformersRollout(group_size=16, max_new_tokens=10, temperature=2.0).generate(policy, PROMPTS)
    ended = [c for c, truncated in zip(rollouts.completions(), rollouts.truncated_N.tolist(), strict=True) if not truncated]
    assert len({c[-1] for c in ended}) > 1  # ended by different marks
    assert all(c[-1] < 40 and all(token >= 40 for token in c[:-1]) for c in ended)  # the first is kept, and nothing after it
    assert rollouts.completion_mask_NT.sum() == sum(len(c) for c in rollouts.completions())


def test_trap_04_a_token_is_predicted_by_the_one_before_it(tiny_dir):
    model = load_policy(PolicySettings(path=str(tiny_dir))).model.eval()
    got = completion_logprobs(model, *pad(PROMPTS[:1], 0, "left"), *pad([[3, 4]] * 2, 0, "right"), group_size=2)
    logits = model(torch.tensor([[*PROMPTS[0], 3, 4]])).logits[0].log_softmax(-1)
    torch.testing.assert_close(got[0], torch.stack([logits[4, 3], logits[5, 4]]), atol=1e-5, rtol=1e-5)
    assert got.shape == (2, 2)


def test_trap_05_dropout_is_off_while_logprobs_are_compared(tiny_qwen_dir, vowels, examples, monkeypatch):
    module = make_module(tiny_qwen_dir, {"domain": vowels()}, adapter=LoraSettings(r=4, dropout=0.5), kl=KLSettings(1.0))
    module.train()
    for name, parameter in module.model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.5)
    seen = []
    monkeypatch.setattr(policy_step, "rollout_logprobs", lambda model, r, *at: seen.append(rollout_logprobs(model, r, *at)) or seen[-1])
    module.log = lambda *_, **__: None
    experience = module.collect_experience(examples, 0)
    scalar_loss(module, experience, torch.ones(16))
    reference, new = seen
    torch.testing.assert_close(new.detach(), experience.rollouts.logprobs_NT, atol=1e-5, rtol=1e-5)
    assert (new - reference).abs().max() > 0.01  # the adapter does act
    assert module.model.training


def test_trap_06_a_loss_of_zero_can_have_a_gradient(tiny_qwen_dir, vowels, examples):
    module = make_module(tiny_qwen_dir, {"domain": vowels()})
    experience = module.collect_experience(examples[:1], 0)
    mask = torch.ones_like(experience.rollouts.completion_mask_NT)
    experience.rollouts = replace(experience.rollouts, completion_mask_NT=mask)
    loss = scalar_loss(module, experience, torch.tensor([1.0, -1.0, 1.0, -1.0]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-5)
    assert max(p.grad.abs().max() for p in module.parameters()) > 0.1


@pytest.mark.parametrize("advantage", [GDPO(), SumThenNormalize()])
def test_trap_07_groups_without_spread_teach_exactly_nothing(advantage):
    one = advantage({"a": torch.tensor([0.9, 0.1])}, 1, {"a": 1.0})
    assert one.combined_N.tolist() == [0.0, 0.0]
    flat = advantage({"a": torch.full((6,), 0.1)}, 3, {"a": 1.0})
    assert flat.combined_N.tolist() == [0.0] * 6
    fine = SumThenNormalize()({"a": torch.tensor([1, 1, 1, 1.0078], dtype=torch.bfloat16)}, 4, {"a": 1.0})
    assert fine.combined_N.tolist() == pytest.approx([-0.5, -0.5, -0.5, 1.5])


def test_trap_08_equal_prompts_in_a_batch_stay_apart(tiny_qwen_dir, vowels, example):
    module = make_module(tiny_qwen_dir, {"domain": vowels()})
    rollouts = module.sample([example(1), example(1)], 0)
    assert rollouts.completions()[:4] != rollouts.completions()[4:]
    rewards = {"a": torch.tensor([0.0, 1.0, 5.0, 7.0]) / 7}
    assert SumThenNormalize()(rewards, 2, {"a": 1.0}).combined_N.tolist() == pytest.approx([-math.sqrt(0.5), math.sqrt(0.5)] * 2)


def test_trap_09_two_micro_batches_equal_one_batch(tiny_qwen_dir, vowels, examples, make_trainer, make_data, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "scripts")
    from ddp_step import Recorded, Watched

    def gradient(batch_size, accumulate):
        module = Watched(PolicySettings(path=str(tiny_qwen_dir)), {"domain": vowels()}, Recorded(), SumThenNormalize())
        make_trainer(max_steps=1, accumulate_grad_batches=accumulate).fit(module, make_data(examples, batch_size=batch_size))
        return module.gradient

    whole = gradient(4, 1)
    assert whole.abs().max() > 0
    torch.testing.assert_close(whole, gradient(2, 2), atol=1e-6, rtol=1e-4)


VARIANTS = {
    "scalar": ":grpo:",
    "micro-batches": ":grpo:1",
    "micro-batches of sft": ":sft:1",
    "jacobian": "UPGrad:grpo:",
    "jacobian of sft": "UPGrad:sft:",
}


@pytest.fixture(scope="module")
def steps_of_two(tiny_qwen_dir, tmp_path_factory):
    """The folder with what two processes wrote of each variant."""
    folder, script = tmp_path_factory.mktemp("two"), Path(__file__).parents[1] / "scripts" / "ddp_step.py"
    command = [sys.executable, str(script), str(tiny_qwen_dir), str(folder / "step"), *VARIANTS.values()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=folder, env=environment())
    assert ran.returncode == 0, ran.stderr[-3000:]
    return folder


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_trap_09_two_processes_equal_one(tiny_qwen_dir, steps_of_two, monkeypatch, variant):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "scripts")
    import ddp_step

    ranks = [torch.load(steps_of_two / f"step.{variant}.{rank}", weights_only=True) for rank in (0, 1)]
    _, alone, logged = ddp_step.step(str(tiny_qwen_dir), 1, variant.rpartition(":")[0] + ":")  # without micro-batches
    assert torch.equal(*(rank["gradient"] for rank in ranks))
    assert alone.abs().max() > 0
    torch.testing.assert_close(ranks[0]["gradient"], alone, atol=1e-6, rtol=1e-4)
    assert {"train/loss", "train/grad_norm"} < logged.keys()
    assert ("validation/loss" in logged) == ("sft" in variant)
    for rank in ranks:  # means over all ranks, on each of them
        assert rank["logged"] == pytest.approx(logged, rel=1e-4, abs=1e-6)


def environment():
    import os

    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1"}


def test_trap_09_ranks_and_batches_sample_from_different_seeds(tiny_qwen_dir, vowels, examples):
    module = make_module(tiny_qwen_dir, {"domain": vowels()})
    first, same, next_batch = (module.sample(examples, batch_idx).completions() for batch_idx in (0, 0, 1))
    assert first == same
    assert first != next_batch
    type(module).global_rank = property(lambda _: 1)
    try:
        assert module.sample(examples, 0).completions() != first
    finally:
        del type(module).global_rank


def test_trap_10_fully_masked_rows_give_no_nan(tiny_dir):
    model = load_policy(PolicySettings(path=str(tiny_dir))).model
    ids, mask = pad([[3, 4], [], [5]], 0, "right")
    mask = loss_mask(mask, torch.tensor([False, False, True]), LossSettings(mask_truncated=True))
    logprobs = completion_logprobs(model, *pad(PROMPTS, 0, "left"), ids, mask)
    loss = policy_loss(logprobs, mask, torch.ones(3)).total
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    empty = policy_loss(logprobs.detach(), torch.zeros_like(mask), torch.ones(3))
    assert float(empty.total) == 0.0


@pytest.mark.parametrize("weighting", [None, weightings.UPGrad()], ids=["scalar", "jacobian"])
def test_trap_10_a_step_where_everything_is_masked_changes_nothing(tiny_qwen_dir, vowels, examples, make_trainer, make_data, weighting):
    settings = {"loss": LossSettings(mask_truncated=True), "rollout": {"max_new_tokens": 1}, "weighting": weighting}
    module = make_module(tiny_qwen_dir, {"domain": vowels()}, **settings)
    module.policy = replace(module.policy, eos_ids=(10**6,))  # no completion can end
    before = [p.clone() for p in module.parameters()]
    trainer = make_trainer(max_steps=1)
    trainer.fit(module, make_data(examples))
    assert float(trainer.callback_metrics["train/loss"]) == 0.0
    for a, b in zip(before, module.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("advantage", [GDPO(), SumThenNormalize()])
def test_trap_11_an_abstaining_reward_is_left_out_and_never_zero(advantage):
    weights = {"a": 1.0, "b": 1.0}
    absent = advantage({"a": torch.tensor([NAN, 0.6, 0.8, NAN]), "b": torch.tensor([0.0, 0.0, 0.0, 0.0])}, 4, weights)
    alone = SumThenNormalize()({"a": torch.tensor([0.6, 0.8])}, 2, {"a": 1.0}).combined_N
    ratio = absent.combined_N[1:3] / alone
    assert absent.combined_N[[0, 3]].tolist() == [0.0, 0.0]
    assert float(ratio[0]) == pytest.approx(float(ratio[1]))
    silent = advantage({"a": torch.full((4,), NAN), "b": torch.full((4,), NAN)}, 4, weights)
    assert silent.combined_N.tolist() == [0.0] * 4


def test_trap_11_a_run_in_which_every_reward_abstains_goes_on_without_nan(tiny_qwen_dir, vowels, examples, make_trainer, make_data):
    class Silent(Reward):
        def __call__(self, examples, completions):
            return [None] * len(examples)

    module = make_module(tiny_qwen_dir, {"domain": vowels(rewards={"silent": Silent()})})
    trainer = make_trainer(max_steps=2, gradient_clip_val=1.0)
    trainer.fit(module, make_data(examples * 2))
    assert float(trainer.callback_metrics["train/loss"]) == 0.0
    assert float(trainer.callback_metrics["train/dead_groups"]) == 1.0
    assert "train/reward/domain" not in trainer.callback_metrics
    assert all(torch.isfinite(p).all() for p in module.parameters())


def test_trap_12_a_group_is_dead_only_if_every_capability_is():
    opposed = {"a": torch.tensor([0.0, 1.0, 1.0, 1.0]), "b": torch.tensor([1.0, 0.0, 0.5, 0.5])}  # the sums of the first group are equal
    result = GDPO()(opposed, 2, {"a": 1.0, "b": 1.0})
    assert result.combined_N[:2].tolist() == [0.0, 0.0]
    assert result.alive_KG.any(0).tolist() == [True, False]


def test_trap_13_weights_go_by_name():
    rewards = {"b": torch.tensor([0.0, 1.0, 0.0]), "a": torch.tensor([1.0, 0.0, 0.2])}
    swapped = dict(reversed(rewards.items()))
    result, other = (GDPO()(r, 3, {"a": 5.0, "b": 1.0}) for r in (rewards, swapped))
    torch.testing.assert_close(result.combined_N, other.combined_N)
    assert result.combined_N[0] > 0 > result.combined_N[1]  # a, with the larger weight, decides
    with pytest.raises(ValueError, match="weights for"):
        GDPO()(rewards, 3, {"a": 5.0})


def test_trap_14_a_reward_without_its_field_fails_before_the_run(vowels, example, make_trainer, make_data):
    class Needy(Reward):
        requires = ("patient",)

        def __call__(self, examples, completions):
            return [None] * len(examples)

    class Task:
        capabilities, fields = ("domain",), frozenset()

    module = GRPO(PolicySettings(path="no/model"), {"domain": vowels(rewards={"r": Needy()})}, TransformersRollout(), GDPO())
    with pytest.raises(InputError, match="'patient'"):
        make_trainer(max_steps=1).fit(module, make_data([example(1)], tasks={"fact_recall": Task}))


@pytest.mark.parametrize("kind", ["fresh adapter", "trained adapter", "full"])
def test_trap_15_the_reference_is_the_policy_at_the_start(kind, tiny_qwen_dir, tmp_path):
    settings = PolicySettings(path=str(tiny_qwen_dir), adapter=None if kind == "full" else LoraSettings(r=2))
    policy = load_policy(settings)
    if kind == "trained adapter":
        randomise(policy.model)
        policy.model.save_pretrained(tmp_path)
        policy.tokenizer.save_pretrained(tmp_path)
        policy = load_policy(PolicySettings(path=str(tmp_path)))
    reference = Reference(policy)
    policy.model.eval()
    ids = *pad(PROMPTS, 0, "left"), *pad([[3, 4]] * 3, 0, "right")
    start = completion_logprobs(policy.model, *ids)
    with reference.model(policy.device) as model:
        first = completion_logprobs(model, *ids)
    assert not first.requires_grad
    torch.testing.assert_close(first, start.detach(), atol=1e-6, rtol=1e-6)
    mask = ids[3]
    assert float(policy_loss(start, mask, torch.zeros(3), reference_logprobs_NT=first, kl_coefficient=1.0).kl) == pytest.approx(0, abs=1e-6)

    randomise(policy.model, factor="" if kind == "full" else "lora_B")
    with reference.model(policy.device) as model:
        torch.testing.assert_close(completion_logprobs(model, *ids), first)
    assert (completion_logprobs(policy.model, *ids) - first).abs().max() > 0.01
    assert any(p.requires_grad for p in policy.model.parameters())


def randomise(model, factor="lora_B"):
    for name, parameter in model.named_parameters():
        if factor in name:
            parameter.data += torch.randn_like(parameter) * 0.3


def test_trap_16_the_kl_penalty_has_the_gradient_of_the_kl():
    torch.manual_seed(0)
    logits, reference = torch.randn(5, dtype=torch.float64, requires_grad=True), torch.randn(5, dtype=torch.float64).log_softmax(0)
    logprobs = logits.log_softmax(0)
    exact = torch.autograd.grad((logprobs.exp() * (logprobs - reference)).sum(), logits)[0]
    logprobs = logits.log_softmax(0)
    expected = torch.zeros(5, dtype=torch.float64)
    for token, chance in enumerate(logprobs.detach().exp()):  # the exact mean over the policy's samples
        loss = policy_loss(
            logprobs[token].view(1, 1), torch.tensor([[True]]), torch.zeros(1),
            reference_logprobs_NT=reference[token].view(1, 1), kl_coefficient=1.0,
        ).total  # fmt: skip
        expected += chance * torch.autograd.grad(loss, logits, retain_graph=True)[0]
    torch.testing.assert_close(expected, exact)


def test_trap_16_log_ratios_are_clamped():
    loss = policy_loss(
        torch.tensor([[-500.0]]), torch.tensor([[True]]), torch.zeros(1), reference_logprobs_NT=torch.zeros(1, 1), kl_coefficient=1.0,
        kl_estimator="k2",
    )  # fmt: skip
    assert math.isfinite(float(loss.kl))
    assert float(loss.total) == 200.0


@pytest.mark.parametrize("updates", [1, 2])
def test_trap_17_a_resumed_run_equals_one_that_was_not_stopped(tiny_qwen_dir, vowels, examples, make_trainer, make_data, tmp_path, updates):
    def run(name, resume=None):
        torch.manual_seed(11)
        settings = OptimizerSettings(learning_rate=1e-2, schedule="linear")
        rewards = {"a": vowels().rewards["letters"], "b": vowels("a").rewards["letters"]}
        capability = vowels(rewards=rewards, dynamic_mix=DynamicMix(memory=0.5))
        module = make_module(
            tiny_qwen_dir, {"domain": capability}, optimizer=settings, kl=KLSettings(0.1), experience=ExperienceSettings(updates=updates)
        )
        every = ModelCheckpoint(tmp_path / name, filename="{step}", every_n_epochs=1, save_top_k=-1)
        trainer = make_trainer(max_steps=4, folder=tmp_path / name, callbacks=[every], enable_checkpointing=True)
        trainer.fit(module, make_data(examples), ckpt_path=resume, weights_only=True)
        return module

    whole = run("whole")
    resumed = run("resumed", resume=tmp_path / "whole" / "step=2.ckpt")
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    assert resumed.last_rollouts == whole.last_rollouts
    assert resumed.tokens_generated == whole.tokens_generated
    assert resumed.capabilities["domain"].mixture.shares == whole.capabilities["domain"].mixture.shares != {}


def test_trap_18_checkpoints_are_ranked_by_the_held_out_metric(tiny_qwen_dir, vowels, examples, make_trainer, make_data, tmp_path):
    from bbflow.evaluation.scoring import score_policy

    capability = vowels(metric=vowels("bcd").metric)  # pays for vowels, is judged on consonants
    best = ModelCheckpoint(tmp_path / "best", monitor="validation/domain", mode="max", save_weights_only=True)
    module = make_module(tiny_qwen_dir, {"domain": capability})
    trainer = make_trainer(max_steps=1, callbacks=[best], enable_checkpointing=True)
    trainer.fit(module, make_data(examples, examples))
    score = score_policy(module.policy, {"domain": capability}, examples, max_new_tokens=8)["score"].mean()
    assert float(best.best_model_score) == pytest.approx(score, abs=1e-6)


def test_trap_20_a_reward_model_comes_back_with_its_head_and_its_adapter(tiny_qwen_dir, tmp_path, example):
    torch.manual_seed(0)
    policy = load_policy(PolicySettings(path=str(tiny_qwen_dir), adapter=LoraSettings(r=2)))
    trained = RewardScorer(policy, RewardModelFile(("factual",), max_length=64))
    for parameter in trained.parameters():
        if parameter.requires_grad:
            parameter.data += 0.2 * torch.randn_like(parameter)
    trained.save(tmp_path / "rm")
    prompts, texts = [example(1).messages] * 2, ["Answer: amlodipine", "Answer: metformin"]
    scores = [scorer.score(prompts, texts).heads_NK for scorer in (trained, load_scorer(str(tmp_path / "rm")))]
    torch.testing.assert_close(*scores, atol=1e-5, rtol=1e-5)
    assert (scores[0][0] - scores[0][1]).abs().max() > 1e-3
    (tmp_path / "rm" / HEADS_FILE).unlink()
    with pytest.raises(InputError, match="lacks its head"):
        load_scorer(str(tmp_path / "rm"))


def test_trap_21_rollouts_keep_their_cache_under_gradient_checkpointing(tiny_qwen_dir, vowels, examples):
    module = make_module(tiny_qwen_dir, {"domain": vowels()}, adapter=LoraSettings(r=2))
    plain = module.sample(examples, 0)
    inner = module.model.get_base_model()
    inner.gradient_checkpointing_enable()
    module.train()
    shapes = []
    inner.register_forward_pre_hook(lambda _, args, kwargs: shapes.append(kwargs["input_ids"].shape[1]), with_kwargs=True)
    checkpointed = module.sample(examples, 0)
    assert set(shapes[1:]) == {1}
    assert checkpointed.completions() == plain.completions()
    torch.testing.assert_close(checkpointed.logprobs_NT, plain.logprobs_NT)
