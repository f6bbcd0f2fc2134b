"""The pipeline: draw items, let the solver prove them, assign splits, drop duplicates, render.

Each draw has a random generator of its own, seeded by what it is for, so the examples of one task and split do not depend
on which other tasks run, in which order, or how many examples they make. Validation and test ignore the run's seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import SPLITS, Example, Split
from bbflow.synthesis.attempts import Attempt, StreamSpec, apply_curation, max_attempts, run_attempts
from bbflow.synthesis.curation import Curation, Selector
from bbflow.synthesis.splits import TrainingStage
from bbflow.synthesis.tasks.base import Task

_LOOKED_AT_ONCE = 256
"""Examples that curation looks at together."""


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
        told = {name: f"it needs {tasks[name].needs}" if tasks[name].needs else "" for name in empty}
        what = "graph '{}' has no edge that task '{}' could ask about"
        raise InputError(*(Problem(what.format(graph.name, name), "data.tasks", hint) for name, hint in told.items()))


def generate(
    graph: KnowledgeGraph,
    tasks: Mapping[str, Task],
    sizes: Mapping[Split, int],
    mix: Mapping[str, float],
    seed: int,
    progress: Callable[[int], None] | None = None,
    workers: int = 1,
    stage: TrainingStage = "all",
    curation: Curation | None = None,
    held_out_mix: Mapping[str, float] | None = None,
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
        curation: What happens to proven examples; None: exact duplicates are dropped, and that is all.
        held_out_mix: Shares in the validation and test splits, as `mix`; None: those of `mix`.

    Returns:
        The examples and what was dropped.
    """
    prepare(graph, tasks)
    if curation is not None:
        curation.prepare(graph)
    made = Generated({split: [] for split in SPLITS})
    streams: dict[Split, dict[str, list[Example]]] = {split: {} for split in SPLITS}
    mixes = split_mixes(tasks, mix, held_out_mix, curation)
    wanted = [(split, name, count) for split in SPLITS for name, count in allocate(tasks, sizes.get(split, 0), mixes[split], split).items()]
    jobs = [
        (StreamSpec(graph, tasks[name], split, seed if split == "train" else 0, stage, curation), count) for split, name, count in wanted
    ]
    with ProcessPoolExecutor(workers) if workers > 1 else nullcontext() as pool:
        for (split, name, count), (examples, dropped) in zip(wanted, (pool.map if pool else map)(_stream, jobs), strict=True):
            streams[split][name] = examples
            made.dropped.update(dropped)
            if len(examples) < count:
                told = made.short.get((tasks[name].name, split), 0)
                made.short[tasks[name].name, split] = told + count - len(examples)
            if progress is not None:
                progress(len(examples))
    made.examples = {split: _interleave(streams[split]) for split in SPLITS}
    _hold_out_option_sets(made, {node.name for node in graph.nodes()})
    return made


def option_set_key(options: Sequence[str] | None, names: Container[str]) -> frozenset[str] | None:
    """Returns what two questions share that offer the same things; None where no name of the graph is offered, but yes, no or sums."""
    return frozenset(options) if options and any(option in names for option in options) else None


def _hold_out_option_sets(made: Generated, names: Container[str]) -> None:
    """Drops training examples that offer the very options of a held-out question."""
    held_out = {option_set_key(e.options, names) for split in SPLITS[1:] for e in made.examples[split]} - {None}
    leaked = [e for e in made.examples["train"] if option_set_key(e.options, names) in held_out]
    made.dropped.update((e.task, "offers the options of a held-out question") for e in leaked)
    ids = {e.example_id for e in leaked}
    made.examples["train"] = [e for e in made.examples["train"] if e.example_id not in ids]


def split_mixes(
    tasks: Mapping[str, Task], mix: Mapping[str, float], held_out_mix: Mapping[str, float] | None, curation: Curation | None
) -> dict[Split, dict[str, float]]:
    """Returns the share of every task in every split, weights of capabilities included."""
    mixes = {split: mix if split == "train" or held_out_mix is None else held_out_mix for split in SPLITS}
    weights = {name: 1.0 if curation is None else curation.weight(task.capabilities) for name, task in tasks.items()}
    return {split: {name: shares.get(name, 1.0) * weight for name, weight in weights.items()} for split, shares in mixes.items()}


def allocate(tasks: Mapping[str, Task], size: int, mix: Mapping[str, float], split: Split) -> dict[str, int]:
    """Divides a split's size by share, the largest remainders rounded up, so that the counts add up."""
    shares = {name: mix.get(name, 1.0) for name, task in tasks.items() if task.held_out or split == "train"}
    total = sum(shares.values()) or 1.0
    exact = {name: size * share / total for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: size - sum(counts.values())]:
        counts[name] += 1
    return counts


def _stream(wanted: tuple[StreamSpec, int]) -> tuple[list[Example], Counter[tuple[str, str]]]:
    """Makes the examples of one task for one split; also counts why draws were dropped."""
    job, count = wanted
    examples: dict[str, Example] = {}
    dropped: Counter[tuple[str, str]] = Counter()
    selector, pending, seen = Selector(job.curation, count, job.split), list[Attempt](), set[str]()

    def select() -> None:
        """Passes what was made through curation and keeps what there is room for."""
        batch, pending[:] = pending[:], []
        for made in apply_curation(job, batch, dropped):
            if len(examples) + len(made.examples) > count:
                return
            signed = zip(made.examples, made.signatures, strict=True)
            reasons = [selector.objection(e.answer, e.level, e.cluster, signature) for e, signature in signed]
            if (reason := next(filter(None, reasons), None)) is not None:
                dropped[job.task.name, reason] += 1
            else:
                examples.update(zip(made.identities, made.examples, strict=True))

    at_once = _LOOKED_AT_ONCE if job.curation is not None else 1
    for made in run_attempts(job, range(max_attempts(job, count)), seen, dropped):
        seen.update(made.identities)
        pending.append(made)
        if len(pending) == at_once:
            select()
        if len(examples) + len(made.examples) > count:
            break
    select()
    return list(examples.values()), dropped


def _interleave(streams: Mapping[str, list[Example]]) -> list[Example]:
    """Merges the tasks evenly, so that any prefix has about the same mix."""
    placed = [((i + 0.5) / len(examples), name, i) for name, examples in streams.items() for i in range(len(examples))]
    return [streams[name][i] for _, name, i in sorted(placed)]
