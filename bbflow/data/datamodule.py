"""`KnowledgeGraphData`: graph in, contract-checked splits out, cached as Parquet."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_warn
from torch.utils.data import DataLoader

from bbflow.contracts import Contract, check_receipt, load_contract, validate, write_receipt
from bbflow.data.cache import fingerprint
from bbflow.data.files import read_examples, write_examples, write_quarantine
from bbflow.data.progress import progress_bar
from bbflow.data.sampling import training_order
from bbflow.data.shards import Plan
from bbflow.errors import InputError, Problem, Refused, did_you_mean
from bbflow.graph import GraphSource, KnowledgeGraph
from bbflow.records import SPLITS, Example, Split
from bbflow.sealed_file import file_sha256
from bbflow.synthesis.curation import Curation
from bbflow.synthesis.generate import Generated, generate
from bbflow.synthesis.splits import Stage
from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, MultiHop, Task, TreatmentChoice
from bbflow.whole_file import completed

if TYPE_CHECKING:
    from datasets import DatasetDict

_HASHES = "sha256.json"
"""What stands beside uncontracted examples instead of a receipt."""


class KnowledgeGraphData(LightningDataModule):
    """Examples of a medical knowledge graph.

    Graph, contract, tasks, sizes, mix, seed and the code that turns them into examples make up a fingerprint; what was made
    once is read from `cache_dir/<fingerprint>` afterwards, after its receipt was checked against every byte. Nothing that
    the contract refuses reaches a loader.

    Args:
        graph: Where the facts come from.
        contract: Data contract that every example must pass; null trains on unchecked data, and the report says so.
        tasks: Name to task family; null: fact recall, multi-hop, constrained answer and treatment choice.
        mix: Name of a task to its share of the examples; 1 where not named.
        held_out_mix: The same for validation and test, so that scores stay comparable whatever is trained on ({}: all tasks evenly);
            null: as `mix`.
        train_size: Number of training examples.
        validation_size: Number of validation examples.
        test_size: Number of test examples.
        batch_size: Examples (prompts) of one training batch on one device.
        seed: Of the training examples; validation and test do not depend on it.
        stage: Which training questions: "pretraining" takes some, in the base wordings; "alignment" takes the others, which a policy
            pretrained so has never been asked, in all wordings; "all" takes both.
        curation: What happens to proven examples before the contract: near duplicates, benchmarks, balance, stages; null: nothing.
        cache_dir: Where examples are kept.
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
        stage: Stage = "all",
        curation: Curation | None = None,
        cache_dir: str = ".cache/bbflow",
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        self.graph_source = graph
        self.contract_path = None if contract is None else Path(contract)
        defaults: list[Task] = [FactRecall(), MultiHop(), ConstrainedAnswer(), TreatmentChoice()]
        self.tasks: dict[str, Task] = tasks or {task.name: task for task in defaults}
        self._task_settings = {n: [type(t).__module__, type(t).__qualname__, _settings(t)] for n, t in self.tasks.items()}
        self.mix, self.held_out_mix = mix or {}, held_out_mix
        self.sizes: dict[Split, int] = {"train": train_size, "validation": validation_size, "test": test_size}
        self.batch_size, self.seed, self.stage = batch_size, seed, stage
        self.curation = curation
        self._curation_settings = _described(curation)
        self.cache_dir, self.num_workers = Path(cache_dir), num_workers
        self._graph: KnowledgeGraph | None = None
        self.splits: dict[Split, list[Example]] = {}
        self.dataset: DatasetDict | None = None
        self.receipt: dict[str, Any] | None = None
        self._refusal: Exception | None = None
        self.generation_seconds = 0.0

    @property
    def graph(self) -> KnowledgeGraph:
        """The graph, read once."""
        if self._graph is None:
            self._graph = self.graph_source.load()
        return self._graph

    def problems(self) -> list[Problem]:
        """Lists what is wrong with the data part of a recipe, before anything is generated."""
        found = []
        for key, mix in (("mix", self.mix), ("held_out_mix", self.held_out_mix or {})):
            for name, share in mix.items():
                if name not in self.tasks:
                    found.append(Problem(f"'{name}' is no task", f"data.init_args.{key}", did_you_mean(name, self.tasks)))
                elif not 0 <= share < math.inf:
                    found.append(Problem(f"the share of '{name}' must be 0 or more, not {share}", f"data.init_args.{key}"))
        for split, size in self.sizes.items():
            if size < 1:
                found.append(Problem(f"{split}_size must be at least 1, not {size}", "data.init_args"))
        if self.batch_size < 1:
            found.append(Problem(f"batch_size must be at least 1, not {self.batch_size}", "data.init_args"))
        exercised = {name for task in self.tasks.values() for name in task.capabilities}
        found += [] if self.curation is None else self.curation.problems("data.init_args.curation", exercised)
        for key, read in (("graph", lambda: self.graph), ("contract", self._contract)):
            try:
                read()
            except InputError as error:
                found += [Problem(p.what, p.where or f"data.init_args.{key}", p.hint) for p in error.problems]
        return found

    def _contract(self) -> Contract | None:
        return None if self.contract_path is None else load_contract(self.contract_path)

    @cached_property
    def _contract_sha256(self) -> str | None:
        contract = self._contract()
        return None if contract is None else contract.sha256

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

    def use_graph(self, source: GraphSource) -> None:
        """Takes the facts from elsewhere."""
        self.graph_source, self._graph = source, None

    def resize(self, total: int) -> None:
        """Makes `total` examples in all, divided over the splits in the present proportions, at least one in each."""
        before = sum(self.sizes.values())
        held_out = {split: max(1, round(total * self.sizes[split] / before)) for split in SPLITS[1:]}
        self.sizes = {"train": max(1, total - sum(held_out.values())), **held_out}

    @property
    def folder(self) -> Path:
        """Where the examples of this recipe lie or will lie."""
        return self.cache_dir / self.fingerprint[:16]

    def prepare_data(self) -> None:
        """Makes and checks the examples unless they are there; runs on one process of each machine.

        Raises:
            InputError: Graph, contract or tasks are wrong.
            Refused: The contract refuses the data. With several processes `setup` raises both, and whatever else went wrong, on every one
                of them, since the others would wait for this one forever.
        """
        try:
            self._prepare()
        except Exception as error:
            if self.trainer is None or self.trainer.world_size == 1:
                raise
            known = isinstance(error, (InputError, Refused))
            self._refusal = error if known else RuntimeError(f"the data could not be prepared: {type(error).__name__}: {error}")

    def _prepare(self) -> None:
        problems = self.problems()
        if problems:
            raise InputError(*problems)
        start = time.perf_counter()
        if not self.folder.exists() or not self._take_over():
            with completed(self.folder) as folder:
                self.write(folder)
        self.generation_seconds = time.perf_counter() - start

    def _take_over(self) -> bool:
        """Checks every byte of what was made before; what has changed passes the contract again. False: it is broken, make it anew."""
        files = {split: self.folder / f"{split}.parquet" for split in SPLITS}
        try:
            if self.contract_path is None:
                sound = json.loads((self.folder / _HASHES).read_text(encoding="utf-8")) == _hashes(files)
                examples = None
            else:
                stale = check_receipt(self.folder / "receipt.json", self.contract_path, list(files.values()), self.graph)
                sound, examples = True, {split: read_examples(file) for split, file in files.items()} if stale else None
        except (InputError, OSError, ValueError):
            sound = False
        if not sound:
            rank_zero_warn(f"{self.folder}: the cached examples are broken; they are made anew")
        elif examples is not None:
            with completed(self.folder) as folder:
                self._write_accepted(folder, examples)
        return sound

    def write(self, folder: Path, workers: int = 1) -> Generated:
        """Generates all splits into a folder: Parquet files, quarantine and receipt; returns what was made before the contract."""
        with progress_bar("generating examples", sum(self.sizes.values())) as advance:
            made = generate(
                self.graph, self.tasks, self.sizes, self.mix, self.seed, advance, workers, self.stage, self.curation, self.held_out_mix
            )
        empty = [split for split in SPLITS if not made.examples[split]]
        if empty:
            raise InputError(Problem(f"the graph offers no example for {', '.join(empty)}", "data.init_args.tasks"))
        self._write_accepted(folder, made.examples)
        return made

    def plan(self, rows: int) -> Plan:
        """Returns what determines the examples, for writing them as shards of so many rows."""
        key = f"{self.fingerprint}-{rows}"
        return Plan(
            self.graph, self.tasks, self.sizes, self.mix, self.held_out_mix, self.seed, self.stage, self.curation,
            self.contract_path, rows, key,
        )  # fmt: skip

    def _write_accepted(self, folder: Path, examples: Mapping[Split, list[Example]]) -> None:
        """Writes what the contract accepts, what it quarantines, and the receipt."""
        everything = [example for split in SPLITS for example in examples[split]]
        contract = self._contract()
        verdict = None if contract is None else validate(contract, everything, self.graph)
        kept = everything if verdict is None else verdict.keep(everything)
        files = {split: folder / f"{split}.parquet" for split in SPLITS}
        for split, file in files.items():
            write_examples(file, [example for example in kept if example.split == split])
        if verdict is None:
            (folder / _HASHES).write_text(json.dumps(_hashes(files)), encoding="utf-8")
        else:
            write_quarantine(folder / "quarantine.parquet", everything, verdict)
            write_receipt(folder / "receipt.json", verdict, list(files.values()), self.graph)

    def setup(self, stage: str) -> None:
        """Reads the splits.

        Raises:
            InputError: Graph, contract or tasks are wrong, as the process that prepared the data found.
            Refused: The contract refuses the data, as that process found.
        """
        if self.trainer is not None and self.trainer.world_size > 1:
            self._refusal = self.trainer.strategy.broadcast(self._refusal)
        if self._refusal is not None:
            raise self._refusal
        from datasets import Dataset, DatasetDict

        if self.splits:
            return
        files = {split: self.folder / f"{split}.parquet" for split in SPLITS}
        self.dataset = DatasetDict({split: Dataset(pyarrow.parquet.read_table(file)) for split, file in files.items()})
        self.splits = {split: read_examples(file) for split, file in files.items()}
        receipt = self.folder / "receipt.json"
        self.receipt = json.loads(receipt.read_text(encoding="utf-8")) if receipt.exists() else None

    def state_dict(self) -> dict[str, Any]:
        """Says in every checkpoint by which contract its data passed, or that they passed none."""
        if self.receipt is None:
            return {"contract": "uncontracted"}
        return {"contract": self.receipt["verdict"]["contract"], "graph": self.receipt["verdict"]["graph"]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes nothing from a checkpoint: the recipe decides which data and which contract."""

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled training examples."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Validation examples in order."""
        return self._loader("validation")

    def test_dataloader(self) -> DataLoader[Any]:
        """Test examples in order."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """Test examples in order."""
        return self._loader("test")

    def _loader(self, split: Split, shuffle: bool = False) -> DataLoader[Any]:
        """Loads examples with the collation of the module in use."""
        module: Any = self.trainer.lightning_module if self.trainer is not None else None
        collate = getattr(module, "collate", list)
        examples = self.splits[split]
        order = None
        if shuffle:
            # Batches of like length are batches of like tasks: good for a module that pads, bad for one that compares capabilities.
            lengths = [len(e.prompt) + len(e.response) for e in examples] if getattr(module, "groups_lengths", False) else None
            order = training_order(self.trainer, len(examples), self.batch_size, lengths)
        return DataLoader(
            examples,  # type: ignore[arg-type]
            batch_size=self.batch_size,
            sampler=order,
            drop_last=shuffle and len(examples) >= self.batch_size,
            collate_fn=collate,
            num_workers=self.num_workers,
        )


def _hashes(files: Mapping[Split, Path]) -> dict[str, str]:
    return {split: file_sha256(file) for split, file in files.items()}


def _settings(task: Task) -> dict[str, Any]:
    """What a new task keeps of its arguments, before it has indexed a graph; it is part of what determines the examples."""
    return {name: value for name, value in sorted(vars(task).items()) if isinstance(value, (bool, int, float, str, list, dict, tuple))}


def _described(value: Any) -> Any:
    """What determines a setting, as plain data: classes by name with what they keep of their arguments."""
    if isinstance(value, dict):
        return {str(k): _described(v) for k, v in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [_described(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    settings = {name: _described(v) for name, v in sorted(vars(value).items()) if not name.startswith("_")}
    return [type(value).__module__, type(value).__qualname__, settings]
