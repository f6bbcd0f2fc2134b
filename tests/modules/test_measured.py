"""The gradients of the capabilities taken apart for the report alone: what is seen is right, and what is trained is as without it."""

import pytest
import torch

from bbflow.callbacks import InterferenceMonitor
from bbflow.errors import InputError
from bbflow.modules import GRPO
from bbflow.modules.training.settings import InterferenceSettings
from bbflow.optimization import GDPO, KLSettings
from bbflow.optimization.weightings import WeightedSum
from bbflow.policies import PolicySettings
from bbflow.policies.rollouts import TransformersRollout
from bbflow.rewards.base import Reward


class Long(Reward):
    def __call__(self, examples, completions):
        return [min(1.0, len(text) / 40) for text in completions]


class Kept(GRPO):
    """Keeps what was seen of every step."""

    def on_before_optimizer_step(self, optimizer):
        super().on_before_optimizer_step(optimizer)
        self.geometries = [*getattr(self, "geometries", []), self.last_geometry]


@pytest.fixture
def train(tiny_qwen_dir, example, vowels, make_trainer, make_data):
    from bbflow.capabilities import Capability

    examples = [example(i, question=f"Question {i}?", capabilities=["domain", "safety"]) for i in range(24)]

    def run(steps=5, trainer=None, **changes):
        torch.manual_seed(3)
        capabilities = {"domain": vowels(), "safety": Capability(Long(), {"long": Long()}, weight=2.0)}
        rollout = TransformersRollout(group_size=4, max_new_tokens=8)
        module = Kept(PolicySettings(path=str(tiny_qwen_dir)), capabilities, rollout, GDPO(), **changes)
        made = make_trainer(max_steps=steps, callbacks=[InterferenceMonitor()], **(trainer or {}))
        made.fit(module, make_data(examples, batch_size=4))
        return module, made

    return run


@pytest.mark.parametrize("more", [{}, {"reference_advantage": 1.0}, {"micro_batch_tokens": 100}, {"kl": KLSettings(0.1)}], ids=str)
def test_training_is_bit_equal_to_a_run_that_measures_nothing(train, more):
    measured, _ = train(interference=InterferenceSettings(every=2), **more)
    plain, _ = train(**more)
    for one, other in zip(measured.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)
    seen = [geometry is not None for geometry in measured.geometries]
    assert seen == [True] * 5  # the last one stays until there is another
    assert len({id(geometry) for geometry in measured.geometries}) == 3  # before steps 0, 2 and 4
    assert measured._probe.jacobian is None  # its memory was given back
    assert plain.last_geometry is None


def test_what_is_seen_is_what_a_weighted_sum_sees(train):
    [measured], [whole] = (
        train(steps=1, **how)[0].geometries for how in ({"interference": InterferenceSettings(every=1)}, {"weighting": WeightedSum()})
    )
    torch.testing.assert_close(measured.gramian_KK, whole.gramian_KK)
    torch.testing.assert_close(measured.cross_KK, whole.cross_KK)
    assert measured.weights_K.tolist() == [1.0, 2.0]


def test_the_monitor_counts_measurements_alone(train):
    _, trainer = train(interference=InterferenceSettings(every=2))
    [monitor] = [c for c in trainer.callbacks if isinstance(c, InterferenceMonitor)]
    block = monitor.block()
    assert block["steps"] == 3
    assert [entry["pair"] for entry in block["pairs"]] == [["domain", "safety"]]
    assert "applied" not in block


def test_accumulated_batches_are_measured_once(train):
    module, _ = train(steps=4, interference=InterferenceSettings(every=2), trainer={"accumulate_grad_batches": 2})
    assert len({id(geometry) for geometry in module.geometries}) == 2


def test_a_trainer_that_cannot_take_gradients_apart_is_refused(train):
    with pytest.raises(InputError, match="every must be at least 0, not -1"):
        train(interference=InterferenceSettings(every=-1))
    with pytest.raises(InputError, match=r"trainer\.precision"):
        train(interference=InterferenceSettings(every=1), trainer={"precision": "16-true"})
