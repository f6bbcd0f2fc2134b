from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision

from bbflow.data.preference_pairs import PreferencePair
from bbflow.errors import InputError
from bbflow.modules import GRPO, SFT, RewardModel
from bbflow.modules import sft as sft_module
from bbflow.modules.training import micro_batching, policy_step
from bbflow.modules.training.micro_batching import _AccumulatedGradients
from bbflow.modules.training.settings import ExperienceSettings
from bbflow.optimization import GDPO, KLSettings, LossSettings, OptimizerSettings
from bbflow.optimization.weightings import UPGrad
from bbflow.policies import LoraSettings, PolicySettings
from bbflow.policies.rollouts import TransformersRollout
from bbflow.policies.rollouts.transformers_rollout import TransformersRollout as Engine
from bbflow.policies.sft_logprobs import supervised_logprobs


def watched(kind):
    class Watched(kind):
        """Keeps the gradient of each step, before clipping."""

        def on_before_optimizer_step(self, optimizer):
            super().on_before_optimizer_step(optimizer)
            gradients = [p.grad.flatten().clone() for p in self.parameters() if p.grad is not None]
            self.seen = [*getattr(self, "seen", []), *([torch.cat(gradients)] if gradients else [])]

    return Watched


def grpo(folder, vowels, **changes):
    return watched(GRPO)(
        PolicySettings(path=str(folder), adapter=LoraSettings(r=4)), {"domain": vowels("aeiou")}, TransformersRollout(4, 8),
        GDPO(), optimizer=OptimizerSettings(learning_rate=1e-3), **changes,
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
        (grpo, {}, (policy_step, "completion_logprobs"), 8),
        (grpo, {"kl": KLSettings(0.1), "experience": ExperienceSettings(updates=2)}, (policy_step, "completion_logprobs"), 8),
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


def runs_out_backwards(call, limit):
    """The same function, whose backward pass finds no room for more than so many rows."""

    def limited(*args, **settings):
        result = call(*args, **settings)
        if result.requires_grad and len(result) > limit:
            result.register_hook(no_room)
        return result

    return limited


def no_room(*_):
    raise torch.OutOfMemoryError("no room")


@pytest.mark.parametrize(
    ("make", "settings", "function", "limit", "accumulated"),
    [
        (grpo, {"reference_advantage": 1.0}, (policy_step, "completion_logprobs"), 8, 1),
        (grpo, {"reference_advantage": 1.0}, (policy_step, "completion_logprobs"), 8, 2),
        (grpo, {"kl": KLSettings(0.1), "experience": ExperienceSettings(updates=2)}, (policy_step, "completion_logprobs"), 8, 1),
        (sft, {}, (sft_module, "supervised_logprobs"), 2, 1),
        (sft, {}, (sft_module, "supervised_logprobs"), 2, 2),
    ],
    ids=["grpo with references", "the same, accumulated", "grpo with kl and two updates", "sft", "sft, accumulated"],
)
def test_a_backward_pass_that_does_not_fit_is_repeated_in_halves(
    tiny_qwen_dir, vowels, train, monkeypatch, make, settings, function, limit, accumulated
):
    steps = {"accumulate_grad_batches": accumulated, "max_steps": 2}
    expected = train(make(tiny_qwen_dir, vowels, **settings), **steps)
    place, name = function
    monkeypatch.setattr(place, name, runs_out_backwards(getattr(place, name), limit))
    module = make(tiny_qwen_dir, vowels, **settings)
    with pytest.warns(UserWarning, match="out of memory: from here on"):
        train(module, **steps)
    assert module.micro_batches.halvings == 1
    for found, wanted in zip(module.seen, expected.seen, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-3)
    for metric in {"train/kl", "train/clipped", "train/loss"} & set(expected.trainer.logged_metrics):  # nothing counts twice
        torch.testing.assert_close(module.trainer.logged_metrics[metric], expected.trainer.logged_metrics[metric], atol=1e-5, rtol=1e-3)


CAPABLE = [
    (grpo, {}, policy_step),
    (grpo, {"reference_advantage": 1.0, "kl": KLSettings(0.1)}, policy_step),
    (sft, {}, sft_module),
]


def with_weighting(make, folder, vowels, settings):
    capabilities = {"capabilities": {"domain": vowels("aeiou")}} if make is sft else {}
    return make(folder, vowels, weighting=UPGrad(), **capabilities, **settings)


@pytest.mark.parametrize("after", [False, True], ids=["at once", "after rows were added"])
@pytest.mark.parametrize(("make", "settings", "place"), CAPABLE, ids=["grpo", "grpo with references and kl", "sft"])
def test_rows_that_do_not_fit_are_collected_anew_in_halves(tiny_qwen_dir, vowels, train, monkeypatch, make, settings, place, after):
    expected = train(with_weighting(make, tiny_qwen_dir, vowels, settings))
    add_rows, seen = place.add_rows, []

    def limited(jacobian, rows, model, rollouts, *args, **kwargs):
        groups = len(rollouts.prompt_ids_BP)
        if groups > 1 and not after:
            no_room()
        result = add_rows(jacobian, rows, model, rollouts, *args, **kwargs)
        if groups > 1:
            no_room()
        seen.append(groups)
        return result

    monkeypatch.setattr(place, "add_rows", limited)
    module = with_weighting(make, tiny_qwen_dir, vowels, settings)
    with pytest.warns(UserWarning, match="out of memory: from here on"):
        train(module)
    assert set(seen) == {1}
    for found, wanted in zip(module.seen, expected.seen, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-3)


def test_half_a_step_that_cannot_be_repeated_ends_the_run(tiny_qwen_dir, vowels, train, monkeypatch):
    """The rows of the first of two accumulated batches are lost where the second is begun anew."""
    add_rows, calls = sft_module.add_rows, []

    def limited(*args, **kwargs):
        calls.append(1)
        return no_room() if len(calls) > 2 else add_rows(*args, **kwargs)

    monkeypatch.setattr(sft_module, "add_rows", limited)
    module = with_weighting(sft, tiny_qwen_dir, vowels, {})
    with pytest.raises(torch.OutOfMemoryError):
        train(module, accumulate_grad_batches=2)
    assert module.micro_batches.halvings == 0


@pytest.mark.parametrize("tokens", [None, 1])
@pytest.mark.parametrize("single_device", [True, False])
def test_a_loss_that_a_subclass_changes_is_the_one_that_is_differentiated(tiny_qwen_dir, vowels, train, monkeypatch, tokens, single_device):
    """Multiplied, added to, and made of two batches: as if it had its whole graph."""
    if not single_device:  # the last micro-batch is then left to Lightning, as it is where gradients are reduced
        monkeypatch.setattr(micro_batching, "SingleDeviceStrategy", type("Other", (), {}))

    class Changed(watched(SFT)):
        def training_step(self, batch, batch_idx):
            first, second = (self.collate(batch.examples[i : i + 2]) for i in (0, 2))
            loss = 3.0 * super().training_step(first, batch_idx) + 0.5 * super().training_step(second, batch_idx)
            return loss + self.model.model.norm.weight.sum()

    class Plain(Changed):
        def training_step(self, batch, batch_idx):
            weights = torch.tensor([3.0, 3.0, 0.5, 0.5])[:, None]
            whole = self.collate(batch.examples)
            return self.sum_over_tokens(
                -(weights * self._logprobs(whole)).sum() + self.model.model.norm.weight.sum(), whole.tensors["supervised"].sum()
            )

    settings = {"optimizer": OptimizerSettings(learning_rate=1e-3)}
    steps = {"max_steps": 2}
    expected = train(Plain(PolicySettings(path=str(tiny_qwen_dir)), **settings), **steps)
    found = train(Changed(PolicySettings(path=str(tiny_qwen_dir)), micro_batch_tokens=tokens, **settings), **steps)
    torch.testing.assert_close(torch.stack(found.seen), torch.stack(expected.seen), atol=1e-5, rtol=1e-3)


def test_a_step_that_is_not_taken_leaves_nothing_for_the_next(tiny_qwen_dir, vowels, train):
    class Skips(watched(SFT)):
        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            self._step_tokens = None if batch_idx == 0 else self._step_tokens
            return None if batch_idx == 0 else loss

    class SkipsAtOnce(watched(SFT)):
        def training_step(self, batch, batch_idx):
            return None if batch_idx == 0 else super().training_step(batch, batch_idx)

    settings = {"optimizer": OptimizerSettings(learning_rate=1e-3)}
    found, expected = (train(kind(PolicySettings(path=str(tiny_qwen_dir)), **settings), max_steps=2) for kind in (Skips, SkipsAtOnce))
    assert len(found.seen) == 1
    assert torch.equal(found.seen[0], expected.seen[0])


def test_gradients_that_share_their_memory_do_not_add_up_in_each_other():
    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (torch.nn.Parameter(torch.zeros(3)) for _ in range(3))
            plugin = SimpleNamespace(scaler=None)
            self.trainer = SimpleNamespace(precision_plugin=plugin, accumulate_grad_batches=1)

    module, kept, x = Two(), _AccumulatedGradients(), torch.tensor([1.0, 2.0, 3.0])
    for _ in range(2):
        kept.differentiate(module, ((module.a + module.b) * x).sum() + module.c.sum())
    kept.on_top_of(torch.zeros(())).backward()
    assert module.a.grad.tolist() == module.b.grad.tolist() == [2.0, 4.0, 6.0]
    assert module.c.grad.tolist() == [2.0, 2.0, 2.0]


def test_the_pass_of_the_reference_is_halved_too(tiny_qwen_dir, vowels, train, monkeypatch):
    settings = {"kl": KLSettings(0.1), "experience": ExperienceSettings(updates=2)}
    expected = train(grpo(tiny_qwen_dir, vowels, **settings))
    rows_of = lambda args: 0 if torch.is_grad_enabled() else len(args[3])  # noqa: E731
    monkeypatch.setattr(policy_step, "completion_logprobs", runs_out(policy_step.completion_logprobs, 8, rows_of))
    module = grpo(tiny_qwen_dir, vowels, **settings)
    with pytest.warns(UserWarning, match="out of memory: from here on"):
        train(module)
    for found, wanted in zip(module.seen, expected.seen, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-3)


def pairs_of(module, count=6):
    made = [
        PreferencePair(f"p{n}", [{"role": "user", "content": f"Which drug, {n}?"}], "Answer: amlodipine" + " now" * n, "Answer: metformin",
                       "sibling_entity", "factual", 0.5, "t", f"c{n % 4}", "train")
        for n in range(count)
    ]  # fmt: skip
    return torch.utils.data.DataLoader(made, batch_size=3, collate_fn=module.collate)


def reward_model(folder, **settings):
    torch.manual_seed(2)
    optimizer = OptimizerSettings(learning_rate=1e-3)
    module = watched(RewardModel)(PolicySettings(path=str(folder)), optimizer=optimizer, language_weight=0.5, **settings)
    module.configure_model()
    return module


@pytest.mark.parametrize("trouble", ["micro-batches", "forward", "backward"])
def test_a_reward_model_takes_the_same_steps(tiny_qwen_dir, make_trainer, monkeypatch, trouble):
    expected = reward_model(tiny_qwen_dir)
    make_trainer(max_steps=2).fit(expected, pairs_of(expected))
    module = reward_model(tiny_qwen_dir, micro_batch_tokens=1 if trouble == "micro-batches" else None)
    if trouble == "forward":
        monkeypatch.setattr(RewardModel, "_loss", runs_out(RewardModel._loss, 2, lambda args: len(args[2])))
    if trouble == "backward":
        loss_of = RewardModel._loss

        def limited(self, batch, pairs, *rest):
            loss = loss_of(self, batch, pairs, *rest)
            if len(pairs) > 2:
                loss.register_hook(no_room)
            return loss

        monkeypatch.setattr(RewardModel, "_loss", limited)
    make_trainer(max_steps=2).fit(module, pairs_of(module))
    assert module.micro_batches.halvings == (trouble != "micro-batches")
    for found, wanted in zip(module.seen, expected.seen, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-3)
    for metric in ("train/loss", "train/accuracy"):
        torch.testing.assert_close(module.trainer.logged_metrics[metric], expected.trainer.logged_metrics[metric])


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
        (grpo, {"kl": KLSettings(0.1), "experience": ExperienceSettings(updates=2)}),
        (grpo, {"reference_advantage": 1.0, "loss": LossSettings(type="gspo", entropy_coefficient=0.01)}),
        (sft, {}),
        (sft, {"packing": True, "max_length": 40}),
    ],
    ids=["grpo", "grpo with kl and two updates", "grpo with references, entropy and ratios of sequences", "sft", "packed sft"],
)
def test_micro_batches_take_the_same_steps(tiny_qwen_dir, vowels, train, monkeypatch, make, settings, tokens):
    expected, module = train(make(tiny_qwen_dir, vowels, **settings)), make(tiny_qwen_dir, vowels, micro_batch_tokens=tokens, **settings)
    passes = []
    differentiate = _AccumulatedGradients.differentiate
    monkeypatch.setattr(_AccumulatedGradients, "differentiate", lambda *args: passes.append(module.global_step) or differentiate(*args))
    train(module)
    assert all(passes.count(step) >= 2 for step in range(3))
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


@pytest.mark.parametrize("tokens", [None, 1])
def test_losses_in_half_precision_are_scaled_before_they_underflow(tiny_qwen_dir, vowels, train, monkeypatch, tokens):
    exact = train(sft(tiny_qwen_dir, vowels), max_steps=1).seen[0]
    monkeypatch.setattr(sft_module, "supervised_logprobs", lambda *args: 1e-8 * supervised_logprobs(*args))
    found = train(
        sft(tiny_qwen_dir, vowels, micro_batch_tokens=tokens), max_steps=1, precision=None, plugins=MixedPrecision("16-mixed", "cpu")
    ).seen[0]
    torch.testing.assert_close(found * 1e8, exact, atol=float(exact.abs().max()) / 50, rtol=0)


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
