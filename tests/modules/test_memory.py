import pytest
import torch

from bbflow.errors import InputError
from bbflow.modules import GRPO, SFT
from bbflow.modules import grpo as grpo_module
from bbflow.modules import sft as sft_module
from bbflow.optimization import DecoupledAdvantage, LossSettings, OptimizerSettings
from bbflow.policies import LoraSettings, PolicySettings
from bbflow.policies.rollouts import TransformersRollout
from bbflow.policies.rollouts.transformers_rollout import TransformersRollout as Engine


def watched(kind):
    class Watched(kind):
        """Keeps the gradient of each step, before clipping."""

        def on_before_optimizer_step(self, optimizer):
            super().on_before_optimizer_step(optimizer)
            self.seen = [*getattr(self, "seen", []), torch.cat([p.grad.flatten().clone() for p in self.parameters() if p.grad is not None])]

    return Watched


def grpo(folder, vowels, **changes):
    return watched(GRPO)(
        PolicySettings(path=str(folder), adapter=LoraSettings(r=4)), {"domain": vowels("aeiou")}, TransformersRollout(4, 8),
        DecoupledAdvantage(), optimizer=OptimizerSettings(learning_rate=1e-3), **changes,
    )  # fmt: skip


def sft(folder, vowels, **changes):
    return watched(SFT)(PolicySettings(path=str(folder)), optimizer=OptimizerSettings(learning_rate=1e-3), **changes)


@pytest.fixture
def train(example, make_trainer, make_data):
    def run(module, **settings):
        torch.manual_seed(5)
        examples = [example(i, question=f"Question {i}?", response=f"Answer: {i * i}") for i in range(8)]
        make_trainer(**{"max_steps": 3, **settings}).fit(module, make_data(examples, batch_size=4))
        return module

    return run


def runs_out(call, limit, rows_of):
    """The same function on a device that has room for so many rows."""
    rows = []

    def limited(*args, **settings):
        if rows_of(args) > limit:
            raise torch.OutOfMemoryError("no room")
        rows.append(rows_of(args))
        return call(*args, **settings)

    limited.rows = rows
    return limited


@pytest.mark.parametrize(
    ("make", "settings", "function", "limit"),
    [
        (grpo, {}, (grpo_module, "completion_logprobs"), 8),
        (grpo, {"kl_coefficient": 0.1, "updates": 2}, (grpo_module, "completion_logprobs"), 8),
        (sft, {}, (sft_module, "supervised_logprobs"), 2),
        (sft, {"packing": True, "max_length": 40}, (sft_module, "supervised_logprobs"), 2),
    ],
    ids=["grpo", "grpo with kl and two updates", "sft", "packed sft"],
)
def test_a_step_that_does_not_fit_is_halved_and_is_the_same_step(
    tiny_qwen_dir, vowels, train, monkeypatch, make, settings, function, limit
):
    expected = train(make(tiny_qwen_dir, vowels, **settings))
    place, name = function
    rows_of = (lambda args: len(args[3]) if torch.is_grad_enabled() else 0) if make is grpo else (lambda args: len(args[1]))
    limited = runs_out(getattr(place, name), limit, rows_of)
    monkeypatch.setattr(place, name, limited)
    module = make(tiny_qwen_dir, vowels, **settings)
    with pytest.warns(UserWarning, match="out of memory: from here on"):
        train(module)
    assert module.micro_batches.halvings == 1
    assert max(limited.rows) <= limit
    for found, wanted in zip(module.seen, expected.seen, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-3)


def test_memory_that_runs_out_again_halves_again(tiny_qwen_dir, vowels, train, monkeypatch):
    expected = train(sft(tiny_qwen_dir, vowels))
    monkeypatch.setattr(sft_module, "supervised_logprobs", runs_out(sft_module.supervised_logprobs, 1, lambda args: len(args[1])))
    module = sft(tiny_qwen_dir, vowels)
    with pytest.warns(UserWarning, match="micro-batches of 1/4"):
        train(module)
    for found, wanted in zip(module.seen, expected.seen, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-3)


def test_one_row_that_does_not_fit_ends_the_run(tiny_qwen_dir, vowels, train, monkeypatch):
    monkeypatch.setattr(sft_module, "supervised_logprobs", runs_out(sft_module.supervised_logprobs, 0, lambda args: len(args[1])))
    with pytest.raises(torch.OutOfMemoryError), pytest.warns(UserWarning, match="out of memory"):
        train(sft(tiny_qwen_dir, vowels))


