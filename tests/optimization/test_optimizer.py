import math
from copy import deepcopy

import pytest
import torch
from torch import nn

from bbflow.optimization import OptimizerSettings


def test_decay_touches_matrices_only():
    layer = nn.Linear(2, 2)
    layer.weight.data.fill_(1.0)
    layer.bias.data.fill_(1.0)
    optimizer, _ = OptimizerSettings(learning_rate=0.1, weight_decay=0.5).build(layer.parameters(), 10)
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert layer.weight.detach().flatten().tolist() == pytest.approx([0.95] * 4)
    assert layer.bias.tolist() == [1.0, 1.0]


def test_frozen_parameters_stay_out():
    layer = nn.Linear(2, 2)
    layer.weight.requires_grad_(False)
    optimizer, _ = OptimizerSettings().build(layer.parameters(), 10)
    assert [p.shape for group in optimizer.param_groups for p in group["params"]] == [layer.bias.shape]


def test_cosine_ends_at_zero():
    settings = OptimizerSettings(schedule="cosine", warmup_steps=4)
    rates = [settings.factor(step, 20) for step in range(21)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[12] == pytest.approx(0.5)
    assert rates[20] == pytest.approx(0.0)


def test_the_constant_schedule_needs_no_end():
    assert OptimizerSettings().factor(10**9, math.inf) == 1.0


def test_settings_are_checked():
    found = OptimizerSettings(learning_rate=0.0, weight_decay=-1.0, betas=(0.9, 1.0), warmup_steps=-1).problems("o")
    assert [p.where for p in found] == ["o.learning_rate", "o.weight_decay", "o.betas", "o.warmup_steps"]


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_a_checkpoint_gives_the_step_and_the_recipe_the_settings(schedule):
    def build(**settings):
        weight = torch.nn.Parameter(torch.ones(2, 2))
        optimizer, schedule_ = OptimizerSettings(schedule=schedule, **settings).build([weight], 10)
        return weight, optimizer, schedule_

    def step(weight, optimizer, schedule_):
        weight.grad = torch.ones(2, 2)
        optimizer.step()
        schedule_.step()

    old, same, other = build(learning_rate=1e-2), build(learning_rate=1e-2), build(learning_rate=1e-3, weight_decay=0.1, betas=(0.5, 0.9))
    for _ in range(3):
        step(*old)
    for new in (same, other):
        new[1].load_state_dict(deepcopy(old[1].state_dict()))
        new[2].load_state_dict(old[2].state_dict())
    assert same[1].param_groups[0]["lr"] == old[1].param_groups[0]["lr"]
    assert other[1].param_groups[0]["lr"] == pytest.approx(old[1].param_groups[0]["lr"] / 10)
    assert (other[1].param_groups[0]["weight_decay"], other[1].param_groups[0]["betas"]) == (0.1, (0.5, 0.9))
    for run in (old, other):
        step(*run)
    assert other[1].param_groups[0]["lr"] == pytest.approx(old[1].param_groups[0]["lr"] / 10)
    assert other[1].state[other[0]]["step"] == 4
