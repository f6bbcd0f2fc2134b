import math

import pytest
import torch

from bbflow.optimization import LossSettings, loss_mask, policy_loss

ON = torch.tensor([[True, True], [True, False]])


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
        (0.5, 1.0, -0.5, True),  # below and better: pulled up
        (0.5, -1.0, 0.8, False),  # below the lower bound and worse: no more
        (1.1, 1.0, -1.1, True),
    ],
)
def test_clipping_by_hand(ratio, advantage, value, flows):
    logprobs = torch.tensor([[math.log(ratio)]], requires_grad=True)
    loss = policy_loss(
        logprobs,
        torch.tensor([[True]]),
        torch.tensor([advantage]),
        LossSettings(clip_low=0.2, clip_high=0.28),
        old_logprobs_NT=torch.zeros(1, 1),
    )
    loss.total.backward()
    assert float(loss.total.detach()) == pytest.approx(value)
    assert (float(logprobs.grad) != 0) == flows
    assert bool(loss.clipped) != flows


def test_settings_are_checked():
    assert [p.where for p in LossSettings(clip_low=1.0, clip_high=0.0).problems("loss")] == ["loss.clip_low", "loss.clip_high"]


def test_truncated_completions_can_be_left_out():
    assert loss_mask(ON, torch.tensor([True, False]), LossSettings(mask_truncated=True)).tolist() == [[False, False], [True, False]]
    assert torch.equal(loss_mask(ON, torch.tensor([True, False]), LossSettings()), ON)
