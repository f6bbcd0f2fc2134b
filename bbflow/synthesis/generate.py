"""The pipeline: draw items, let the solver prove them, assign splits, drop duplicates, render.

Each draw has a random generator of its own, seeded by what it is for, so the examples of one task and split do not depend
on which other tasks run, in which order, or how many examples they make. Validation and test ignore the run's seed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import SPLITS, Example, Split
from bbflow.synthesis.items import NO, YES
from bbflow.synthesis.rendering import Renderer
from bbflow.synthesis.solver import objections
from bbflow.synthesis.splits import FRACTIONS, PRETRAINING, Stage, in_stage, item_split
from bbflow.synthesis.tasks.base import Task

_PATIENCE = 60
"""How many draws an accepted example may cost on average before the task counts as exhausted."""


@dataclass
class Generated:
    """What a run of the pipeline made.

    Attributes:
        examples: By split, tasks interleaved in a fixed order.
        dropped: (task, reason) to how many draws ended there.
        short: (task, split) to how many examples are missing because the graph offers no more.
    """

    examples: dict[Split, list[Example]]
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    short: dict[tuple[str, Split], int] = field(default_factory=dict)


def prepare(graph: KnowledgeGraph, tasks: Mapping[str, Task]) -> None:
    """Indexes the graph for every task.

    Raises:
        InputError: A task finds nothing in the graph to start from; all such tasks are named.
    """
    empty = [name for name, task in tasks.items() if task.prepare(graph) == 0]
    if empty:
        raise InputError(*(Problem(f"graph '{graph.name}' has no edge that task '{name}' could ask about", "data.tasks") for name in empty))


def generate(
    graph: KnowledgeGraph,
    tasks: Mapping[str, Task],
    sizes: Mapping[Split, int],
    mix: Mapping[str, float],
    seed: int,
    progress: Callable[[int], None] | None = None,
    workers: int = 1,
    stage: Stage = "all",
) -> Generated:
    """Makes examples.

    Args:
        graph: Where facts come from.
        tasks: Name to task family.
        sizes: How many examples each split gets.
        mix: Name of a task to its share; 1 where not named. Tasks that are not held out count in train alone.
        seed: Of the train split.
        progress: Called with the number of new examples.
        workers: Processes; the examples are the same for any number of them.
        stage: Which of the training questions and template families are used.

    Returns:
        The examples and what was dropped.
    """
    prepare(graph, tasks)
    made = Generated({split: [] for split in SPLITS})
    streams: dict[Split, dict[str, list[Example]]] = {split: {} for split in SPLITS}
    wanted = [(split, name, count) for split in SPLITS for name, count in _counts(tasks, sizes.get(split, 0), mix, split).items()]
    jobs = [(graph, tasks[name], split, count, seed if split == "train" else 0, stage) for split, name, count in wanted]
    with ProcessPoolExecutor(workers) if workers > 1 else nullcontext() as pool:
        for (split, name, count), (examples, dropped) in zip(wanted, (pool.map if pool else map)(_stream, jobs), strict=True):
            streams[split][name] = examples
            made.dropped.update(dropped)
            if len(examples) < count:
                made.short[name, split] = count - len(examples)
            if progress is not None:
                progress(len(examples))
    made.examples = {split: _interleave(streams[split]) for split in SPLITS}
    _hold_out_option_sets(made)
    return made


def _hold_out_option_sets(made: Generated) -> None:
    """Drops training examples that offer the very options of a held-out question; yes and no are not an option set."""
    held_out = {frozenset(e.options) for split in SPLITS[1:] for e in made.examples[split] if e.options} - {frozenset((YES, NO))}
    leaked = [e for e in made.examples["train"] if e.options and frozenset(e.options) in held_out]
    made.dropped.update((e.task, "offers the options of a held-out question") for e in leaked)
    ids = {e.example_id for e in leaked}
    made.examples["train"] = [e for e in made.examples["train"] if e.example_id not in ids]


def _counts(tasks: Mapping[str, Task], size: int, mix: Mapping[str, float], split: Split) -> dict[str, int]:
    """Divides a split's size by share, the largest remainders rounded up, so that the counts add up."""
    shares = {name: mix.get(name, 1.0) for name, task in tasks.items() if task.held_out or split == "train"}
    total = sum(shares.values()) or 1.0
    exact = {name: size * share / total for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: size - sum(counts.values())]:
        counts[name] += 1
    return counts


def _stream(job: tuple[KnowledgeGraph, Task, Split, int, int, Stage]) -> tuple[list[Example], Counter[tuple[str, str]]]:
    """Makes the examples of one task for one split; also counts why draws were dropped."""
    graph, task, split, count, seed, stage = job
    render = Renderer(graph, seed, varied=stage != "pretraining")
    examples: dict[str, Example] = {}
    dropped: Counter[tuple[str, str]] = Counter()
    fraction = dict(FRACTIONS)[split] if task.held_out else 1.0
    if task.held_out and split == "train":
        fraction *= {"all": 1.0, "pretraining": PRETRAINING, "alignment": 1 - PRETRAINING}[stage]
    for attempt in range(int(_PATIENCE * count / fraction)):
        if len(examples) == count:
            break
        rng = random.Random(f"{graph.salt}/{seed}/{task.name}/{split}/{attempt}")  # noqa: S311 (not for secrets)
        item = task.propose(rng)
        if item is None:
            reason = "the draw led nowhere"
        elif task.held_out and item_split(item, graph.salt) != split:
            reason = "belongs to another split"
        elif task.held_out and split == "train" and not in_stage(item, graph.salt, stage):
            reason = "belongs to another stage of training"
        elif item.identity in examples:
            reason = "duplicate"
        elif (objection := next(objections(graph, item), None)) is not None:
            reason = f"rejected by the solver: {objection.split(':')[0]}"
        else:
            examples[item.identity] = render(item, split, rng)
            continue
        dropped[task.name, reason] += 1
    return list(examples.values()), dropped


def _interleave(streams: Mapping[str, list[Example]]) -> list[Example]:
    """Merges the tasks evenly, so that any prefix has about the same mix."""
    placed = [((i + 0.5) / len(examples), name, i) for name, examples in streams.items() for i in range(len(examples))]
    return [streams[name][i] for _, name, i in sorted(placed)]
