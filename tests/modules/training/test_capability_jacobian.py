import pytest
import torch
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm

from bbflow.modules.training.capability_jacobian import Regularizer, TokenWeights, _sum_over_groups, add_rows, exact_mode
from bbflow.optimization.jacobian import Jacobian, unsupported
from bbflow.policies import LoraSettings, PolicySettings, chunked_logits, load_policy, logprobs
from bbflow.policies.policy import pad
from bbflow.policies.rollouts import Rollouts

PROMPTS = [[5, 9, 11, 40, 7], [8], [30, 31, 32]]
COMPLETIONS = [[3, 4], [60], [], [9, 9, 9, 9], [12, 13, 14], [7, 8], [21], [22, 23, 24, 25, 26], [2] * 3]


@pytest.fixture
def rollouts():
    ids, mask = pad(COMPLETIONS, 0, "right")
    return Rollouts(*pad(PROMPTS, 0, "left"), ids, mask, torch.zeros(ids.shape), torch.zeros(len(ids), dtype=torch.bool), 3)


def load(folder, **settings):
    model = load_policy(PolicySettings(path=str(folder), **settings)).model.eval()
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def factors(rollouts, signed):
    def of(logprobs_nT, rows_n, sign):
        mask = rollouts.completion_mask_NT[rows_n, : logprobs_nT.shape[1]].to(logprobs_nT)
        return (1 + 0.5 * sign + 0.1 * logprobs_nT) * mask  # as a clipped ratio does, it depends on the token and on the sign

    return TokenWeights(of, signed)


def rows(model, rollouts, parts, mode, signed=False, regularizer=None):
    jacobian = Jacobian((p for p in model.parameters() if p.requires_grad), len(parts) + 1)
    add_rows(
        jacobian,
        slice(0, len(parts)),
        model,
        rollouts,
        parts,
        factors(rollouts, signed),
        temperature=0.7,
        mode=mode,
        regularizer=regularizer,
    )
    return jacobian.rows_RP


def relative(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.fixture
def parts():
    parts_KN = torch.randn(3, 9, generator=torch.Generator().manual_seed(0))
    parts_KN[1, 3:6] = 0  # a capability without signal in a group
    parts_KN[:, 8] = 0
    return parts_KN


@pytest.mark.parametrize("adapter", [None, LoraSettings(r=4)], ids=["full", "lora"])
@pytest.mark.parametrize("signed", [False, True], ids=["one-pass", "two-passes"])
@pytest.mark.parametrize(("budget", "block"), [(8, 1 << 25), (2048, 1 << 25), (2048, 1000)], ids=["chunks", "whole", "logits in blocks"])
def test_one_pass_equals_k_backward_passes(tiny_dir, rollouts, parts, adapter, signed, budget, block, monkeypatch):
    monkeypatch.setitem(logprobs.TOKENS_AT_ONCE, "cpu", budget)
    model = load(tiny_dir, adapter=adapter)
    assert unsupported(model) == []
    regularizer = Regularizer(3, lambda logprobs_nT, rows_n: rollouts.completion_mask_NT[rows_n, : logprobs_nT.shape[1]] * logprobs_nT)
    expected = rows(model, rollouts, parts, "k_backward", signed, regularizer)
    assert (expected.norm(dim=1) > 0).all()
    monkeypatch.setitem(chunked_logits.BLOCK, "cpu", block)
    assert relative(rows(model, rollouts, parts, "factored", signed, regularizer), expected) < 1e-5


def test_double_precision(tiny_dir, rollouts, parts, monkeypatch):
    def forward(self, hidden):  # Qwen's norm, but without its detour over float32
        return self.weight * hidden * (hidden.square().mean(-1, keepdim=True) + self.variance_epsilon).rsqrt()

    monkeypatch.setattr(Qwen2RMSNorm, "forward", forward)
    for adapter in (None, LoraSettings(r=4)):
        model = load(tiny_dir, adapter=adapter).double()
        for signed in (False, True):
            expected = rows(model, rollouts, parts.double(), "k_backward", signed)
            assert relative(rows(model, rollouts, parts.double(), "factored", signed), expected) <= 1e-9


def test_a_prompt_that_cannot_be_shared_runs_in_full(tiny_dir, rollouts, parts, monkeypatch):
    model = load(tiny_dir)
    expected = rows(model, rollouts, parts, "factored")
    monkeypatch.setattr("bbflow.policies.logprobs.can_share_prompt", lambda model: False)
    assert relative(rows(model, rollouts, parts, "factored"), expected) < 1e-5


def test_gradient_checkpointing(tiny_qwen_dir, rollouts, parts):
    model = load(tiny_qwen_dir, adapter=LoraSettings(r=4))
    expected = rows(model, rollouts, parts, "factored")
    model.gradient_checkpointing_enable()
    model.train()  # there is no dropout in it
    assert relative(rows(model, rollouts, parts, "factored"), expected) < 1e-5


def test_rows_weighted_and_summed_are_the_gradient_of_the_weighted_loss(tiny_dir, rollouts, parts):
    model, weights_K = load(tiny_dir), torch.tensor([2.0, 0.5, 1.0])
    combined = rows(model, rollouts, (weights_K @ parts)[None], "k_backward")[0]
    assert relative(weights_K @ rows(model, rollouts, parts, "factored")[:3], combined) < 1e-5


def test_bfloat16_accumulates_in_float32(tiny_qwen_dir, rollouts, parts):
    expected = rows(load(tiny_qwen_dir), rollouts, parts, "k_backward")
    found = rows(load(tiny_qwen_dir, dtype="bfloat16"), rollouts, parts, "factored")
    assert found.dtype == torch.float32
    assert relative(found, expected) < 0.1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = rows(load(tiny_qwen_dir), rollouts, parts, "factored")
    assert relative(mixed, expected) < 0.1


def test_what_completions_send_into_their_prompt_is_summed_in_float32(parts):
    gradient, prompt_n = torch.randn(9, 4, 5, generator=torch.Generator().manual_seed(1)), torch.arange(3).repeat_interleave(3)
    expected, found = torch.zeros(3, 3, 4, 5), torch.zeros(3, 3, 4, 5)
    _sum_over_groups([expected], [gradient], parts, prompt_n)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _sum_over_groups([found], [gradient], parts, prompt_n)
    assert torch.equal(found, expected)
    torch.testing.assert_close(expected, (parts[:, :, None, None] * gradient).unflatten(1, (3, 3)).sum(2))


def test_the_mode_is_chosen_by_what_is_trained(tiny_qwen_dir, rollouts):
    assert exact_mode(load(tiny_qwen_dir), rollouts)[0] == "factored"
    mode, reason = exact_mode(load(tiny_qwen_dir, adapter=LoraSettings(r=4, use_dora=True)), rollouts)
    assert mode == "k_backward"
    assert "lora_magnitude_vector" in reason


def test_a_weight_used_outside_its_layer_is_found_out(tiny_qwen_dir, rollouts):
    model = load(tiny_qwen_dir)
    layer = model.model.layers[0].mlp.down_proj
    forward = model.model.layers[0].mlp.forward
    model.model.layers[0].mlp.forward = lambda hidden: forward(hidden) * layer.weight.mean()
    mode, reason = exact_mode(model, rollouts)
    assert mode == "k_backward"
    assert "differ" in reason
