"""Advantages, losses and optimisers: pure torch, no Lightning."""

from bbflow.optimization.advantages import (
    GDPO,
    MOGRPO,
    Advantage,
    Advantages,
    CovarianceTargeted,
    SumThenNormalize,
)
from bbflow.optimization.kl import KLSettings, kl_advantages
from bbflow.optimization.losses import (
    LossSettings,
    PolicyLoss,
    batch_normalizer,
    loss_mask,
    policy_loss,
    regularizer_weights,
    token_weights,
)
from bbflow.optimization.optimizer import OptimizerSettings

__all__ = [
    "GDPO",
    "MOGRPO",
    "Advantage",
    "Advantages",
    "CovarianceTargeted",
    "KLSettings",
    "LossSettings",
    "OptimizerSettings",
    "PolicyLoss",
    "SumThenNormalize",
    "batch_normalizer",
    "kl_advantages",
    "loss_mask",
    "policy_loss",
    "regularizer_weights",
    "token_weights",
]