@pytest.mark.parametrize("tokens", [1, 100], ids=["every row by itself", "a few at once"])
@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (grpo, {}),
        (grpo, {"kl_coefficient": 0.1, "updates": 2}),
        (grpo, {"reference_advantage": 1.0, "loss": LossSettings(type="gspo", entropy_coefficient=0.01)}),
        (sft, {}),
        (sft, {"packing": True, "max_length": 40}),
    ],
    ids=["grpo", "grpo with kl and two updates", "grpo with references, entropy and ratios of sequences", "sft", "packed sft"],
)
def test_micro_batches_take_the_same_steps(tiny_qwen_dir, vowels, train, make, settings, tokens):
    expected, module = train(make(tiny_qwen_dir, vowels, **settings)), make(tiny_qwen_dir, vowels, micro_batch_tokens=tokens, **settings)
    passes = []
    keep = module.micro_batches._keep
    module.micro_batches._keep = lambda *args: passes.append(1) or keep(*args)
    train(module)
    assert len(passes) >= 3  # in each step at least one before the last
    for found, wanted in zip(module.seen, expected.seen, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-3)
    assert set(module.trainer.logged_metrics) == set(expected.trainer.logged_metrics)
    for name in {"train/loss", "train/kl", "train/clipped"} & set(module.trainer.logged_metrics):
        torch.testing.assert_close(module.trainer.logged_metrics[name], expected.trainer.logged_metrics[name], atol=1e-5, rtol=1e-3)


def test_micro_batches_within_accumulation(tiny_qwen_dir, vowels, train):
    settings = {"accumulate_grad_batches": 2, "max_steps": 2}
    expected = train(sft(tiny_qwen_dir, vowels), **settings)
    found = train(sft(tiny_qwen_dir, vowels, micro_batch_tokens=1), **settings)
    torch.testing.assert_close(torch.stack(found.seen), torch.stack(expected.seen), atol=1e-5, rtol=1e-3)


def test_micro_batches_hold_fewer_activations(tiny_qwen_dir, vowels, train):
    def most_kept(module):
        """Bytes that autograd holds at most."""
        held, peak = [0], [0]

        def pack(tensor):
            size = tensor.numel() * tensor.element_size()
            held[0] += size
            peak[0] = max(peak[0], held[0])
            return _Held(tensor, size, held)

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
            train(module, max_steps=1)
        return peak[0]

    assert most_kept(sft(tiny_qwen_dir, vowels, micro_batch_tokens=1)) < 0.5 * most_kept(sft(tiny_qwen_dir, vowels))


class _Held:
    def __init__(self, tensor, size, held):
        self.tensor, self.size, self.held = tensor, size, held

    def __del__(self):
        self.held[0] -= self.size


def test_a_budget_that_makes_no_sense_is_refused(tiny_qwen_dir, vowels, train):
    with pytest.raises(InputError, match="micro_batch_tokens must be at least 1, not 0"):
        train(sft(tiny_qwen_dir, vowels, micro_batch_tokens=0))


def test_rollouts_that_do_not_fit_are_sampled_in_parts_with_the_same_result(tiny_qwen_dir, vowels, monkeypatch):
    module = grpo(tiny_qwen_dir, vowels)
    module.configure_model()
    prompts = [[5, 9, 11], [8], [30, 31, 32, 33], [7, 7], [9, 12]]
    expected = TransformersRollout(4, 8).generate(module.policy, prompts, generator=torch.Generator().manual_seed(3))
    monkeypatch.setattr(Engine, "_complete", runs_out(Engine._complete, 2, lambda args: len(args[2])))
    engine = TransformersRollout(4, 8)
    with pytest.warns(UserWarning, match="completed in 4 parts"):
        found = engine.generate(module.policy, prompts, generator=torch.Generator().manual_seed(3))
    assert found.completions() == expected.completions()
    assert torch.equal(found.prompt_ids_BP, expected.prompt_ids_BP)
    assert torch.equal(found.prompt_mask_BP, expected.prompt_mask_BP)
    torch.testing.assert_close(found.logprobs_NT, expected.logprobs_NT, atol=1e-5, rtol=0)
    assert found.truncated_N.tolist() == expected.truncated_N.tolist()
    again = engine.generate(module.policy, prompts, generator=torch.Generator().manual_seed(3))  # without a second failure
    assert again.completions() == expected.completions()


def test_one_prompt_that_does_not_fit_is_an_error(tiny_qwen_dir, vowels, monkeypatch):
    module = grpo(tiny_qwen_dir, vowels)
    module.configure_model()
    monkeypatch.setattr(Engine, "_complete", runs_out(Engine._complete, 0, lambda args: len(args[2])))
    with pytest.raises(torch.OutOfMemoryError), pytest.warns(UserWarning, match="out of memory"):
        TransformersRollout(4, 8).generate(module.policy, [[5], [6]])
