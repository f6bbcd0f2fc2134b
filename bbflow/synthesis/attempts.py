"""Attempts: each yields proven, rendered examples, or a reason why not.

The outcome of an attempt depends only on the task, the graph, the split, the seed and the attempt's number, which seed its
random generator. Attempts can therefore be divided over processes and resumed anywhere.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example, Provenance, Split
from bbflow.synthesis.curation import Curation
from bbflow.synthesis.items.item import Item
from bbflow.synthesis.items.solver import rejection_reasons
from bbflow.synthesis.rendering.renderer import Renderer
from bbflow.synthesis.splits import FRACTIONS, PRETRAINING, TrainingStage, in_stage, item_split
from bbflow.synthesis.tasks.base import Task, WrongSplit

_WRONG_SPLIT = "belongs to another split"
_ATTEMPTS_PER_EXAMPLE = 60
"""Attempts that an accepted example may cost on average before the task counts as exhausted."""


@dataclass(frozen=True)
class StreamSpec:
    """A stream: the examples of one task for one split.

    Attributes:
        graph: Source of the facts.
        name: Name of the task in the recipe.
        task: The task, indexed.
        split: Split of the examples.
        count: Number of examples.
        seed: Seed of the attempts.
        stage: Which training questions are asked.
        curation: Curation settings, or None.
    """

    graph: KnowledgeGraph
    name: str
    task: Task
    split: Split
    count: int
    seed: int
    stage: TrainingStage = "all"
    curation: Curation | None = None


@dataclass
class Attempt:
    """The examples of one successful attempt: one, or several that are kept or dropped together.

    Attributes:
        number: Number of the attempt.
        identities: Hash of each question.
        examples: Rendered examples.
        signatures: MinHash signature of each example; None if near duplicates are kept.
    """

    number: int
    identities: list[str]
    examples: list[Example]
    signatures: list[np.ndarray | None] = field(default_factory=list)


def max_attempts(stream: StreamSpec) -> int:
    """Return the number of attempts after which a stream counts as exhausted."""
    fraction = dict(FRACTIONS)[stream.split] if stream.task.held_out else 1.0
    if stream.task.held_out and stream.split == "train":
        fraction *= {"all": 1.0, "pretraining": PRETRAINING, "alignment": 1 - PRETRAINING}[stream.stage]
    return int(_ATTEMPTS_PER_EXAMPLE * stream.count / fraction)


def run_attempts(stream: StreamSpec, numbers: Iterable[int], seen: Container[str], dropped: Counter[tuple[str, str]]) -> Iterator[Attempt]:
    """Yield the successful attempts.

    Args:
        stream: Task, split and settings.
        numbers: Numbers of the attempts to run.
        seen: Identities that are taken; may grow during iteration.
        dropped: Counts (task, reason) of the failed attempts; changed in place.
    """
    render = Renderer(stream.graph, stream.seed, varied=stream.stage != "pretraining", wordings=stream.task.wordings)
    succeeded = 0
    for number in numbers:
        rng = random.Random(f"{stream.graph.salt}/{stream.seed}/{stream.task.name}/{stream.split}/{number}")  # noqa: S311 (not for secrets)
        try:
            items = stream.task.propose_in(rng, stream.split)
        except WrongSplit:
            dropped[stream.task.name, _WRONG_SPLIT] += 1
            continue
        reason = next(filter(None, (_reject_reason(stream, item, seen) for item in items)), None) if items else "the draw led nowhere"
        if reason is not None:
            dropped[stream.task.name, reason] += 1
            continue
        if stream.curation is not None:
            items = [stream.curation.place_answer(item, succeeded) for item in items]
            succeeded += 1
        yield Attempt(number, [item.identity for item in items], _render(render, items, stream.split, rng))


def _reject_reason(stream: StreamSpec, item: Item, seen: Container[str]) -> str | None:
    """Return the reason why an item is dropped; None if it is used."""
    if stream.task.held_out and item_split(item, stream.graph.salt) != stream.split:
        return _WRONG_SPLIT
    if stream.task.held_out and stream.split == "train" and not in_stage(item, stream.graph.salt, stream.stage):
        return "belongs to another stage of training"
    if item.identity in seen:
        return "duplicate"
    if stream.curation is not None and (reason := stream.curation.objection(item)) is not None:
        return reason
    if (objection := next(rejection_reasons(stream.graph, item), None)) is not None:
        return f"rejected by the solver: {objection.split(':')[0]}"
    return None


def _render(render: Renderer, items: list[Item], split: Split, rng: random.Random) -> list[Example]:
    """Render items; those of one attempt in the same words, each marked with the pair that it belongs to."""
    if len(items) == 1:
        return [render(items[0], split, rng)]
    words, rendered = rng.getstate(), []
    for item in items:
        rng.setstate(words)
        example = render(item, split, rng)
        assert example.provenance is not None
        pair = f"{example.provenance['generator']}#{item.question_key[:12]}"
        rendered.append(replace(example, provenance=Provenance(**{**example.provenance, "generator": pair})))  # type: ignore[typeddict-item]
    return rendered


def apply_curation(stream: StreamSpec, attempts: list[Attempt], dropped: Counter[tuple[str, str]]) -> list[Attempt]:
    """Pass attempts through decontamination and the stages; the examples of one attempt are dropped together.

    Returns:
        The remaining attempts, with signatures.
    """
    curation = stream.curation
    if curation is None:
        return [replace(attempt, signatures=[None] * len(attempt.examples)) for attempt in attempts]
    results = iter(curation.filter([e for attempt in attempts for e in attempt.examples], stream.seed))
    kept = []
    for attempt in attempts:
        own = list(islice(results, len(attempt.examples)))
        reason = next((result for result in own if isinstance(result, str)), None)
        if reason is not None:
            dropped[stream.task.name, reason] += 1
            continue
        examples = [result for result in own if isinstance(result, Example)]
        kept.append(replace(attempt, examples=examples, signatures=[curation.signature(example) for example in examples]))
    return kept
