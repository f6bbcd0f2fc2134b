"""Answers of a policy: by greedy completion or, for multiple-choice benchmarks, by log-likelihood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from bbflow.capabilities import Capability
from bbflow.evaluation.answer_cache import AnswerCache
from bbflow.evaluation.benchmarks.formats import continuations
from bbflow.evaluation.benchmarks.likelihood import option_likelihoods
from bbflow.evaluation.benchmarks.metrics import IFEvalStrictAccuracy, MultipleChoiceAccuracy, SafetyPairAccuracy
from bbflow.evaluation.scoring import complete, score_completions
from bbflow.policies.policy import Policy
from bbflow.records import Example
from bbflow.rewards.base import Reward

if TYPE_CHECKING:
    import pandas as pd

Choosing = Literal["loglikelihood", "generation"]
_ITEMS_AT_ONCE = 256


def benchmark_capability(name: str, choosing: Choosing) -> Capability:
    """Return the capability of a benchmark file, judged by the benchmark's metric."""
    metrics: dict[str, Reward] = {"ifeval": IFEvalStrictAccuracy(), "safety": SafetyPairAccuracy()}
    metric = metrics.get(name, MultipleChoiceAccuracy(f"accuracy_by_{choosing}"))
    return Capability(metric=metric, rewards={"metric": metric})


def score_answers(
    policy: Policy,
    capabilities: Mapping[str, Capability],
    examples: Sequence[Example],
    by_likelihood: set[str],
    max_new_tokens: int,
    batch_size: int,
    progress: Callable[[int, int], None],
    kept: AnswerCache,
) -> pd.DataFrame:
    """Score a policy as `score_policy` does, with some items answered by log-likelihood.

    Args:
        policy: Policy to score.
        capabilities: Capabilities by name.
        examples: Held-out records.
        by_likelihood: Ids of the examples whose options are compared by log-likelihood; all others are completed.
        max_new_tokens: Longest completion, in tokens.
        batch_size: Prompts decoded together.
        progress: Called with (questions done, questions in all).
        kept: Cache of answers, for resuming an interrupted run.
    """
    judged = [e for e in examples if any(c.judges(name, e) for name, c in capabilities.items())]
    compared = [e for e in judged if e.example_id in by_likelihood]
    completed = [e for e in judged if e.example_id not in by_likelihood]
    answers: dict[Any, str] = kept.known([("likelihood", e.example_id, e.prompt) for e in compared])
    todo = [e for e in compared if ("likelihood", e.example_id, e.prompt) not in answers]
    for start in range(0, len(todo), _ITEMS_AT_ONCE):
        part = todo[start : start + _ITEMS_AT_ONCE]
        chosen = [continuations(e)[found.best] for e, found in zip(part, option_likelihoods(policy, part), strict=True)]
        new = {("likelihood", e.example_id, e.prompt): text for e, text in zip(part, chosen, strict=True)}
        kept.add(new)
        answers |= new
        progress(len(answers), len(judged))
    texts = {e.example_id: answers["likelihood", e.example_id, e.prompt] for e in compared}
    written = complete(policy, completed, max_new_tokens, batch_size, progress, kept)
    texts |= {e.example_id: text for e, text in zip(completed, written, strict=True)}
    return score_completions(capabilities, judged, [texts[e.example_id] for e in judged])
