"""The reference responses of a batch as further completions whose advantage is fixed: supervision within reinforcement learning.

Sampling finds responses that the policy nearly gives already; a reference also shows responses that it never samples. A likelihood term
within policy optimisation is known from InstructGPT (PPO-ptx, arXiv 2203.02155, there on pretraining text) and, on demonstrations of the
same prompts, from LUFFY (arXiv 2504.14945). Here a reference stays outside the statistics of its group: it neither raises the baseline
nor is it judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from bbflow.capabilities import Capability
from bbflow.errors import Problem, did_you_mean
from bbflow.modules.training.policy_step import LossTerm
from bbflow.optimization.advantages import Advantages
from bbflow.optimization.kl import KLSettings
from bbflow.optimization.losses import LossSettings
from bbflow.optimization.objective import Objective
from bbflow.policies import Policy
from bbflow.policies.rollouts.base import rollouts_from_responses
from bbflow.policies.sft_logprobs import encode
from bbflow.records import Example


def reference_loss(
    policy: Policy, capabilities: Mapping[str, Capability], examples: Sequence[Example], advantages: Mapping[str, float], loss: LossSettings
) -> LossTerm:
    """Return the loss term of the references of a batch.

    The references are completions in groups of one, of the examples that some capability learns from. Their objective is on-policy (a
    reference has no ratio) and without penalties; their advantage is the fixed one for every capability that judges the example, else 0,
    so that two capabilities that judge an example both ask for its reference.

    Args:
        policy: Tokenises; its device is used.
        capabilities: By name, in the order of the rows.
        examples: B examples.
        advantages: Advantage of every reference, by capability; a capability without an entry learns from none.
        loss: Shape of the loss of completions; its entropy bonus is left out.

    Raises:
        InputError: A response is empty.
    """
    judges_KB = torch.tensor([[c.judges(name, example) for example in examples] for name, c in capabilities.items()])
    advantages_K = torch.tensor([advantages.get(name, 0.0) for name in capabilities], dtype=torch.float64)
    parts_KB = advantages_K[:, None] * judges_KB
    weights_K = torch.tensor([c.weight for c in capabilities.values()], dtype=torch.float64)
    taught = (weights_K @ parts_KB).nonzero()[:, 0].tolist()
    encoded = [encode(policy, examples[i]) for i in taught]
    if not taught:  # every rank runs the model as often as the others, or a sharded one would wait for ever
        prompt = policy.prompt_ids(examples[0].messages)
        taught, encoded = [0], [(prompt[:-1], prompt[-1:])]
    rollouts = rollouts_from_responses(
        [prompt for prompt, _ in encoded], [response for _, response in encoded], policy.pad_id, policy.device
    )
    objective = Objective(replace(loss, entropy_coefficient=0.0), KLSettings(), rollouts.completion_mask_NT)
    parts_KN = parts_KB[:, taught]
    return LossTerm(rollouts, objective, Advantages(parts_KN, weights_K, parts_KN != 0), 1.0, torch.tensor(taught))


def reference_problems(advantages: Mapping[str, float], capabilities: Mapping[str, Capability], where: str) -> list[Problem]:
    """List the problems of the advantages of references; `where` is their key in the recipe."""
    unknown = [name for name in advantages if name not in capabilities]
    found = [Problem(f"unknown capability '{name}'", f"{where}.{name}", did_you_mean(name, capabilities)) for name in unknown]
    wrong = {value for value in advantages.values() if not 0 <= value < math.inf}
    return found + [Problem(f"the advantage of a reference must be 0 or more, not {value}", where) for value in sorted(wrong, key=str)]
