import pandas as pd
import pytest
import torch

from bbflow.errors import InputError
from bbflow.modules import GRPO
from bbflow.modules.training.reference_loss import reference_loss
from bbflow.optimization import GDPO, KLSettings, LossSettings, OptimizerSettings
from bbflow.optimization.weightings import UPGrad, WeightedSum
from bbflow.policies import LoraSettings, PolicySettings, completion_logprobs, load_policy
from bbflow.policies.rollouts import TransformersRollout
from bbflow.policies.sft_logprobs import encode
from bbflow.rewards.base import Reward


class Watched(GRPO):
    """Keeps what each step saw: rollouts, parameters before, and the gradient before clipping."""

    def sample(self, examples, batch_idx, attempt=0):
        self.rollouts = super().sample(examples, batch_idx, attempt)
        self.before = [p.detach().clone() for p in self.parameters()]
        return self.rollouts

    def on_before_optimizer_step(self, optimizer):
        super().on_before_optimizer_step(optimizer)
        grads = [p.grad.flatten().clone() for p in self.parameters() if p.grad is not None]
        self.seen = [*getattr(self, "seen", []), torch.cat(grads)]


class Indifferent(Reward):
    """Tells nothing apart."""

    def __call__(self, examples, completions):
        return [0.5] * len(examples)


def make(folder, capabilities, adapter=None, **changes):
    policy = PolicySettings(path=str(folder), adapter=adapter)
    return Watched(policy, capabilities, TransformersRollout(4, 8, temperature=1.3), GDPO(), **changes)


@pytest.fixture
def examples(example):
    """Six questions with references of their own; the second of each pair is judged by nobody but `domain`."""
    return [
        example(i, question=f"Question {i}?", response=f"It is answer {i * i}.", capabilities=["domain"] if i % 2 else ["domain", "safety"])
        for i in range(6)
    ]


@pytest.fixture
def train(examples, make_trainer, make_data):
    def run(module, batch_size=6, **settings):
        torch.manual_seed(5)
        make_trainer(**{"max_steps": 1, **settings}).fit(module, make_data(examples, batch_size=batch_size))
        return module

    return run


@pytest.mark.parametrize("type", ["dapo", "grpo", "dr_grpo"])
def test_the_gradient_is_that_of_one_more_completion_written_out(tiny_dir, vowels, train, examples, type):
    capabilities = {"domain": vowels("aeiou", weight=2.0), "safety": vowels("stxyz")}
    module = train(make(tiny_dir, capabilities, reference_advantage=1.5, loss=LossSettings(type=type)))
    policy, rollouts = module.ready_policy, module.rollouts
    for parameter, value in zip(module.parameters(), module.before, strict=True):
        parameter.data.copy_(value)
        parameter.grad = None
    policy.model.eval()
    sampled = completion_logprobs(
        policy.model, rollouts.prompt_ids_BP, rollouts.prompt_mask_BP, rollouts.completion_ids_NT, rollouts.completion_mask_NT,
        group_size=4, temperature=1.3, share_prompt=False,
    )  # fmt: skip
    terms = [(float(a), row[mask]) for a, row, mask in zip(
        module.last_rollouts.advantages, sampled, rollouts.completion_mask_NT, strict=True
    )]  # fmt: skip
    for i, item in enumerate(examples):  # each by itself, from logits over the plain sequence: nothing padded, nothing shared
        prompt, response = policy.prompt_ids(item.messages), policy.response_ids(item.response)
        logits = policy.model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        logprobs = logits.log_softmax(-1)[torch.arange(len(response)), torch.tensor(response)]
        terms.append((1.5 * (2.0 if i % 2 else 3.0), logprobs))
    tokens = sum(len(row) for _, row in terms)
    divisor = {"dapo": tokens, "grpo": len(terms), "dr_grpo": 8 * len(terms)}[type]
    loss = -sum(a * (row.mean() if type == "grpo" else row.sum()) for a, row in terms) / divisor
    loss.backward()
    expected = torch.cat([p.grad.flatten() for p in module.parameters()])
    assert (module.seen[0] - expected).norm() < 1e-4 * expected.norm()


@pytest.mark.parametrize("adapter", [None, LoraSettings(r=4)], ids=["full", "lora"])
@pytest.mark.parametrize("kl", [0.0, 0.3])
def test_the_weighted_sum_is_the_scalar_step(tiny_dir, vowels, train, adapter, kl):
    capabilities = {"domain": vowels("aeiou", weight=2.0), "safety": vowels("stxyz")}
    settings = {"adapter": adapter, "kl": KLSettings(kl), "reference_advantage": 2.0}
    scalar = train(make(tiny_dir, capabilities, **settings), max_steps=2)
    rows = train(make(tiny_dir, capabilities, weighting=WeightedSum(), **settings), max_steps=2)
    for found, expected in zip(rows.seen, scalar.seen, strict=True):
        assert (found - expected).norm() < 1e-4 * expected.norm()


def test_accumulated_batches_and_rows_agree(tiny_dir, vowels, train):
    capabilities = {"domain": vowels("aeiou"), "safety": vowels("stxyz")}
    scalar, rows = (
        train(make(tiny_dir, capabilities, reference_advantage=2.0, weighting=w), batch_size=3, accumulate_grad_batches=2)
        for w in (None, WeightedSum())
    )
    assert (rows.seen[0] - scalar.seen[0]).norm() < 1e-4 * scalar.seen[0].norm()


