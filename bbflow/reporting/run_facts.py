"""Facts of a run that its report shows next to the scores: null models, cost, data, provenance, margins.

`bbflow evaluate` and the callback `Report` collect them, `bbflow.reporting.run_report.build_report` shows them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bbflow.evaluation.preregistration import Preregistration
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example
from bbflow.reporting.provenance import items_sha256

Nulls = Mapping[str, Mapping[str, float]]
"""Capability to null model to score."""


@dataclass(frozen=True)
class RunFacts:
    """Facts of a run next to its scores; empty ones are left out of the report.

    Attributes:
        nulls: Capability to null model to score.
        cost: Seconds, tokens, parameters, bytes.
        data: Counts of splits and tasks, and the receipt of the contract.
        provenance: Versions, hashes, seed, policy.
        seed: Seed of the bootstrap.
        interference: Cosines and conflicts of the capabilities' gradients (see `bbflow.callbacks.interference_monitor`).
        unsafe: Rates of unsafe advice (see `bbflow.evaluation.statistics.unsafe_advice.unsafe_report`).
        preregistration: Margins that were fixed before the run; None: they are fixed by the report.
    """

    nulls: Nulls = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    interference: Mapping[str, Any] | None = None
    unsafe: Mapping[str, Any] | None = None
    preregistration: Preregistration | None = None


def task_counts(examples: Iterable[Example]) -> dict[str, int]:
    """Return the number of examples of each task, by name of the task."""
    return dict(sorted(Counter(e.task for e in examples).items()))


def measure_facts(examples: Sequence[Example], max_new_tokens: int) -> dict[str, Any]:
    """Return the provenance that two reports must share for their scores to be comparable."""
    return {"test_items_sha256": items_sha256(examples), "max_new_tokens": max_new_tokens}


def graph_facts(graph: KnowledgeGraph | None) -> dict[str, Any]:
    """Return name, version and hash of the graph behind the examples; nothing without one."""
    return {} if graph is None else {"graph": f"{graph.name} {graph.version}", "graph_sha256": graph.sha256}
