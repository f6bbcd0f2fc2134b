"""LightningModules: supervised fine-tuning and capability-aware GRPO."""

from bbflow.modules.base import PolicyModule
from bbflow.modules.batch import Batch
from bbflow.modules.grpo import GRPO
from bbflow.modules.sft import SFT

__all__ = ["GRPO", "SFT", "Batch", "PolicyModule"]
