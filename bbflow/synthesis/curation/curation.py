"""`Curation`: the settings of a recipe for what happens between proof and selection."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property

import numpy as np

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example
from bbflow.synthesis.curation.base import CurationStage
from bbflow.synthesis.curation.near_duplicates import signature
from bbflow.synthesis.items.answer_position import rotate_answer
from bbflow.synthesis.items.item import Item
from bbflow.text.decontamination import Benchmarks


class Curation:
    """Settings of curation. Exact duplicates are always dropped; everything else is off by default.

    Args:
        near_duplicates: Similarity of word triples (Jaccard, estimated by MinHash) from which one of two questions with the same
            answer is dropped; null keeps both.
        benchmarks: Files whose questions must not be repeated, by eight words in a row or by their options.
        balance_letters: Put the right option under each letter equally often.
        levels: Difficulty to its share of each task's examples; null: no quota.
        capabilities: Name of a capability to the weight with which tasks that exercise it are mixed; 1 where not named.
        held_out_per_cluster: Limit of validation or test examples of a task about one entity; null: no limit. Where a few entities
            hold most items, a certificate proves less than the number of items suggests.
        stages: Stages in order: clinical sense, rewriting, answerability, your own.
    """

    def __init__(
        self,
        near_duplicates: float | None = None,
        benchmarks: list[str] | None = None,
        balance_letters: bool = True,
        levels: dict[int, float] | None = None,
        capabilities: dict[str, float] | None = None,
        held_out_per_cluster: int | None = None,
        stages: list[CurationStage] | None = None,
    ) -> None:
        self.near_duplicates, self.benchmarks, self.balance_letters = near_duplicates, benchmarks or [], balance_letters
        self.levels, self.capabilities, self.stages = levels, capabilities or {}, stages or []
        self.held_out_per_cluster = held_out_per_cluster

    def problems(self, where: str, capabilities: Collection[str]) -> list[Problem]:
        """List the mistakes in the settings.

        Args:
            where: Their key in the recipe.
            capabilities: Capabilities that the tasks exercise.
        """
        found = []
        if self.near_duplicates is not None and not 0 < self.near_duplicates <= 1:
            found.append(Problem(f"near_duplicates must lie in (0, 1], not {self.near_duplicates}", where))
        if self.held_out_per_cluster is not None and self.held_out_per_cluster < 1:
            found.append(Problem(f"held_out_per_cluster must be at least 1, not {self.held_out_per_cluster}", where))
        if self.levels is not None and not (
            self.levels and all(share >= 0 for share in self.levels.values()) and sum(self.levels.values())
        ):
            found.append(Problem("the shares of levels must be 0 or more, and not all 0", f"{where}.levels"))
        found += [
            Problem(f"the weight of '{n}' must be 0 or more", f"{where}.capabilities") for n, w in self.capabilities.items() if not w >= 0
        ]
        found += [
            Problem(f"no task exercises '{name}'", f"{where}.capabilities", did_you_mean(name, capabilities))
            for name in self.capabilities
            if name not in capabilities
        ]
        try:
            _ = self._known
        except InputError as error:
            found += error.problems
        return [*found, *(problem for i, stage in enumerate(self.stages) for problem in stage.problems(f"{where}.stages[{i}]"))]

    def prepare(self, graph: KnowledgeGraph) -> None:
        """Read the benchmarks and prepare the stages, once in each process."""
        _ = self._known
        for stage in self.stages:
            stage.prepare(graph)

    @cached_property
    def _known(self) -> Benchmarks:
        return Benchmarks(self.benchmarks)

    def weight(self, capabilities: Sequence[str]) -> float:
        """Return the factor of a task in the mix: the mean weight of its capabilities.

        >>> Curation(capabilities={"safety": 3.0}).weight(["safety", "domain"])
        2.0
        """
        return sum(self.capabilities.get(name, 1.0) for name in capabilities) / len(capabilities) if capabilities else 1.0

    def place_answer(self, item: Item, number: int) -> Item:
        """Return the `number`-th item with its right option where `balance_letters` puts it."""
        return rotate_answer(item, number) if self.balance_letters else item

    def objection(self, item: Item) -> str | None:
        """Return the first reason of a stage why an item is dropped; None if it is used."""
        return next(filter(None, (stage.objection(item) for stage in self.stages)), None)

    def filter(self, examples: Sequence[Example], seed: int) -> list[Example | str]:
        """Pass examples through decontamination and the stages; return each, or the reason why it is dropped."""
        found: list[Example | str] = [(self._known.objection(e) or e) if self.benchmarks else e for e in examples]
        for stage in self.stages:
            kept = [i for i, e in enumerate(found) if isinstance(e, Example)]
            looked = stage([e for e in found if isinstance(e, Example)], seed)
            for i, result in zip(kept, looked, strict=True):
                found[i] = result
        return found

    def signature(self, example: Example) -> np.ndarray | None:
        """Return the MinHash signature of an example, or None if near duplicates are kept."""
        return None if self.near_duplicates is None else signature(example)
