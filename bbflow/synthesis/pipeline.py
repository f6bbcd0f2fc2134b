"""The pipeline in memory: propose, check, render, curate, select, interleave.

Every attempt has a random generator seeded by its task, split and number, so the examples of one task and split do not depend
on which other tasks run, in which order, or how many examples they make. Validation and test are the same for every seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example, Split
from bbflow.synthesis.attempts import Attempt, StreamSpec, apply_curation, max_attempts, run_attempts
from bbflow.synthesis.curation import Curation
from bbflow.synthesis.selection import Plan, Selector, arrange, option_set_key, row_keys, shortfall
from bbflow.synthesis.splits import TrainingStage
from bbflow.synthesis.tasks.base import Task

_CURATION_BATCH = 256
"""Attempts that curation receives at once, so that a stage with a language model can batch them."""


@dataclass
class Generated:
    """The examples of a run, with counts of what was dropped.

    Attributes:
        examples: Dict from a split to its examples, tasks interleaved in a fixed order.
        dropped: Dict from (task, reason) to the number of attempts dropped for it.
        short: Dict from (task, split) to the number of examples that are missing because the graph offers no more.
    """

    examples: dict[Split, list[Example]]
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    short: dict[tuple[str, Split], int] = field(default_factory=dict)


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
    """Generate examples in memory.

    Args:
        graph: Source of the facts.
        tasks: Dict from a name to a task family.
        sizes: Number of examples of each split.
        mix: Dict from the name of a task to its share, by default 1. Tasks that are not held out count in train alone.
        seed: Seed of the train split.
        progress: Called with the number of new examples.
        workers: Processes; the examples are the same for any number of them.
        stage: Which of the training questions and template families are used.
        curation: Curation settings; None only drops exact duplicates.
        held_out_mix: Shares in the validation and test splits, as `mix`; None: those of `mix`.

    Returns:
        The examples and what was dropped.

    Raises:
        InputError: A task finds nothing in the graph to start from.
    """
    plan = Plan(graph, tasks, sizes, mix, seed, stage, curation, held_out_mix)
    plan.prepare()
    streams, kept, dropped = plan.streams(), list[list[Example]](), Counter[tuple[str, str]]()
    with ProcessPoolExecutor(workers) if workers > 1 else nullcontext() as pool:
        for examples, reasons in (pool.map if pool else map)(generate_stream, streams):
            kept.append(examples)
            dropped.update(reasons)
            if progress is not None:
                progress(len(examples))
    names = {node.name for node in graph.nodes()}
    order = arrange(streams, [[option_set_key(e.options, names) for e in examples] for examples in kept], dropped)
    ordered = {split: [kept[stream][row] for stream, row in rows.tolist()] for split, rows in order.items()}
    return Generated(ordered, dropped, shortfall(streams, [len(examples) for examples in kept]))


def generate_stream(stream: StreamSpec) -> tuple[list[Example], Counter[tuple[str, str]]]:
    """Generate the examples of one indexed task for one split; also return the dropped attempts by (task, reason)."""
    examples, dropped, seen, pending = list[Example](), Counter[tuple[str, str]](), set[str](), list[Attempt]()
    selector = Selector(stream, dropped)

    def select() -> None:
        curated = apply_curation(stream, pending, dropped)
        for position in selector.select(map(row_keys, curated)):
            examples.extend(curated[position].examples)
        pending.clear()

    at_once = _CURATION_BATCH if stream.curation is not None else 1
    for attempt in run_attempts(stream, range(max_attempts(stream)), seen, dropped):
        seen.update(attempt.identities)
        pending.append(attempt)
        if len(pending) == at_once:
            select()
        if not selector.has_room(len(attempt.examples)):
            break
    select()
    return examples, dropped
