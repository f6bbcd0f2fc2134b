import math

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
