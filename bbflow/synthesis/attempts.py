"""Draws: from a random generator of its own, each attempt of a task gives proven, rendered examples or a reason why not.

What an attempt gives depends on the task, the graph, the split, the seed and its number alone, so attempts can be divided over
processes and resumed anywhere.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example, Provenance, Split
from bbflow.synthesis.curation import Curation
from bbflow.synthesis.items.item import Item
from bbflow.synthesis.items.solver import rejection_reasons
from bbflow.synthesis.rendering.renderer import Renderer
from bbflow.synthesis.splits import FRACTIONS, PRETRAINING, TrainingStage, in_stage, item_split
from bbflow.synthesis.tasks.base import Task, WrongSplit

_ELSEWHERE = "belongs to another split"
_PATIENCE = 60
"""How many draws an accepted example may cost on average before the task counts as exhausted."""


@dataclass(frozen=True)
class StreamSpec:
    """What is drawn: the examples of one task for one split.

    Attributes:
        graph: Where facts come from.
        task: An indexed task.
        split: The split.
        seed: Of the draws.
        stage: Which training questions are asked.
        curation: Settings; None: none.
    """

    graph: KnowledgeGraph
    task: Task
    split: Split
    seed: int
    stage: TrainingStage = "all"
    curation: Curation | None = None


@dataclass
class Attempt:
    """What one attempt made: one example, or several that are used together or not at all.

    Attributes:
        attempt: Its number.
        identities: Hash of what each asks.
        examples: Rendered.
        signatures: What near duplicates are found by; None where they are not looked for.
    """

    attempt: int
    identities: list[str]
    examples: list[Example]
    signatures: list[np.ndarray | None] = field(default_factory=list)


def max_attempts(job: StreamSpec, count: int) -> int:
    """Returns how many attempts `count` examples may cost."""
    fraction = dict(FRACTIONS)[job.split] if job.task.held_out else 1.0
    if job.task.held_out and job.split == "train":
        fraction *= {"all": 1.0, "pretraining": PRETRAINING, "alignment": 1 - PRETRAINING}[job.stage]
    return int(_PATIENCE * count / fraction)


def run_attempts(job: StreamSpec, attempts: Iterable[int], seen: Container[str], dropped: Counter[tuple[str, str]]) -> Iterator[Attempt]:
    """Yields what attempts make.

    Args:
        job: What is drawn.
        attempts: Their numbers.
        seen: Identities that are taken; may grow while this runs.
        dropped: Counts (task, reason) of the others; changed in place.
    """
    render = Renderer(job.graph, job.seed, varied=job.stage != "pretraining", wordings=job.task.wordings)
    accepted = 0
    for attempt in attempts:
        rng = random.Random(f"{job.graph.salt}/{job.seed}/{job.task.name}/{job.split}/{attempt}")  # noqa: S311 (not for secrets)
        try:
            items = job.task.propose_in(rng, job.split)
        except WrongSplit:
            dropped[job.task.name, _ELSEWHERE] += 1
            continue
        reason = next(filter(None, (_objection(job, item, seen) for item in items)), None) if items else "the draw led nowhere"
        if reason is not None:
            dropped[job.task.name, reason] += 1
            continue
        if job.curation is not None:
            items = [job.curation.place_answer(item, accepted) for item in items]
            accepted += 1
        yield Attempt(attempt, [item.identity for item in items], _rendered(render, items, job.split, rng))


def _objection(job: StreamSpec, item: Item, seen: Container[str]) -> str | None:
    """Says why an item is not used."""
    if job.task.held_out and item_split(item, job.graph.salt) != job.split:
        return _ELSEWHERE
    if job.task.held_out and job.split == "train" and not in_stage(item, job.graph.salt, job.stage):
        return "belongs to another stage of training"
    if item.identity in seen:
        return "duplicate"
    if (objection := next(rejection_reasons(job.graph, item), None)) is not None:
        return f"rejected by the solver: {objection.split(':')[0]}"
    return None


def _rendered(render: Renderer, items: list[Item], split: Split, rng: random.Random) -> list[Example]:
    """Renders items; those of one draw in the same words, each naming the pair that it belongs to."""
    if len(items) == 1:
        return [render(items[0], split, rng)]
    words, found = rng.getstate(), []
    for item in items:
        rng.setstate(words)
        example = render(item, split, rng)
        assert example.provenance is not None
        pair = f"{example.provenance['generator']}#{item.question_key[:12]}"
        found.append(replace(example, provenance=Provenance(**{**example.provenance, "generator": pair})))  # type: ignore[typeddict-item]
    return found


def apply_curation(job: StreamSpec, pending: list[Attempt], dropped: Counter[tuple[str, str]]) -> list[Attempt]:
    """Passes what was made through decontamination and the stages; what is used together is dropped together."""
    if job.curation is None:
        for made in pending:
            made.signatures = [None] * len(made.examples)
        return pending
    looked = iter(job.curation.filter([e for made in pending for e in made.examples], job.seed))
    kept = []
    for made in pending:
        results = [next(looked) for _ in made.examples]
        reason = next((result for result in results if isinstance(result, str)), None)
        if reason is not None:
            dropped[job.task.name, reason] += 1
            continue
        made.examples = [result for result in results if isinstance(result, Example)]
        made.signatures = [job.curation.signature(example) for example in made.examples]
        kept.append(made)
    return kept
