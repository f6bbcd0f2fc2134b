"""Capabilities: each binds tasks to rewards, a metric, a weight and a margin.

| module | content |
|---|---|
| `capability` | `Capability`, scores of completions, checks of settings and records |
| `mix` | combination of several rewards into one score, with fixed or dynamic weights |
| `time_limit` | interruption of rewards that do not return |

To add a capability, write an entry under `capabilities` in a recipe (`recipes/parts/capabilities/clinical.yaml`); no code is needed
unless it has a new reward.
"""

from bbflow.capabilities.capability import Capability
from bbflow.capabilities.mix import DynamicMix

__all__ = ["Capability", "DynamicMix"]
