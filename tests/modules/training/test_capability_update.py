import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from bbflow.capabilities import Capability
from bbflow.errors import InputError
from bbflow.modules import GRPO
from bbflow.modules.training.preflight import trainer_problems
from bbflow.modules.training.settings import InterferenceSettings
from bbflow.optimization import GDPO, KLSettings, OptimizerSettings
from bbflow.optimization.update_geometry import harmed
from bbflow.optimization.weightings import MGDA, UPGrad, WeightedSum
from bbflow.policies import LoraSettings, PolicySettings
from bbflow.policies.rollouts import TransformersRollout
from bbflow.rewards.base import Reward


class Watched(GRPO):
    """Keeps what each step saw: the gradient before clipping, and the geometry."""

    def on_before_optimizer_step(self, optimizer):
        super().on_before_optimizer_step(optimizer)
        self.seen = [*getattr(self, "seen", []), torch.cat([p.grad.flatten().clone() for p in self.parameters() if p.grad is not None])]
        self.geometries = [*getattr(self, "geometries", []), self.last_geometry]


def make(folder, vowels, weighting, adapter=None, capabilities=None, **changes):
    everywhere = {"tasks": ["fact_recall"]}
    if capabilities is None:
        capabilities = {
            "domain": vowels("aeiou", weight=2.0, **everywhere), "safety": vowels("stxyz", **everywhere), "reasoning": vowels("nr", **everywhere),
        }  # fmt: skip
    policy = PolicySettings(path=str(folder), adapter=adapter)
    return Watched(policy, capabilities, TransformersRollout(4, 8), GDPO(), weighting=weighting, **changes)


class Fewer(Reward):
    """One less the share of some letters."""

    def __init__(self, letters):
        self.letters = letters

    def __call__(self, examples, completions):
        return [1 - sum(c in self.letters for c in text) / max(1, len(text)) for text in completions]


@pytest.fixture
def train(example, make_trainer, make_data):
    def run(module, batch_size=4, **settings):
        torch.manual_seed(5)
        examples = [example(i, question=f"Question {i}?") for i in range(8)]
        path = settings.pop("ckpt_path", None)
        make_trainer(**{"max_steps": 2, **settings}).fit(
            module, make_data(examples, batch_size=batch_size), ckpt_path=path, weights_only=True
        )
        return module

    return run


@pytest.mark.parametrize("adapter", [None, LoraSettings(r=4)], ids=["full", "lora"])
@pytest.mark.parametrize("kl", [0.0, 0.3])
def test_the_weighted_sum_is_the_scalar_step(tiny_dir, vowels, train, adapter, kl):
    scalar = train(make(tiny_dir, vowels, None, adapter, kl=KLSettings(kl)))
    rows = train(make(tiny_dir, vowels, WeightedSum(), adapter, kl=KLSettings(kl)))
    for found, expected in zip(rows.seen, scalar.seen, strict=True):
        assert expected.norm() > 0
        assert (found - expected).norm() < 1e-4 * expected.norm()
    assert scalar.geometries == [None, None]


def test_two_accumulated_batches_equal_one_twice_as_large(tiny_qwen_dir, vowels, train):
    """Recorded rollouts are not needed: the batches of one seed are drawn per batch, so rows are compared with themselves."""
    parts = train(make(tiny_qwen_dir, vowels, WeightedSum()), batch_size=2, max_steps=1, accumulate_grad_batches=2)
    scalar = train(make(tiny_qwen_dir, vowels, None), batch_size=2, max_steps=1, accumulate_grad_batches=2)
    assert (parts.seen[0] - scalar.seen[0]).norm() < 1e-4 * scalar.seen[0].norm()


@pytest.mark.parametrize("weighting", [UPGrad(), MGDA(), UPGrad(normalize_rows=True)])
def test_no_capability_objects_to_the_update(tiny_qwen_dir, vowels, train, weighting):
    fewer = Fewer("aeiounrt")
    against = Capability(metric=fewer, rewards={"fewer": fewer}, tasks=["fact_recall"])
    opposed = {"more": vowels("aeiouy", weight=4.0, tasks=["fact_recall"]), "fewer": against}
    module = train(make(tiny_qwen_dir, vowels, weighting, capabilities=opposed), max_steps=4)
    for geometry in module.geometries:
        assert geometry.names == ("more", "fewer")
        assert not harmed(geometry.gramian_KK, geometry.weights_K).any()
    assert any(harmed(g.gramian_KK, g.preferences_K).any() for g in module.geometries)  # the plain sum would have harmed one


def test_the_gramian_is_that_of_the_capabilities_own_gradients(tiny_qwen_dir, vowels, train):
    """Every capability trained alone, by its own rows, has the length and the direction that the Gramian says."""
    module = train(make(tiny_qwen_dir, vowels, WeightedSum()), max_steps=1)
    geometry = module.geometries[0]
    again = geometry.weights_K @ geometry.gramian_KK @ geometry.weights_K
    assert torch.isclose(again.sqrt(), module.seen[0].double().norm(), rtol=1e-4)
    assert geometry.preferences_K.tolist() == [2.0, 1.0, 1.0]
    assert geometry.mode == "factored"


