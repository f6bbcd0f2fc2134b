import math
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bbflow.optimization import (
    LossSettings,
    batch_normalizer,
    kl_advantages,
    loss_mask,
    policy_loss,
    regularizer_weights,
    token_weights,
)
from bbflow.optimization.kl import kl_estimate

ON = torch.tensor([[True, True], [True, False]])
TYPES = ["grpo", "bnpo", "dapo", "dr_grpo", "cispo", "gspo"]


def test_the_on_policy_gradient_is_that_of_the_advantage_times_log_p():
    logprobs = torch.tensor([[-1.0, -2.0], [-3.0, 0.0]], requires_grad=True)
    loss = policy_loss(logprobs, ON, torch.tensor([2.0, -1.0], dtype=torch.float64))
    assert float(loss.total.detach()) == pytest.approx(-(2 * 2.0 - 1.0))
    loss.total.backward()
    assert logprobs.grad.tolist() == [[-2.0, -2.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "flows"),
    [
        (1.5, 1.0, -1.28, False),  # above the upper bound and better: no more
        (1.5, -1.0, 1.5, True),  # above and worse: pushed back
        (5.0, -1.0, 3.0, False),  # so far above that the dual clip holds it
        (0.5, 1.0, -0.5, True),  # below and better: pulled up
        (0.5, -1.0, 0.8, False),  # below the lower bound and worse: no more
        (1.1, 1.0, -1.1, True),
    ],
)
@pytest.mark.parametrize("kind", ["dapo", "gspo"])
def test_clipping_by_hand(ratio, advantage, value, flows, kind):
    logprobs = torch.tensor([[math.log(ratio)]], requires_grad=True)
    settings = LossSettings(kind, clip_low=0.2, clip_high=0.28, dual_clip=3.0)
    loss = policy_loss(logprobs, torch.tensor([[True]]), torch.tensor([advantage]), settings, old_logprobs_NT=torch.zeros(1, 1))
    loss.total.backward()
    assert float(loss.total.detach()) == pytest.approx(value)
    assert (float(logprobs.grad) != 0) == flows
    assert bool(loss.clipped) != flows


def test_cispo_bounds_the_weight_and_loses_no_token():
    logprobs = torch.tensor([[math.log(8.0), math.log(0.1), -1.0]], requires_grad=True)
    old = torch.tensor([[0.0, 0.0, -1.0]])
    loss = policy_loss(logprobs, torch.ones(1, 3, dtype=torch.bool), torch.tensor([2.0]), LossSettings("cispo"), old_logprobs_NT=old)
    loss.total.backward()
    assert logprobs.grad[0].tolist() == pytest.approx([-10.0, -0.2, -2.0])  # weights min(ratio, 5)
    assert int(loss.clipped) == 1


def written_out(logprobs, old, mask, advantages, settings):
    """The losses as their papers write them, left to autograd; sums that `batch_normalizer` divides."""
    mask, advantages = mask.double(), advantages[:, None]
    low, high = settings.clip
    ratio = (logprobs - old).exp()
    if settings.type == "cispo":
        return (-ratio.clamp(max=1 + high).detach() * advantages * logprobs * mask).sum()
    if settings.type == "gspo":
        ratio = (((logprobs - old) * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)).exp()
    surrogate = torch.min(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)
    if settings.dual_clip is not None:
        surrogate = torch.where(advantages < 0, torch.max(surrogate, settings.dual_clip * advantages), surrogate)
    if settings.type in ("grpo", "gspo"):
        return -((surrogate * mask).sum(1) / mask.sum(1).clamp(min=1)).sum()
    return -(surrogate * mask).sum()


