"""`PreferenceData`: preference pairs for reward models, made of contract-checked examples, cached and loaded."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from lightning.pytorch.utilities import rank_zero_warn
from torch.utils.data import DataLoader

from bbflow.data.example_io import read_examples
from bbflow.data.fingerprint import fingerprint
from bbflow.data.knowledge_graph_data import KnowledgeGraphData
from bbflow.data.preference_pairs import PreferencePair, make_pairs, read_pairs
from bbflow.data.sampler import training_order
from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph import GraphSource
from bbflow.io.atomic import atomic_write
from bbflow.io.checksums import verify_checksum, write_checksum
from bbflow.records import SPLITS, Split
from bbflow.synthesis.corruption import CORRUPTIONS, HEADS, Corruption
from bbflow.synthesis.pipeline import Generated
from bbflow.synthesis.splits import TrainingStage
from bbflow.synthesis.tasks import Task

FILE = "preferences.parquet"
_SEAL = "preferences.sha256"


class PreferenceData(KnowledgeGraphData):
    """Preference pairs of a medical knowledge graph, for `RewardModel`.

    The arguments that `KnowledgeGraphData` has too are repeated because other defaults suit pairs, and because `curation` and
    `held_out_mix` do not apply to them.

    Args:
        graph: Source of the facts.
        contract: Data contract that every correct record must pass.
        tasks: Name to task family, as for `KnowledgeGraphData`.
        mix: Name of a task to its share of the examples.
        train_size: Number of training examples that pairs are made of; those that touch a held-out cluster make none.
        validation_size: Number of examples of the validation questions, which add to the pool.
        test_size: Number of examples of the test questions, which add to the pool.
        batch_size: Pairs of one batch on one device.
        corruptions: Corruptions to choose from; null: all that ship.
        held_out_corruptions: Names of corruptions that no training pair has.
        held_out_clusters: Share of the entity clusters that are held out, half for validation and half for test.
        facts: Number of facts in a prompt; 0 makes closed-book pairs.
        pairs_per_example: Limit of training pairs of one example.
        test_pairs: Limit of pairs of the validation and of the test split, chosen by hash.
        seed: Seed of the training examples, the evidence and the corruptions.
        stage: Which training questions (see `KnowledgeGraphData`).
        cache_dir: Folder where examples and pairs are kept.
        num_workers: Processes that collate batches.
    """

    def __init__(
        self,
        graph: GraphSource,
        contract: str | None,
        tasks: dict[str, Task] | None = None,
        mix: dict[str, float] | None = None,
        train_size: int = 8000,
        validation_size: int = 400,
        test_size: int = 1600,
        batch_size: int = 24,
        corruptions: list[Corruption] | None = None,
        held_out_corruptions: list[str] | None = None,
        held_out_clusters: float = 0.12,
        facts: int = 5,
        pairs_per_example: int = 3,
        test_pairs: int = 1200,
        seed: int = 0,
        stage: TrainingStage = "all",
        cache_dir: str = ".cache/bbflow",
        num_workers: int = 0,
    ) -> None:
        super().__init__(
            graph, contract, tasks, mix, None, train_size, validation_size, test_size, batch_size, seed, stage,
            cache_dir=cache_dir, num_workers=num_workers,
        )  # fmt: skip
        self.corruptions = corruptions if corruptions is not None else [corruption() for corruption in CORRUPTIONS]
        self.held_out_corruptions = held_out_corruptions or []
        self.held_out_clusters, self.facts, self.pairs_per_example = held_out_clusters, facts, pairs_per_example
        self.test_pairs = test_pairs
        self.pairs: dict[Split, list[PreferencePair]] = {}

    def problems(self) -> list[Problem]:
        """List the mistakes in the data part of a recipe."""
        found, where = super().problems(), "data.init_args"
        names = [corruption.name for corruption in self.corruptions]
        for name in self.held_out_corruptions:
            if name not in names:
                found.append(Problem(f"'{name}' is no corruption", f"{where}.held_out_corruptions", did_you_mean(name, names)))
        if not set(names) - set(self.held_out_corruptions):
            found.append(Problem("every corruption is held out, so there is nothing to train on", f"{where}.held_out_corruptions"))
        if not 0 < self.held_out_clusters < 1:
            found.append(Problem(f"held_out_clusters must lie between 0 and 1, not {self.held_out_clusters}", f"{where}.held_out_clusters"))
        for key in ("pairs_per_example", "test_pairs"):
            if getattr(self, key) < 1:
                found.append(Problem(f"{key} must be at least 1, not {getattr(self, key)}", f"{where}.{key}"))
        if self.facts < 0:
            found.append(Problem(f"facts must be 0 or more, not {self.facts}", f"{where}.facts"))
        for corruption in self.corruptions:
            if corruption.head not in HEADS:
                found.append(
                    Problem(
                        f"'{corruption.head}' of {corruption.name} is no head", f"{where}.corruptions", did_you_mean(corruption.head, HEADS)
                    )
                )
        return found

    @property
    def fingerprint(self) -> str:
        """Hash of everything that determines examples and pairs."""
        own = [[c.name, type(c).__module__, type(c).__qualname__, repr(sorted(vars(c).items()))] for c in self.corruptions]
        settings = [self.held_out_corruptions, self.held_out_clusters, self.facts, self.pairs_per_example, self.test_pairs]
        return fingerprint({"examples": super().fingerprint, "corruptions": own, "settings": settings})

    def _take_over(self) -> bool:
        """Check the examples as `KnowledgeGraphData` does, and every byte of the pairs; make the pairs again where one has changed."""
        sound = super()._take_over()
        if sound and not verify_checksum(self.folder / FILE, self.folder / _SEAL):
            rank_zero_warn(f"{self.folder / FILE}: the cached preference pairs are broken or were changed; they are made anew")
            self._write_pairs(self.folder)
        return sound

    def _write_accepted(self, folder: Path, examples: Any) -> None:
        """Write the examples that the contract accepts, and the pairs made of them."""
        super()._write_accepted(folder, examples)
        self._write_pairs(folder)

    def _write_pairs(self, folder: Path) -> None:
        """Write the pairs made of the examples in a folder, and their hash."""
        accepted = [example for split in SPLITS for example in read_examples(folder / f"{split}.parquet")]
        unique = list({example.example_id: example for example in accepted}.values())
        pairs = make_pairs(
            self.graph, unique, self.corruptions, self.held_out_corruptions, self.held_out_clusters, self.facts, self.pairs_per_example,
            self.seed,
        )  # fmt: skip
        kept = [pair for pair in pairs if pair.split == "train"]
        for split in SPLITS[1:]:
            held_out = sorted((p for p in pairs if p.split == split), key=lambda p: hashlib.sha256(p.pair_id.encode()).digest())
            kept += held_out[: self.test_pairs]
        for split in SPLITS:
            if not any(pair.split == split for pair in kept):
                raise InputError(
                    Problem(f"no preference pair falls into {split}", "data.init_args", "make more examples, or hold out more clusters")
                )
        with atomic_write(folder / FILE) as draft:
            pq.write_table(pa.Table.from_pylist([asdict(pair) for pair in kept]), draft, compression="zstd")
        write_checksum(folder / FILE, folder / _SEAL)

    def write(self, folder: Path, workers: int = 1) -> Generated:
        """Generate examples and pairs into a folder."""
        return super().write(folder, workers)

    def setup(self, stage: str) -> None:
        """Read examples and pairs."""
        super().setup(stage)
        if not self.pairs:
            pairs = read_pairs(self.folder / FILE)
            self.pairs = {split: [pair for pair in pairs if pair.split == split] for split in SPLITS}

    def _loader(self, split: Split, shuffle: bool = False) -> DataLoader[Any]:
        module: Any = self.trainer.lightning_module if self.trainer is not None else None
        pairs = self.pairs[split]
        lengths = [sum(len(m["content"]) for m in pair.messages) + len(pair.chosen) for pair in pairs]
        return DataLoader(
            pairs,  # type: ignore[arg-type]
            batch_size=self.batch_size,
            sampler=training_order(self.trainer, len(pairs), self.batch_size, lengths) if shuffle else None,
            drop_last=shuffle and len(pairs) >= self.batch_size,
            collate_fn=getattr(module, "collate", list),
            num_workers=self.num_workers,
        )