def test_what_the_update_did_is_measured_by_the_next_batch(tiny_qwen_dir, vowels, train):
    module = train(make(tiny_qwen_dir, vowels, UPGrad(), optimizer=OptimizerSettings(learning_rate=1e-3)), max_steps=3)
    first, second, _ = module.geometries
    assert first.applied_K is None
    assert second.applied_K.shape == (3,)
    assert (second.applied_K != 0).all()
    assert second.cross_KK.shape == (3, 3)


def test_without_measurement_nothing_is_kept(tiny_qwen_dir, vowels, train):
    with_it = train(make(tiny_qwen_dir, vowels, UPGrad()))
    without = train(make(tiny_qwen_dir, vowels, UPGrad(), interference=InterferenceSettings(with_weighting=False)))
    assert without.geometries[-1].cross_KK is None
    assert without.geometries[-1].applied_K is None
    assert len(without.update.jacobian.rows_RP) == 3
    assert torch.allclose(with_it.seen[0], without.seen[0], rtol=1e-3, atol=1e-6)


def test_the_metric_of_adam(tiny_qwen_dir, vowels, train):
    module = train(make(tiny_qwen_dir, vowels, UPGrad(metric="optimizer")), max_steps=3)
    plain = train(make(tiny_qwen_dir, vowels, UPGrad()), max_steps=3)
    assert torch.equal(module.geometries[0].weights_K, plain.geometries[0].weights_K)  # no moments yet
    assert all(torch.isfinite(g.weights_K).all() for g in module.geometries)


def test_what_no_plain_layer_holds_is_differentiated_k_times(tiny_qwen_dir, vowels, train):
    adapter = LoraSettings(r=4, use_dora=True)
    rows = train(make(tiny_qwen_dir, vowels, WeightedSum(), adapter))
    scalar = train(make(tiny_qwen_dir, vowels, None, adapter))
    assert rows.geometries[0].mode == "k_backward"
    assert (rows.seen[0] - scalar.seen[0]).norm() < 1e-4 * scalar.seen[0].norm()


def test_one_capability_is_the_plain_step(tiny_qwen_dir, vowels, train):
    alone = {"domain": vowels("aeiou")}
    rows = train(make(tiny_qwen_dir, vowels, UPGrad(), capabilities=alone))
    scalar = train(make(tiny_qwen_dir, vowels, None, capabilities=alone))
    assert (rows.seen[0] - scalar.seen[0]).norm() < 1e-4 * scalar.seen[0].norm()


def test_a_capability_without_signal_takes_no_part(tiny_qwen_dir, vowels, train):
    module = train(
        make(tiny_qwen_dir, vowels, UPGrad(), capabilities={"domain": vowels("aeiou"), "safety": vowels("é", tasks=["fact_recall"])})
    )
    geometry = module.geometries[0]
    assert geometry.weights_K.tolist() == [1.0, 0.0]
    assert (geometry.gramian_KK.diagonal() > 0).tolist() == [True, False]


def test_a_capability_without_a_sample_in_the_batch_takes_no_part(tiny_qwen_dir, vowels, train):
    """The examples all name `domain`, none names `safety`: the update is that of `domain` alone."""
    some = train(make(tiny_qwen_dir, vowels, UPGrad(), capabilities={"domain": vowels("aeiou"), "safety": vowels("nr")}))
    alone = train(make(tiny_qwen_dir, vowels, UPGrad(), capabilities={"domain": vowels("aeiou")}))
    assert some.geometries[0].weights_K.tolist() == [1.0, 0.0]
    assert (some.seen[0] - alone.seen[0]).norm() < 1e-4 * alone.seen[0].norm()


def test_no_signal_at_all_is_a_gradient_of_zeros(tiny_qwen_dir, vowels, train):
    module = train(make(tiny_qwen_dir, vowels, UPGrad(), capabilities={"domain": vowels("é"), "safety": vowels("ü")}))
    assert not module.seen[0].any()


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(tiny_qwen_dir, vowels, train, tmp_path):
    every = ModelCheckpoint(tmp_path / "kept", filename="{step}", every_n_epochs=1, save_top_k=-1)
    whole = train(make(tiny_qwen_dir, vowels, UPGrad()), max_steps=4, callbacks=[every], enable_checkpointing=True)
    resumed = train(make(tiny_qwen_dir, vowels, UPGrad()), max_steps=4, ckpt_path=tmp_path / "kept" / "step=2.ckpt")
    for found, expected in zip(resumed.seen, whole.seen[2:], strict=True):
        assert torch.equal(found, expected)
    for found, expected in zip(resumed.geometries, whole.geometries[2:], strict=True):
        assert torch.equal(found.applied_K, expected.applied_K)


def test_trainers_that_cannot_carry_it_are_refused():
    class Sharding:
        pass

    class Fake:
        strategy, precision = Sharding(), "16-mixed"

    found = [str(p) for p in trainer_problems(Fake())]
    assert found[0].startswith("trainer.strategy: Sharding shards the parameters")
    assert "weighting: null" in found[0]
    assert found[1].startswith("trainer.precision: 16-mixed scales the loss")


def test_half_precision_is_refused_before_the_policy_is_loaded(tiny_qwen_dir, vowels, make_trainer, make_data, example, monkeypatch):
    module = make(tiny_qwen_dir, vowels, UPGrad())
    trainer = make_trainer(max_steps=1)
    monkeypatch.setattr(type(trainer), "precision", "16-true")
    with pytest.raises(InputError, match=r"trainer\.precision"):
        trainer.fit(module, make_data([example(0)]))
    assert module.policy is None
