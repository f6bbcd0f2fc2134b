"""Scoring of a policy on held-out examples: greedy completions, one score per example and capability."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bbflow.errors import Problem
from bbflow.evaluation.answer_cache import AnswerCache
from bbflow.policies.policy import Policy
from bbflow.records import Example

if TYPE_CHECKING:
    import pandas as pd

    from bbflow.capabilities import Capability

COLUMNS = ("example_id", "cluster", "task", "open_book", "capability", "score", "completion")


def score_policy(
    policy: Policy,
    capabilities: Mapping[str, Capability],
    examples: Sequence[Example],
    max_new_tokens: int = 96,
    batch_size: int = 128,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Decode greedily and measure every capability.

    Args:
        policy: Policy to score.
        capabilities: Capabilities by name; each scores the examples it is responsible for.
        examples: Held-out records.
        max_new_tokens: Longest completion, in tokens.
        batch_size: Prompts decoded together.
        progress: Called with (prompts done, prompts in all) after each batch.

    Returns:
        One row per example and capability that judges it, in the order of the examples, then of the capabilities; columns `COLUMNS`,
        score in [0, 1].
    """
    judged = [e for e in examples if any(c.judges(name, e) for name, c in capabilities.items())]
    return score_completions(capabilities, judged, complete(policy, judged, max_new_tokens, batch_size, progress))


def score_completions(capabilities: Mapping[str, Capability], examples: Sequence[Example], completions: Sequence[str]) -> pd.DataFrame:
    """Score given completions; returns a table as of `score_policy`."""
    import pandas as pd

    measured = {name: capability.measure(name, examples, completions) for name, capability in capabilities.items()}
    rows = [
        (e.example_id, e.cluster, e.task, e.open_book, name, scores[i], completion)
        for i, (e, completion) in enumerate(zip(examples, completions, strict=True))
        for name, scores in measured.items()
        if scores[i] is not None
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"score": "float64", "open_book": "bool"})


def complete(
    policy: Policy,
    examples: Sequence[Example],
    max_new_tokens: int = 96,
    batch_size: int = 128,
    progress: Callable[[int, int], None] | None = None,
    kept: AnswerCache | None = None,
) -> list[str]:
    """Return greedy completions in the order of the examples; equal prompts are decoded once, prompts of similar length together.

    Args:
        policy: Policy to complete with.
        examples: Examples with the prompts.
        max_new_tokens: Longest completion, in tokens.
        batch_size: Prompts decoded together.
        progress: Called with (prompts done, prompts in all) after each batch.
        kept: Completions of an interrupted run, which are reused; new ones are added.
    """
    from bbflow.policies.rollouts import TransformersRollout

    engine = TransformersRollout(group_size=1, max_new_tokens=max_new_tokens)
    prompts = [tuple(policy.prompt_ids(example.messages)) for example in examples]
    kept = kept or AnswerCache()
    texts: dict[Any, str] = kept.known(dict.fromkeys(prompts))
    todo = sorted((ids for ids in dict.fromkeys(prompts) if ids not in texts), key=lambda ids: (len(ids), ids))
    total = len(texts) + len(todo)
    for start in range(0, len(todo), batch_size):
        batch = todo[start : start + batch_size]
        new = dict(zip(batch, policy.texts(engine.generate(policy, batch, greedy=True).completions()), strict=True))
        kept.add(new)
        texts |= new
        if progress:
            progress(len(texts), total)
    return [texts[prompt] for prompt in prompts]


def table_problems(where: str, table: pd.DataFrame) -> list[Problem]:
    """Return the problems of a score table: an item scored twice, a score outside [0, 1]."""
    found = []
    twice = table.duplicated(["example_id", "capability"])
    if twice.any():
        found.append(Problem(f"{int(twice.sum())} items are scored twice, the first is {table['example_id'][twice].iloc[0]}", where))
    if not table["score"].between(0, 1).all():
        found.append(Problem("a score is no number in [0, 1]", where))
    return found
