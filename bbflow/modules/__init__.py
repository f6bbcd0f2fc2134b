"""LightningModules: supervised fine-tuning, reward models and capability-aware GRPO."""

from bbflow.modules.base import PolicyModule
from bbflow.modules.batch import Batch
from bbflow.modules.grpo import GRPO
from bbflow.modules.reward_model import RewardModel
from bbflow.modules.sft import SFT

__all__ = ["GRPO", "SFT", "Batch", "PolicyModule", "RewardModel"]
