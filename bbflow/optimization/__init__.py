"""Advantages, losses and optimisers: pure torch, no Lightning."""

from bbflow.optimization.advantages import Advantage, Advantages, DecoupledAdvantage, SumThenNormalize
from bbflow.optimization.losses import LossSettings, PolicyLoss, loss_mask, policy_loss
from bbflow.optimization.optimizer import OptimizerSettings

__all__ = [
    "Advantage",
    "Advantages",
    "DecoupledAdvantage",
    "LossSettings",
    "OptimizerSettings",
    "PolicyLoss",
    "SumThenNormalize",
    "loss_mask",
    "policy_loss",
]
