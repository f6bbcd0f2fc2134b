"""Gradient checkpointing changes what is kept, never what comes out: in SFT, in GRPO, with one gradient and with one per capability."""

import copy

import pytest
import torch

from bbflow.modules import GRPO, SFT
from bbflow.optimization import GDPO, KLSettings
from bbflow.optimization.weightings import UPGrad
from bbflow.policies import LoraSettings, PolicySettings, load_policy
from bbflow.policies.gradient_checkpointing import checkpoint_layers, is_checkpointed
from bbflow.policies.logprobs import can_share_prompt
from bbflow.policies.rollouts import TransformersRollout
from bbflow.policies.sft_logprobs import supervised_logprobs

IDS = torch.tensor([[5, 9, 11, 40, 7, 3, 4, 60]])
SUPERVISED = torch.arange(8)[None] > 3


def kept_bytes(model):
    """Bytes that a forward pass keeps for its backward pass."""
    sizes = []

    def keep(tensor):
        sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        supervised_logprobs(model, IDS, SUPERVISED)
    return sum(sizes)


@pytest.mark.parametrize("training", [True, False])
def test_less_is_kept_in_train_and_in_eval_mode(tiny_qwen_dir, training):
    plain, checkpointed = (
        load_policy(PolicySettings(path=str(tiny_qwen_dir), gradient_checkpointing=on)).model.train(training) for on in (False, True)
    )
    assert not is_checkpointed(plain)
    assert is_checkpointed(checkpointed)
    assert kept_bytes(checkpointed) < 0.5 * kept_bytes(plain)


def test_the_cache_stays_on_where_no_gradient_is_taken(tiny_qwen_dir):
    model = load_policy(PolicySettings(path=str(tiny_qwen_dir), gradient_checkpointing=True)).model
    assert not can_share_prompt(model)
    with torch.no_grad():
        assert can_share_prompt(model)
        assert model(IDS, use_cache=True).past_key_values.get_seq_length() == 8


def test_a_copy_is_checkpointed_by_itself(tiny_qwen_dir):
    model = load_policy(PolicySettings(path=str(tiny_qwen_dir), gradient_checkpointing=True)).model
    twin = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.data.zero_()
    assert is_checkpointed(twin)
    assert supervised_logprobs(twin, IDS, SUPERVISED).std() > 0.1


def test_an_architecture_without_such_layers_is_refused():
    with pytest.raises(ValueError, match="set `gradient_checkpointing` to false"):
        checkpoint_layers(torch.nn.Linear(2, 2))


@pytest.mark.parametrize("weighting", [None, UPGrad()], ids=["one gradient", "one per capability"])
@pytest.mark.parametrize("kind", ["sft", "grpo"])
@pytest.mark.parametrize("adapter", [None, LoraSettings(r=4)], ids=["full", "lora"])
def test_steps_are_the_same(tiny_dir, example, vowels, make_trainer, make_data, adapter, kind, weighting):
    examples = [example(i, answer="word " * (1 + i), capabilities=["domain"] if i % 2 else ["domain", "safety"]) for i in range(4)]
    seen = []

    def watch(cls):
        class Watched(cls):
            def on_before_optimizer_step(self, optimizer):
                super().on_before_optimizer_step(optimizer)
                self.seen = torch.cat([p.grad.flatten().clone() for p in self.parameters() if p.grad is not None])

        return Watched

    for on in (False, True):
        policy = PolicySettings(path=str(tiny_dir), adapter=adapter, gradient_checkpointing=on)
        capabilities = {"domain": vowels("aeiou"), "safety": vowels("nr")}
        if kind == "sft":
            module = watch(SFT)(policy, capabilities, weighting=weighting)
        else:
            module = watch(GRPO)(policy, capabilities, TransformersRollout(4, 8), GDPO(), weighting=weighting, kl=KLSettings(0.1))
        torch.manual_seed(5)
        make_trainer(max_steps=1).fit(module, make_data(examples))
        seen.append(module.seen)
    assert seen[0].norm() > 0
    assert (seen[1] - seen[0]).norm() < 1e-4 * seen[0].norm()
