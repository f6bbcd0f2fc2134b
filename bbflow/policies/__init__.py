"""Policies: loading, adapters, references, log-probabilities and rollouts of causal language models."""

from bbflow.policies.loading import load_policy
from bbflow.policies.logprobs import completion_logprobs
from bbflow.policies.policy import Policy
from bbflow.policies.settings import LoraSettings, PolicySettings

__all__ = ["LoraSettings", "Policy", "PolicySettings", "completion_logprobs", "load_policy"]