@pytest.mark.parametrize("weighting", [None, UPGrad()])
def test_references_teach_where_no_reward_tells_anything_apart(tiny_qwen_dir, vowels, train, examples, tmp_path, weighting):
    flat = vowels(rewards={"indifferent": Indifferent()})
    module = make(
        tiny_qwen_dir, {"domain": flat}, reference_advantage=1.0, optimizer=OptimizerSettings(learning_rate=5e-3), weighting=weighting
    )
    train(module, max_steps=20)
    module.trainer.logger.finalize("success")
    loss = pd.read_csv(tmp_path / "run" / "metrics.csv")["train/reference_loss"]
    assert loss.iloc[-1] < 0.5 * loss.iloc[0]
    silent = make(tiny_qwen_dir, {"domain": flat}, weighting=weighting)
    assert train(silent).seen[0].norm() == 0


def test_the_logged_loss_is_that_of_supervised_training(tiny_dir, vowels, train, examples, tmp_path):
    module = train(make(tiny_dir, {"domain": vowels()}, reference_advantage=1.0))
    module.trainer.logger.finalize("success")
    logged = pd.read_csv(tmp_path / "run" / "metrics.csv")["train/reference_loss"][0]
    policy, total, tokens = load_policy(PolicySettings(path=str(tiny_dir))), 0.0, 0
    policy.model.eval()
    for item in examples:
        prompt, response = encode(policy, item)
        logits = policy.model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        total += torch.nn.functional.cross_entropy(logits, torch.tensor(response), reduction="sum").item()
        tokens += len(response)
    assert logged == pytest.approx(total / tokens, rel=1e-5)


def test_who_judges_decides_the_advantage(tiny_dir, vowels, examples):
    policy = load_policy(PolicySettings(path=str(tiny_dir)))
    capabilities = {"domain": vowels(weight=2.0), "safety": vowels(), "other": vowels(tasks=["no_such_task"])}
    term = reference_loss(policy, capabilities, examples, dict.fromkeys(capabilities, 0.5), LossSettings())
    assert term.advantages.parts_KN.tolist() == [[0.5] * 6, [0.5, 0.0] * 3, [0.0] * 6]
    assert term.advantages.combined_N.tolist() == [1.5, 1.0] * 3
    some = reference_loss(policy, capabilities, examples, {"safety": 0.5}, LossSettings())  # the others are not even run
    assert some.advantages.parts_KN.tolist() == [[0.0] * 3, [0.5] * 3, [0.0] * 3]
    assert some.rollouts.completions() == [policy.response_ids(item.response) for item in examples[::2]]


def test_all_of_one_example_is_in_one_half(tiny_qwen_dir, vowels, train, examples, monkeypatch):
    """Halves that share an example share its noise, and what they say of interference is biased."""
    from bbflow.modules.training import policy_step

    halves, add_rows = {0: set(), 1: set()}, policy_step.add_rows

    def watched(jacobian, rows, model, rollouts, *args, **settings):
        asked = [tuple(ids[mask].tolist()) for ids, mask in zip(rollouts.prompt_ids_BP, rollouts.prompt_mask_BP.bool(), strict=True)]
        halves[rows.start // 2] |= {(rollouts.group_size, prompt) for prompt in asked}
        return add_rows(jacobian, rows, model, rollouts, *args, **settings)

    monkeypatch.setattr(policy_step, "add_rows", watched)
    module = train(
        make(tiny_qwen_dir, {"domain": vowels(), "safety": vowels("st")}, weighting=UPGrad(), reference_advantage={"safety": 2.0})
    )
    prompts = [tuple(module.ready_policy.prompt_ids(e.messages)) for e in examples]
    assert {prompt for size, prompt in halves[0] if size == 1} == {prompts[0], prompts[2], prompts[4]}
    assert {prompt for _, prompt in halves[0]} == {prompts[0], prompts[2], prompts[4]}
    assert {prompt for _, prompt in halves[1]} <= {prompts[1], prompts[3], prompts[5]}


@pytest.mark.parametrize("type", ["dapo", "grpo", "dr_grpo"])
@pytest.mark.parametrize("weighting", [None, WeightedSum()])
def test_a_batch_without_references_to_learn_from_is_a_plain_one(tiny_qwen_dir, vowels, train, type, weighting):
    """`other` judges nothing, so that nothing is learned from references, and nothing is divided by them."""
    capabilities = {"domain": vowels(), "other": vowels(tasks=["no_such_task"])}
    plain, asked = (
        train(make(tiny_qwen_dir, capabilities, reference_advantage=a, loss=LossSettings(type=type), weighting=weighting)).seen[0]
        for a in (0.0, {"other": 3.0})
    )
    torch.testing.assert_close(asked, plain)


def test_an_empty_reference_is_named(tiny_dir, vowels, example):
    policy = load_policy(PolicySettings(path=str(tiny_dir)))
    with pytest.raises(InputError, match=r"e0003.*response is empty"):
        reference_loss(policy, {"domain": vowels()}, [example(3, response=" ")], {"domain": 1.0}, LossSettings())


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), {"domain": -1.0}])
def test_a_bad_advantage_is_refused(tiny_dir, vowels, value):
    problems = make(tiny_dir, {"domain": vowels()}, reference_advantage=value).problems(None)
    assert [p.where for p in problems] == ["model.init_args.reference_advantage"]


def test_a_capability_that_is_none_is_named_with_what_was_meant(tiny_dir, vowels):
    problems = make(tiny_dir, {"domain": vowels()}, reference_advantage={"domian": 1.0}).problems(None)
    assert [(p.where, "domain" in p.hint) for p in problems] == [("model.init_args.reference_advantage.domian", True)]
