import pytest
import torch

from bbflow.optimization import LossSettings
from bbflow.optimization.kl import KLSettings, kl_advantages
from bbflow.optimization.objective import Objective

MASK = torch.tensor([[True, True, True], [True, False, False], [True, True, False], [True, True, True]])


def batch(place, kind="dapo", off_policy=False, entropy=0.0):
    source = torch.Generator().manual_seed(4)
    logprobs, reference, old = (-torch.rand(4, 3, generator=source, dtype=torch.float64) for _ in range(3))
    whole = Objective(
        LossSettings(kind, entropy_coefficient=entropy), KLSettings(0.3, place=place), MASK, old if off_policy else None, reference
    )
    return whole.rewarded_kl(logprobs, MASK, 2), logprobs.requires_grad_(), torch.tensor([1.0, -0.5, 0.2, -2.0], dtype=torch.float64)


def gradient(objective, logprobs, advantages):
    return torch.autograd.grad(objective.value(logprobs, advantages).total, logprobs)[0]


@pytest.mark.parametrize("place", ["loss", "reward"])
@pytest.mark.parametrize("kind", ["grpo", "dapo", "cispo", "gspo"])
@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [3, 0]])
def test_on_policy_the_weights_of_the_parts_add_up_to_the_gradient_of_the_loss(place, kind, rows):
    objective, logprobs, advantages = batch(place, kind, entropy=0.1)
    expected = gradient(objective, logprobs, advantages)
    rows = torch.tensor(rows)
    parts = torch.stack([advantages + 1.5, torch.full_like(advantages, -1.5)])  # of signs other than the sum's
    assert not objective.signed
    now = logprobs.detach()[rows]
    got = objective.regularizer(now, rows)
    for part in parts:
        got = got - part[rows][:, None] * objective.factors(now, rows, 0)
    torch.testing.assert_close(got, expected[rows])


@pytest.mark.parametrize("kind", ["grpo", "dapo", "cispo", "gspo"])
def test_off_policy_one_capability_alone_has_the_gradient_of_the_loss(kind):
    objective, logprobs, advantages = batch("loss", kind, off_policy=True, entropy=0.1)
    assert objective.signed == (kind != "cispo")
    now, rows = logprobs.detach(), torch.arange(4)
    got = objective.regularizer(now, rows)
    for sign in (1, -1):
        got = got - torch.where(advantages.sign() == sign, advantages, 0.0)[:, None] * objective.factors(now, rows, sign)
    torch.testing.assert_close(got, gradient(objective, logprobs, advantages))


def test_a_chunk_may_be_cut_to_its_longest_row():
    objective, logprobs, _ = batch("reward", "gspo", off_policy=True, entropy=0.1)
    rows, now = torch.tensor([2, 1]), logprobs.detach()
    for weights in (lambda lp: objective.factors(lp, rows, 1), lambda lp: objective.regularizer(lp, rows)):
        torch.testing.assert_close(weights(now[rows, :2]), weights(now[rows])[:, :2])


def test_the_kl_acts_in_one_place_only():
    in_loss, logprobs, advantages = batch("loss")
    in_reward, _, _ = batch("reward")
    assert in_loss.penalty_N is None
    torch.testing.assert_close(in_reward.penalty_N, 0.3 * kl_advantages(logprobs, in_reward.reference_NT, MASK, 2))
    expected = (-(advantages + in_reward.penalty_N)[:, None]).expand(4, 3) * MASK
    torch.testing.assert_close(gradient(in_reward, logprobs, advantages), expected)
    assert float(in_loss.value(logprobs, advantages).kl) == float(in_reward.value(logprobs, advantages).kl) > 0  # reported alike
