"""Rewards: pure functions from records and completions to scores in [0, 1]."""

from bbflow.rewards.base import Reward, Score
from bbflow.rewards.citations import GroundedCitations
from bbflow.rewards.correctness import CorrectAnswer, PartialAnswer
from bbflow.rewards.instructions import ConstraintReward, FollowsInstructions
from bbflow.rewards.learned import LearnedReward
from bbflow.rewards.reasoning import ChainReward, ConnectedReasoning, ReasonedAnswer
from bbflow.rewards.safety import AppropriateRefusal, SafeAdvice, SafeChoice
from bbflow.rewards.shaping import AnswerFormat, NoRepetition, NotOverlong
from bbflow.rewards.workflow import RedFlagHandled, WorkflowSteps

__all__ = [
    "AnswerFormat", "AppropriateRefusal", "ChainReward", "ConnectedReasoning", "ConstraintReward", "CorrectAnswer", "FollowsInstructions",
    "GroundedCitations", "LearnedReward", "NoRepetition", "NotOverlong", "PartialAnswer", "ReasonedAnswer", "RedFlagHandled", "Reward",
    "SafeAdvice", "SafeChoice", "Score", "WorkflowSteps",
]  # fmt: skip
