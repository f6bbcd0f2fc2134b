"""Rewards: pure functions from records and completions to scores in [0, 1]."""

from bbflow.rewards.base import Reward, Score
from bbflow.rewards.instruction import ConstraintReward, FollowsInstructions
from bbflow.rewards.knowledge import CorrectAnswer
from bbflow.rewards.reasoning import ChainReward, ReasonedAnswer
from bbflow.rewards.safety import SafeChoice

__all__ = ["ChainReward", "ConstraintReward", "CorrectAnswer", "FollowsInstructions", "ReasonedAnswer", "Reward", "SafeChoice", "Score"]
