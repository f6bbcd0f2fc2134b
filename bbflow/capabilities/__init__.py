"""Capabilities: what a policy is taught and judged on, each with rewards, a metric, a weight and a margin."""

from bbflow.capabilities.capability import Capability
from bbflow.capabilities.mix import DynamicMix

__all__ = ["Capability", "DynamicMix"]
