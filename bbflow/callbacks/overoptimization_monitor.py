"""Watches for over-optimisation: a second reward model, never trained on, scores the same rollouts, against the KL from the start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from bbflow.capabilities import Capability
from bbflow.errors import InputError, Problem
from bbflow.policies import Policy
from bbflow.policies.policy import eval_mode
from bbflow.policies.reference import Reference
from bbflow.policies.reward_heads import stack
from bbflow.policies.sft_logprobs import supervised_logprobs
from bbflow.records import Example
from bbflow.rewards.learned import LearnedReward


class OveroptimizationMonitor(Callback):
    """Logs `gold/score`, the mean score of a held-out reward model, `gold/proxy`, the mean reward trained on, and `gold/kl`.

    A reward that is optimised stops measuring its target; a second model, trained with another seed or on other data, shows when
    (Gao et al., arXiv 2210.10760). The report draws both against the KL divergence of the policy from where it started, estimated on the
    rollouts (k3, summed over the tokens of a completion). A gold curve that falls while the other rises is the sign.

    Args:
        path: Folder of the reward model; not the one that a `LearnedReward` of the recipe pays by.
        every_n_steps: Watch the rollouts of every n-th optimiser step, beginning with the first.
        rollouts: At most how many completions of a step are scored.
        facts: Facts in the judge's prompt (see `LearnedReward`).
    """

    def __init__(self, path: str, every_n_steps: int = 5, rollouts: int = 64, facts: int = 5) -> None:
        self.reward = LearnedReward(path, facts=facts, truncated="score", same_tokenizer=False)
        self.every_n_steps, self.rollouts = every_n_steps, rollouts
        self.reference: Reference | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse what is no reward model, or the one that pays, before any policy is loaded."""
        problems = self.problems(getattr(pl_module, "capabilities", {}))
        if problems:
            raise InputError(*problems)
        self.reward.prepare(getattr(getattr(trainer, "datamodule", None), "graph", None))

    def problems(self, capabilities: Mapping[str, Capability]) -> list[Problem]:
        """List the problems of folder and numbers, and every reward that uses the model that should only monitor."""
        where = "trainer.callbacks.OveroptimizationMonitor"
        found = self.reward.problems(where)
        for name in ("every_n_steps", "rollouts"):
            if getattr(self, name) < 1:
                found.append(Problem(f"{name} must be at least 1, not {getattr(self, name)}", f"{where}.{name}"))
        for capability, defined in capabilities.items():
            for part, reward in defined.rewards.items():
                if isinstance(reward, LearnedReward) and Path(reward.path).resolve() == Path(self.reward.path).resolve():
                    what = f"'{self.reward.path}' is the model that the reward '{part}' of '{capability}' pays by"
                    found.append(Problem(what, f"{where}.path", "watch with a second one, trained with another seed"))
        return found

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the policy as it is now; a fresh adapter needs no copy."""
        policy: Policy = pl_module.ready_policy  # type: ignore[assignment]
        self.reference = Reference(policy)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Score the rollouts while the policy is still the one that wrote them, so that the curve begins at a divergence of 0."""
        record = getattr(pl_module, "last_rollouts", None)
        if record is None or self.reference is None or trainer.global_step % self.every_n_steps:
            return
        examples, texts = record.examples[: self.rollouts], record.completions[: self.rollouts]
        paid = [row[i] for row in record.rewards.values() for i in range(len(examples)) if row[i] == row[i]]
        scores = [score for score in self.reward(examples, texts) if score is not None]
        values = {"gold/kl": self._divergence(pl_module, examples, texts)}
        values |= {name: sum(of) / len(of) for name, of in (("gold/score", scores), ("gold/proxy", paid)) if of}
        pl_module.log_dict(values, batch_size=len(examples))

    @torch.no_grad()
    def _divergence(self, module: Any, examples: list[Example], texts: list[str]) -> float:
        """Mean over completions of the summed k3 estimate, exp(d) - 1 - d with d = log p_start - log p_now."""
        policy: Policy = module.ready_policy
        rows = [(policy.prompt_ids(e.messages), policy.response_ids(text)) for e, text in zip(examples, texts, strict=True)]
        ids, response = (tensor.to(policy.device) for tensor in stack(rows, policy.pad_id))
        with eval_mode(policy.model):
            now = supervised_logprobs(policy.model, ids, response)
            with self.reference.model(policy.device) as start:  # type: ignore[union-attr]
                before: Tensor = supervised_logprobs(start, ids, response)
        difference = (before - now).clamp(-10, 10)
        return float((difference.exp() - 1 - difference).sum() / len(rows))
