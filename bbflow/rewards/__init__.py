"""Rewards: functions from records and completions to scores in [0, 1]; `None` where a reward abstains.

| module | rewards |
|---|---|
| `base` | `Reward`, the base class |
| `correctness` | right answers: options, names, decisions, amounts, texts |
| `reasoning` | proofs from edges of the graph |
| `citations` | citations of numbered facts in the prompt |
| `instructions`, `ifeval_verifiers` | format constraints |
| `safety` | safe advice and refusals |
| `workflow` | clinical steps in order, red flags |
| `shaping` | form: answer mark, length, repetition |
| `learned` | a trained reward model |

To add a reward, subclass `Reward` in a new file and define `__call__`, with a table of `bbflow.testing.print_scores` in its docstring;
a recipe refers to it by `class_path`. `bbflow rewards probe` runs the adversarial probes against it.
"""

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
