"""Rollout engines: how completions are sampled from a policy."""

from bbflow.policies.rollouts.base import RolloutEngine, Rollouts
from bbflow.policies.rollouts.llama_rollout import LlamaRollout
from bbflow.policies.rollouts.transformers_rollout import TransformersRollout

__all__ = ["LlamaRollout", "RolloutEngine", "Rollouts", "TransformersRollout"]
