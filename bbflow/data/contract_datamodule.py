"""`ContractDataModule`: base class of data modules whose examples pass a data contract once and are cached as Parquet."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_warn
from torch.utils.data import DataLoader

from bbflow.contracts import Contract, check_receipt, load_contract, validate, write_receipt
from bbflow.data.example_io import as_dataset, read_examples, write_examples, write_quarantine
from bbflow.data.sampler import training_order
from bbflow.errors import InputError, Problem, Refused
from bbflow.graph import GraphSource, KnowledgeGraph
from bbflow.io.atomic import atomic_directory
from bbflow.io.checksums import file_sha256
from bbflow.records import SPLITS, Example, Split

if TYPE_CHECKING:
    from datasets import DatasetDict

_HASHES = "sha256.json"
"""File of split hashes, written instead of a receipt when no contract is set."""


class ContractDataModule(LightningDataModule, ABC):
    """Examples that pass a data contract. A subclass makes them (`write`) and identifies them (`fingerprint`).

    Examples are made once and kept in `cache_dir/<fingerprint>`; every later run checks their receipt against every byte and
    reads them from there. A row that the contract refuses or quarantines never reaches a loader.

    Args:
        graph: Source of the graph whose entities and facts the examples are about.
        contract: Data contract that every example must pass; null trains on unchecked data, and the report says so.
        batch_size: Examples (prompts) of one training batch on one device.
        cache_dir: Folder of the cache.
        num_workers: Processes that collate batches.
    """

    tasks: Mapping[str, Any]
    """Name of a task in the records to an object with its `capabilities` and the `fields` that its examples fill."""

    def __init__(self, graph: GraphSource, contract: str | None, batch_size: int, cache_dir: str, num_workers: int) -> None:
        super().__init__()
        self.graph_source = graph
        self.contract_path = None if contract is None else Path(contract)
        self.batch_size, self.cache_dir, self.num_workers = batch_size, Path(cache_dir), num_workers
        self._graph: KnowledgeGraph | None = None
        self.splits: dict[Split, list[Example]] = {}
        self.receipt: dict[str, Any] | None = None
        self._refusal: Exception | None = None

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of everything that determines the examples."""

    @abstractmethod
    def write(self, folder: Path) -> object:
        """Make the examples and hand them to `_write_accepted`."""

    def problems(self) -> list[Problem]:
        """List the mistakes in the `data` section of a recipe, before any example is made."""
        found = []
        if self.batch_size < 1:
            found.append(Problem(f"batch_size must be at least 1, not {self.batch_size}", "data.init_args"))
        for key, read in (("graph", lambda: self.graph), ("contract", self._contract)):
            try:
                read()
            except InputError as error:
                found += [Problem(p.what, p.where or f"data.init_args.{key}", p.hint) for p in error.problems]
        return found

    @property
    def graph(self) -> KnowledgeGraph:
        """The graph, read once."""
        if self._graph is None:
            self._graph = self.graph_source.load()
        return self._graph

    def use_graph(self, source: GraphSource) -> None:
        """Replace the source of the graph."""
        self.graph_source, self._graph = source, None

    def _contract(self) -> Contract | None:
        return None if self.contract_path is None else load_contract(self.contract_path)

    @cached_property
    def _contract_sha256(self) -> str | None:
        contract = self._contract()
        return None if contract is None else contract.sha256

    @property
    def folder(self) -> Path:
        """Folder of the examples of this recipe, whether or not they are made yet."""
        return self.cache_dir / self.fingerprint[:16]

    def prepare_data(self) -> None:
        """Make and check the examples unless they are cached; runs on one process of each machine.

        Raises:
            InputError: Graph, contract or tasks are wrong.
            Refused: The contract refuses the data. With several processes this and every other error is raised by `setup`, on all
                of them, since the other processes would wait for this one forever.
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
        if not self.folder.exists() or not self._take_over():
            with atomic_directory(self.folder) as folder:
                self.write(folder)

    def _take_over(self) -> bool:
        """Check every byte of the cached examples, and run the contract again where one has changed.

        Returns:
            False if the cache is broken and the examples have to be made anew.
        """
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
            with atomic_directory(self.folder) as folder:
                self._write_accepted(folder, examples)
        return sound

    def _write_accepted(self, folder: Path, examples: Mapping[Split, list[Example]]) -> None:
        """Write the accepted examples, the quarantine and the receipt."""
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
        """Read the splits.

        Raises:
            InputError: The process that prepared the data found graph, contract or tasks to be wrong.
            Refused: That process found that the contract refuses the data.
        """
        if self.trainer is not None and self.trainer.world_size > 1:
            self._refusal = self.trainer.strategy.broadcast(self._refusal)
        if self._refusal is not None:
            raise self._refusal
        if self.splits:
            return
        self.splits = {split: read_examples(self.folder / f"{split}.parquet") for split in SPLITS}
        receipt = self.folder / "receipt.json"
        self.receipt = json.loads(receipt.read_text(encoding="utf-8")) if receipt.exists() else None

    @cached_property
    def dataset(self) -> DatasetDict:
        """The accepted examples as typed Hugging Face datasets, one for each split; available after `setup`."""
        return as_dataset([example for examples in self.splits.values() for example in examples])

    def state_dict(self) -> dict[str, Any]:
        """Return the contract and graph of the data for the checkpoint, or a note that no contract was applied."""
        if self.receipt is None:
            return {"contract": "uncontracted"}
        return {"contract": self.receipt["verdict"]["contract"], "graph": self.receipt["verdict"]["graph"]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Ignore the checkpoint: data and contract are those of the recipe."""

    def train_dataloader(self) -> DataLoader[Any]:
        """Return a loader of shuffled training examples."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return a loader of validation examples in order."""
        return self._loader("validation")

    def test_dataloader(self) -> DataLoader[Any]:
        """Return a loader of test examples in order."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """Return a loader of test examples in order."""
        return self._loader("test")

    def _loader(self, split: Split, shuffle: bool = False) -> DataLoader[Any]:
        """Return a loader that collates with the module in use."""
        module: Any = self.trainer.lightning_module if self.trainer is not None else None
        collate = getattr(module, "collate", list)
        examples = self.splits[split]
        order = None
        if shuffle:
            # Batches of like length are batches of like tasks: good for a module that pads, bad for one that compares capabilities.
            lengths = [len(e.prompt) + len(e.response) for e in examples] if getattr(module, "group_by_length", False) else None
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