@given(
    st.sampled_from(TYPES), st.floats(0.01, 0.9), st.floats(0.01, 2.0), st.one_of(st.none(), st.floats(3.1, 6)),
    st.floats(0.01, 2), st.lists(st.integers(0, 5), min_size=4, max_size=4), st.integers(0, 2**31),
)  # fmt: skip
def test_value_and_gradient_equal_the_written_out_loss(kind, low, high, dual, drift, lengths, seed):
    source = torch.Generator().manual_seed(seed)
    settings = LossSettings(kind, clip_high=high) if kind == "cispo" else LossSettings(kind, low, high, dual)
    mask = torch.arange(5)[None] < torch.tensor(lengths)[:, None]
    old = -torch.rand(4, 5, generator=source, dtype=torch.float64)
    logprobs = (old + drift * torch.randn(4, 5, generator=source, dtype=torch.float64)).requires_grad_()
    advantages = torch.randn(4, generator=source, dtype=torch.float64)
    advantages[int(seed % 4)] = 0.0

    expected = written_out(logprobs, old, mask, advantages, settings)
    got = policy_loss(logprobs, mask, advantages, settings, old_logprobs_NT=old).total
    torch.testing.assert_close(got, expected, atol=1e-12, rtol=1e-12)
    gradient, expected_gradient = (torch.autograd.grad(loss, logprobs)[0] for loss in (got, expected))
    torch.testing.assert_close(gradient, expected_gradient, atol=1e-12, rtol=1e-12)

    up, down = (token_weights(logprobs, old, mask, settings, sign) for sign in (1, -1))
    assert not up.requires_grad
    weights = torch.where(advantages[:, None] > 0, up, down)
    torch.testing.assert_close(-advantages[:, None] * weights, expected_gradient, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("kind", TYPES)
def test_on_policy_the_weights_are_those_of_an_old_policy_that_is_the_same(kind):
    logprobs, mask = -torch.rand(3, 4), torch.tensor([[True] * 4, [True] * 2 + [False] * 2, [False] * 4])
    for sign in (1, -1):
        alone = token_weights(logprobs, None, mask, LossSettings(kind), sign)
        torch.testing.assert_close(alone, token_weights(logprobs, logprobs.clone(), mask, LossSettings(kind), sign))
        assert alone.sum(1).tolist() == ([1, 1, 0] if kind in ("grpo", "gspo") else [4, 2, 0])


def test_the_normaliser_adds_up_over_any_cut():
    mask = torch.rand(6, 9) < 0.5
    for kind in TYPES:
        settings = LossSettings(kind)
        cut = sum(batch_normalizer(part, settings, 20) for part in mask.split([1, 3, 2]))
        assert int(cut) == int(batch_normalizer(mask, settings, 20))


def test_settings_are_checked():
    assert [p.where for p in LossSettings(clip_low=1.0, clip_high=0.0).problems("loss")] == ["loss.clip_low", "loss.clip_high"]
    assert [p.where for p in LossSettings("cispo", clip_low=0.2, dual_clip=3.0).problems("loss")] == ["loss.clip_low", "loss.dual_clip"]
    assert [p.where for p in LossSettings(dual_clip=1.2, entropy_coefficient=-1).problems("loss")] == [
        "loss.dual_clip",
        "loss.entropy_coefficient",
    ]
    assert [LossSettings(kind).problems("loss") for kind in TYPES] == [[]] * 6


def test_truncated_completions_can_be_left_out():
    assert loss_mask(ON, torch.tensor([True, False]), LossSettings(mask_truncated=True)).tolist() == [[False, False], [True, False]]
    assert torch.equal(loss_mask(ON, torch.tensor([True, False]), LossSettings()), ON)


@pytest.mark.parametrize("kind", TYPES)
def test_all_completions_truncated_and_masked_is_a_loss_of_zero(kind):
    settings = LossSettings(kind, mask_truncated=True, entropy_coefficient=0.1)
    mask = loss_mask(ON, torch.tensor([True, True]), settings)
    logprobs = torch.tensor([[-1.0, -2.0], [-3.0, 0.0]], requires_grad=True)
    loss = policy_loss(logprobs, mask, torch.ones(2), settings, old_logprobs_NT=torch.zeros(2, 2), reference_logprobs_NT=torch.zeros(2, 2))
    loss.total.backward()
    assert float(loss.total.detach()) == 0.0
    assert logprobs.grad.abs().max() == 0.0


# ---- KL and entropy, against their gradients by enumeration


def distributions():
    torch.manual_seed(3)
    logits = torch.randn(5, dtype=torch.float64, requires_grad=True)
    return logits, torch.randn(5, dtype=torch.float64).log_softmax(0)


def mean_gradient(logits, loss_of_token, sampler=None):
    """Exact mean, over the sampler's tokens, of the gradient of a loss per sampled token."""
    logprobs = logits.log_softmax(0)
    chances = (logprobs.detach() if sampler is None else sampler).exp()
    losses = [chance * loss_of_token(token, logprobs[token].view(1, 1)) for token, chance in enumerate(chances)]
    return torch.autograd.grad(sum(losses), logits)[0]


def exact_kl_gradient(logits, reference):
    logprobs = logits.log_softmax(0)
    return torch.autograd.grad((logprobs.exp() * (logprobs - reference)).sum(), logits)[0]


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
@pytest.mark.parametrize("off_policy", [False, True])
def test_the_kl_in_the_loss_has_the_gradient_of_the_kl(estimator, off_policy):
    logits, reference = distributions()
    old = torch.randn(5, dtype=torch.float64).log_softmax(0) if off_policy else None

    def loss(token, logprob):
        before = None if old is None else old[token].view(1, 1)
        return policy_loss(
            logprob, torch.tensor([[True]]), torch.zeros(1), old_logprobs_NT=before,
            reference_logprobs_NT=reference[token].view(1, 1), kl_coefficient=1.0, kl_estimator=estimator,
        ).total  # fmt: skip

    torch.testing.assert_close(mean_gradient(logits, loss, old), exact_kl_gradient(logits, reference))


def test_differentiated_as_they_stand_only_k2_has_the_gradient_of_the_kl():
    logits, reference = distributions()
    plain = {
        k: mean_gradient(logits, lambda t, logprob, k=k: kl_estimate(logprob, reference[t].view(1, 1), k).sum()) for k in ("k1", "k2", "k3")
    }
    exact = exact_kl_gradient(logits, reference)
    torch.testing.assert_close(plain["k2"], exact)
    torch.testing.assert_close(plain["k1"], torch.zeros_like(exact))
    forward = torch.autograd.grad((reference.exp() * (reference - logits.log_softmax(0))).sum(), logits)[0]
    torch.testing.assert_close(plain["k3"], forward)
    assert (forward - exact).abs().max() > 0.05


def test_k1_and_k3_have_the_value_of_the_kl():
    logits, reference = distributions()
    logprobs = logits.detach().log_softmax(0)
    exact = (logprobs.exp() * (logprobs - reference)).sum()
    for estimator in ("k1", "k3"):
        torch.testing.assert_close((logprobs.exp() * kl_estimate(logprobs, reference, estimator)).sum(), exact)


def test_the_kl_in_the_reward_has_the_gradient_of_the_kl_of_whole_completions():
    """A policy over two tokens of three, the second given the first; groups of two, all of them enumerated."""
    torch.manual_seed(1)
    first, second = torch.randn(3, dtype=torch.float64, requires_grad=True), torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    reference_first, reference_second = torch.randn(3, dtype=torch.float64).log_softmax(0), torch.randn(3, 3).double().log_softmax(1)
    completions = list(product(range(3), range(3)))

    def of(head, tail):
        return torch.stack([torch.stack([head[a], tail[a, b]]) for a, b in completions])

    logprobs, reference = of(first.log_softmax(0), second.log_softmax(1)), of(reference_first, reference_second)
    exact = torch.autograd.grad((logprobs.sum(1).exp() * (logprobs - reference).sum(1)).sum(), [first, second], retain_graph=True)
    total, mask = torch.zeros((), dtype=torch.float64), torch.ones(2, 2, dtype=torch.bool)
    for i, j in product(range(9), range(9)):
        group = logprobs[[i, j]]
        advantages = kl_advantages(group, reference[[i, j]], mask, 2)
        total = total + group.detach().sum().exp() * policy_loss(group, mask, advantages).total / 2
    for got, expected in zip(torch.autograd.grad(total, [first, second]), exact, strict=True):
        torch.testing.assert_close(got, expected * (1 - 1 / 2))


@pytest.mark.parametrize("off_policy", [False, True])
def test_the_entropy_bonus_has_the_gradient_of_the_entropy(off_policy):
    logits, _ = distributions()
    old = torch.randn(5, dtype=torch.float64).log_softmax(0) if off_policy else None

    def loss(token, logprob):
        before = None if old is None else old[token].view(1, 1)
        settings = LossSettings(entropy_coefficient=0.7)
        return policy_loss(logprob, torch.tensor([[True]]), torch.zeros(1), settings, old_logprobs_NT=before).total

    logprobs = logits.log_softmax(0)
    exact = torch.autograd.grad(-(logprobs.exp() * logprobs).sum(), logits)[0]
    torch.testing.assert_close(mean_gradient(logits, loss, old), -0.7 * exact)


def test_the_regularisers_by_hand():
    now, reference = torch.tensor([[-1.0, -2.0]]), torch.tensor([[-2.0, -2.5]])
    weights = regularizer_weights(now, None, reference, ON[:1], LossSettings("grpo", entropy_coefficient=0.1), 2.0)
    assert weights[0].tolist() == pytest.approx([(2.0 * 1.0 - 0.1) / 2, (2.0 * 0.5 - 0.2) / 2])


def test_log_ratios_are_clamped_and_a_token_far_away_is_still_pulled_back():
    logprobs = torch.tensor([[-500.0]], requires_grad=True)
    loss = policy_loss(logprobs, torch.tensor([[True]]), torch.zeros(1), reference_logprobs_NT=torch.zeros(1, 1), kl_coefficient=1.0)
    loss.total.backward()
    assert math.isfinite(float(loss.kl))
    assert float(logprobs.grad) == -20.0
