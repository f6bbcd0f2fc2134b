"""`KnowledgeGraphData`: generates examples from a knowledge graph and checks them by a data contract."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from bbflow.data.contract_datamodule import ContractDataModule
from bbflow.data.fingerprint import class_settings, fingerprint
from bbflow.data.sharding import ShardPlan
from bbflow.errors import Problem, did_you_mean
from bbflow.graph import GraphSource
from bbflow.io.progress import progress_bar
from bbflow.records import SPLITS, Split
from bbflow.synthesis.curation import Curation
from bbflow.synthesis.pipeline import Generated, generate
from bbflow.synthesis.selection import Plan, require_every_split
from bbflow.synthesis.splits import TrainingStage
from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, MultiHop, Task, TreatmentChoice


class KnowledgeGraphData(ContractDataModule):
    """Examples generated from a medical knowledge graph.

    Graph, contract, tasks, sizes, mix, seed and the generating code make up a fingerprint. Examples are made once and kept in
    `cache_dir/<fingerprint>`; every later run checks their receipt against every byte and reads them from there. A row that the
    contract refuses or quarantines never reaches a loader.

    Args:
        graph: Source of the graph.
        contract: Data contract that every example must pass; null trains on unchecked data, and the report says so.
        tasks: Name to task family; null: fact recall, multi-hop, constrained answer and treatment choice.
        mix: Name of a task to its share of the examples; 1 where not named.
        held_out_mix: The same for validation and test, so that scores stay comparable between training mixes ({}: all tasks
            evenly); null: as `mix`.
        train_size: Number of training examples.
        validation_size: Number of validation examples.
        test_size: Number of test examples.
        batch_size: Examples (prompts) of one training batch on one device.
        seed: Seed of the training examples; validation and test do not depend on it.
        stage: Subset of the training questions: "pretraining" takes some, in the base wordings; "alignment" takes the others, which
            a policy pretrained on the first has never seen, in all wordings; "all" takes both.
        curation: Filters of proven examples before the contract: near duplicates, benchmarks, balance, stages; null: none.
        cache_dir: Folder of the cache.
        num_workers: Processes that collate batches.
    """

    def __init__(
        self,
        graph: GraphSource,
        contract: str | None,
        tasks: dict[str, Task] | None = None,
        mix: dict[str, float] | None = None,
        held_out_mix: dict[str, float] | None = None,
        train_size: int = 2000,
        validation_size: int = 200,
        test_size: int = 1200,
        batch_size: int = 16,
        seed: int = 0,
        stage: TrainingStage = "all",
        curation: Curation | None = None,
        cache_dir: str = ".cache/bbflow",
        num_workers: int = 0,
    ) -> None:
        super().__init__(graph, contract, batch_size, cache_dir, num_workers)
        defaults: list[Task] = [FactRecall(), MultiHop(), ConstrainedAnswer(), TreatmentChoice()]
        self.tasks: dict[str, Task] = tasks or {task.name: task for task in defaults}
        self._task_settings = {name: class_settings(task, _settings(task)) for name, task in self.tasks.items()}
        self.mix, self.held_out_mix = mix or {}, held_out_mix
        self.sizes: dict[Split, int] = {"train": train_size, "validation": validation_size, "test": test_size}
        self.seed, self.stage = seed, stage
        self.curation = curation
        self._curation_settings = _described(curation)

    def problems(self) -> list[Problem]:
        """List the mistakes in the `data` section of a recipe, before any example is generated."""
        found = super().problems()
        for key, mix in (("mix", self.mix), ("held_out_mix", self.held_out_mix or {})):
            for name, share in mix.items():
                if name not in self.tasks:
                    found.append(Problem(f"'{name}' is no task", f"data.init_args.{key}", did_you_mean(name, self.tasks)))
                elif not 0 <= share < math.inf:
                    found.append(Problem(f"the share of '{name}' must be 0 or more, not {share}", f"data.init_args.{key}"))
        for split, size in self.sizes.items():
            if size < 1:
                found.append(Problem(f"{split}_size must be at least 1, not {size}", "data.init_args"))
        exercised = {name for task in self.tasks.values() for name in task.capabilities}
        found += [] if self.curation is None else self.curation.problems("data.init_args.curation", exercised)
        return found

    @property
    def fingerprint(self) -> str:
        """Hash of everything that determines the examples."""
        return fingerprint(
            {
                "graph": self.graph.sha256,
                "contract": self._contract_sha256,
                "tasks": self._task_settings,
                "mix": self.mix,
                "sizes": self.sizes,
                "seed": self.seed,
                "stage": self.stage,
                **({} if self.held_out_mix is None else {"held_out_mix": self.held_out_mix}),
                **({} if self.curation is None else {"curation": self._curation_settings}),
            }
        )

    def resize(self, total: int) -> None:
        """Set the number of examples to `total`, divided over the splits in the present proportions, at least one in each."""
        before = sum(self.sizes.values())
        held_out = {split: max(1, round(total * self.sizes[split] / before)) for split in SPLITS[1:]}
        self.sizes = {"train": max(1, total - sum(held_out.values())), **held_out}

    def write(self, folder: Path, workers: int = 1) -> Generated:
        """Generate all splits into a folder: Parquet files, quarantine and receipt.

        Returns:
            The examples before the contract, with the counts of what the stages dropped.
        """
        with progress_bar("generating examples", sum(self.sizes.values())) as advance:
            made = generate(
                self.graph, self.tasks, self.sizes, self.mix, self.seed, advance, workers, self.stage, self.curation, self.held_out_mix
            )
        require_every_split({split: len(examples) for split, examples in made.examples.items()})
        self._write_accepted(folder, made.examples)
        return made

    def plan(self, rows: int) -> ShardPlan:
        """Return what determines the examples, for writing them as shards of so many rows."""
        examples = Plan(self.graph, self.tasks, self.sizes, self.mix, self.seed, self.stage, self.curation, self.held_out_mix)
        return ShardPlan(examples, self.contract_path, rows, f"{self.fingerprint}-{rows}")


def _settings(task: Task) -> dict[str, Any]:
    """Return the plain attributes of a new task, which are its arguments as long as it has not indexed a graph."""
    return {name: value for name, value in sorted(vars(task).items()) if isinstance(value, (bool, int, float, str, list, dict, tuple))}


def _described(value: Any) -> Any:
    """Return a setting as plain data; of an object, its class and its public attributes."""
    if isinstance(value, dict):
        return {str(k): _described(v) for k, v in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [_described(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return class_settings(value, {name: _described(v) for name, v in sorted(vars(value).items()) if not name.startswith("_")})
