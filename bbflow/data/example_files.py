"""`ExampleFiles`: examples from files, such as `bbflow generate` writes, or your own questions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

from bbflow.data.contract_datamodule import ContractDataModule
from bbflow.data.example_io import files_of, read_examples
from bbflow.data.fingerprint import fingerprint
from bbflow.errors import InputError, Problem
from bbflow.graph import GraphSource
from bbflow.io.checksums import file_sha256
from bbflow.records import SPLITS, Example


@dataclass(frozen=True)
class RecordedTask:
    """Capabilities and fields of the records of one task.

    Attributes:
        capabilities: Capabilities that at least one record names.
        fields: Fields that at least one record fills; each record is checked against the fields its rewards read elsewhere.
    """

    capabilities: tuple[str, ...]
    fields: frozenset[str]


class ExampleFiles(ContractDataModule):
    """Examples from files, checked by a data contract before training.

    The `split` of each record decides its split, and each split needs at least one. Rewards and contract rules look facts up in the graph.

    Args:
        path: A `.parquet` or `.jsonl` file of examples, or a folder of them as `bbflow generate` writes it.
        graph: Source of the graph that the examples are about.
        contract: Data contract that every example must pass; null trains on unchecked data, and the report says so.
        batch_size: Examples (prompts) of one training batch on one device.
        cache_dir: Folder of the cache of accepted examples.
        num_workers: Processes that collate batches.
    """

    def __init__(
        self,
        path: Path,
        graph: GraphSource,
        contract: str | None,
        batch_size: int = 16,
        cache_dir: str = ".cache/bbflow",
        num_workers: int = 0,
    ) -> None:
        super().__init__(graph, contract, batch_size, cache_dir, num_workers)
        self.path = Path(path)

    @cached_property
    def _files_sha256(self) -> list[str]:
        return [file_sha256(file) for file in files_of(self.path)]

    @cached_property
    def _examples(self) -> list[Example]:
        examples = read_examples(self.path)
        _ = self._files_sha256  # hash the files now, before somebody changes them
        return examples

    @cached_property
    def tasks(self) -> dict[str, RecordedTask]:  # type: ignore[override]  # read when first asked for
        """The tasks of the records; empty if the files cannot be read, which `problems` reports."""
        found: dict[str, tuple[dict[str, None], set[str]]] = {}
        try:
            examples = self._examples
        except InputError:
            return {}
        names = [field.name for field in fields(Example)]
        for example in examples:
            capabilities, filled = found.setdefault(example.task, ({}, set()))
            capabilities.update(dict.fromkeys(example.capabilities))
            filled.update(name for name in names if getattr(example, name) not in (None, [], ""))
        return {task: RecordedTask(tuple(capabilities), frozenset(filled)) for task, (capabilities, filled) in found.items()}

    def problems(self) -> list[Problem]:
        """List the mistakes in the `data` section of a recipe: settings, files and records."""
        found, where = super().problems(), "data.init_args.path"
        try:
            examples = self._examples
        except InputError as error:
            return found + [Problem(p.what, p.where or where, p.hint) for p in error.problems]
        for split in SPLITS:
            if not any(example.split == split for example in examples):
                found.append(
                    Problem(f"no record is for the {split} split", where, f"`split` of each record is one of: {', '.join(SPLITS)}")
                )
        if not found:
            found += self._foreign(examples, where)
        return found

    def _foreign(self, examples: list[Example], where: str) -> list[Problem]:
        """List the graphs of other names that records were made from; their facts may be unknown to this graph."""
        made_from = {str(e.provenance["graph"]).partition("@")[0] for e in examples if e.provenance} - {self.graph.name, ""}
        said = "the examples were made from the graph '{}', and the recipe's is '{}'"
        return [Problem(said.format(name, self.graph.name), where, "name it under data.init_args.graph") for name in sorted(made_from)]

    @property
    def fingerprint(self) -> str:
        """Hash of the files, the graph and the contract."""
        return fingerprint({"files": self._files_sha256, "graph": self.graph.sha256, "contract": self._contract_sha256})

    def write(self, folder: Path) -> None:
        """Write the records that the contract accepts."""
        self._write_accepted(folder, {split: [e for e in self._examples if e.split == split] for split in SPLITS})
