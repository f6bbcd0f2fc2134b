"""Preference pairs for reward models: a correct record against a corrupted copy of it, every pair proved before it is used.

Correct records come out of the generator and its contract. Evidence is put into their prompts (open book), so that right and wrong can be
told without knowing the graph. A corruption is kept only where `Judge`, which asks the contract's rules and the rule rewards, finds a fault
in it and none in the original. Whole entity clusters are held out, and so are the corruption types that the recipe names: no training
pair proves anything about a held-out entity, and none is wrong in a held-out way.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from lightning.pytorch.utilities import rank_zero_warn
from torch.utils.data import DataLoader

from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import RULES
from bbflow.data.example_io import read_examples
from bbflow.data.fingerprint import fingerprint
from bbflow.data.knowledge_graph_data import KnowledgeGraphData
from bbflow.data.sampler import training_order
from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph import GraphSource, KnowledgeGraph
from bbflow.io.atomic import atomic_write
from bbflow.io.checksums import verify_checksum, write_checksum
from bbflow.records import SPLITS, Example, Message, Recommendation, Split, Triple
from bbflow.rewards.base import Reward
from bbflow.rewards.correctness import CorrectAnswer
from bbflow.rewards.instructions import is_met
from bbflow.rewards.reasoning import ReasonedAnswer
from bbflow.rewards.workflow import WorkflowSteps
from bbflow.synthesis.corruption import CORRUPTIONS, HEADS, CorrectRecord, Corruption
from bbflow.synthesis.items.evidence import draw_evidence, with_evidence
from bbflow.synthesis.pipeline import Generated
from bbflow.synthesis.splits import TrainingStage
from bbflow.synthesis.tasks import Task
from bbflow.text.answers.extraction import final_answers, option_index
from bbflow.text.verbalization import parse

FILE = "preferences.parquet"
_SEAL = "preferences.sha256"
_SAFETY_RULES = ("no_contraindicated_drug", "no_interacting_pair", "recommended_drug_covered")


@dataclass(frozen=True)
class PreferencePair:
    """A prompt with a correct and a corrupted response.

    Attributes:
        pair_id: Example and corruption.
        messages: The prompt, evidence included.
        chosen: The correct response.
        rejected: The corrupted one.
        corruption: What was made wrong.
        head: The head of a reward model that should notice.
        margin: How much worse it is.
        task: Task family of the example.
        cluster: Entity whose pairs belong together.
        split: train, validation or test.
    """

    pair_id: str
    messages: list[Message]
    chosen: str
    rejected: str
    corruption: str
    head: str
    margin: float
    task: str
    cluster: str
    split: Split


class Judge:
    """Says what is wrong with a response, from the graph, the contract's rules and the demands alone.

    Args:
        graph: Where the truth stands.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self.answer, self.proof, self.steps = CorrectAnswer(), ReasonedAnswer(), WorkflowSteps()
        rewards: tuple[Reward, ...] = (self.answer, self.proof)
        for reward in rewards:
            reward.prepare(graph)

    def faults(self, example: Example, response: str) -> Iterator[str]:
        """Yields what is wrong with a response to an example; nothing where it is correct."""
        if not self.answer.is_right(example, response):
            yield "the answer is wrong"
        yield from (f"the demand {c['type']} is not met" for c in example.constraints if not is_met(c, response))
        stated = self._stated(response)
        if any(triple is not None and not self.graph.has(*triple) for triple in stated):
            yield "a statement is no edge of the graph"
        if stated.count(None) > self._stated(example.response).count(None):
            yield "a sentence of the reasoning says nothing that can be looked up"
        if example.edges and self.proof([example], [example.response])[0] == 1.0 and self.proof([example], [response])[0] != 1.0:
            yield "the proof is not whole"
        if example.patient is not None:
            yield from self._unsafe(example, response)
        if example.workflow and self.steps([example], [response])[0] != 1.0:
            yield "a step is missing, told twice or out of place"

    def _stated(self, response: str) -> list[Triple | None]:
        head, marker, _ = response.rpartition("Answer:")
        return parse(self.graph, head) if marker else []

    def _unsafe(self, example: Example, response: str) -> Iterator[str]:
        """Runs the contract's safety rules on the drug that the response advises."""
        row = Row(0, {**example.to_row(), "recommended": self._recommended(example, response)})
        for name in _SAFETY_RULES:
            yield from (finding.reason for finding in RULES[name].run([row], self.graph).findings)

    def _recommended(self, example: Example, response: str) -> list[Recommendation]:
        said = final_answers(response)[-1]
        index = option_index(said, example.options or [])
        said = example.options[index] if example.options and index is not None else said
        drugs = [self.graph.resolve(said)]
        if said.casefold() == "yes":  # the one drug that the question is about stands first in its proof
            drugs = [example.edges[0][0]] if example.edges else []
        found = [drug for drug in drugs if drug is not None and self.graph.node(drug).kind == "Drug"]
        return [Recommendation(drug=drug, dose=None, unit=None, per_day=None, route=None) for drug in found]


def make_pairs(
    graph: KnowledgeGraph,
    examples: Sequence[Example],
    corruptions: Sequence[Corruption],
    held_out: Iterable[str] = (),
    held_out_clusters: float = 0.12,
    facts: int = 5,
    per_example: int = 3,
    seed: int = 0,
) -> list[PreferencePair]:
    """Corrupts examples.

    Args:
        graph: That the examples speak of.
        examples: Correct records.
        corruptions: What may be made wrong.
        held_out: Names of corruptions that no training pair has.
        held_out_clusters: Share of the entity clusters kept for validation and test, half of them each.
        facts: How many facts stand in a prompt; 0: none, and the questions are closed-book.
        per_example: At most how many training pairs come of one example; the held-out splits get every corruption that applies.
        seed: Of evidence and corruption.

    Returns:
        Pairs of all splits. An example that is about a held-out entity without belonging to its cluster makes no pair.
    """
    judge, reserved = Judge(graph), set(held_out)
    split_of = {cluster: _cluster_split(cluster, graph.salt, held_out_clusters) for cluster in {e.cluster for e in examples}}
    away = {cluster for cluster, split in split_of.items() if split != "train"}
    pairs = []
    for example in examples:
        rng = random.Random(f"{seed}/{example.example_id}")  # noqa: S311 (not for secrets)
        split = split_of[example.cluster]
        if split == "train" and any(node in away for edge in example.edges for node in (edge[0], edge[2])):
            continue
        told = draw_evidence(graph, example, facts, rng) if facts else ()
        case = CorrectRecord(with_evidence(graph, example, told) if facts else example, graph, told)
        if any(True for _ in judge.faults(example, example.response)):
            continue
        usable = [c for c in corruptions if split != "train" or c.name not in reserved]
        made = 0
        for corruption in rng.sample(usable, len(usable)):
            wrong = corruption(case, rng)
            if wrong is None or wrong == example.response or not any(True for _ in judge.faults(example, wrong)):
                continue
            pairs.append(
                PreferencePair(
                    f"{example.example_id}/{corruption.name}", case.example.messages, example.response, wrong, corruption.name,
                    corruption.head, corruption.margin, example.task, example.cluster, split,
                )
            )  # fmt: skip
            made += 1
            if split == "train" and made == per_example:
                break
    return pairs


def _cluster_split(cluster: str, salt: str, share: float) -> Split:
    place = int.from_bytes(hashlib.sha256(f"{salt}/pairs/{cluster}".encode()).digest()[:8], "big") / 2**64
    return "train" if place >= share else "validation" if place < share / 2 else "test"


class PreferenceData(KnowledgeGraphData):
    """Preference pairs of a medical knowledge graph, for `RewardModel`.

    Args:
        graph: Where the facts come from.
        contract: Data contract that every correct record must pass.
        tasks: Name to task family, as for `KnowledgeGraphData`.
        mix: Name of a task to its share of the examples.
        train_size: Number of training examples that pairs are made of; those that touch a held-out cluster make none.
        validation_size: Number of examples of the validation questions, which add to the pool.
        test_size: Number of examples of the test questions, which add to the pool.
        batch_size: Pairs of one batch on one device.
        corruptions: What may be made wrong; null: everything that ships.
        held_out_corruptions: Names of corruptions that no training pair has.
        held_out_clusters: Share of the entity clusters that are held out, half for validation and half for test.
        facts: How many facts stand in a prompt; 0 makes closed-book pairs.
        pairs_per_example: At most how many training pairs come of one example.
        test_pairs: At most how many pairs the validation and the test split have each, chosen by hash.
        seed: Of the training examples, the evidence and the corruptions.
        stage: Which training questions (see `KnowledgeGraphData`).
        cache_dir: Where examples and pairs are kept.
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
        """Lists what is wrong with the data part of a recipe."""
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
        code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        return fingerprint({"examples": super().fingerprint, "corruptions": own, "settings": settings, "code": code})

    def _take_over(self) -> bool:
        """Checks the examples as `KnowledgeGraphData` does, and every byte of the pairs; where one has changed, makes them anew."""
        sound = super()._take_over()
        if sound and not verify_checksum(self.folder / FILE, self.folder / _SEAL):
            rank_zero_warn(f"{self.folder / FILE}: the cached preference pairs are broken or were changed; they are made anew")
            self._write_pairs(self.folder)
        return sound

    def _write_accepted(self, folder: Path, examples: Any) -> None:
        """Writes the examples that the contract accepts, and the pairs made of them."""
        super()._write_accepted(folder, examples)
        self._write_pairs(folder)

    def _write_pairs(self, folder: Path) -> None:
        """Writes the pairs made of the examples in a folder, and their hash."""
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
        """Generates examples and pairs into a folder."""
        return super().write(folder, workers)

    def setup(self, stage: str) -> None:
        """Reads examples and pairs."""
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


def read_pairs(path: str | Path) -> list[PreferencePair]:
    """Reads preference pairs from Parquet.

    Raises:
        InputError: The file is missing or is no file of pairs.
    """
    try:
        rows = pq.ParquetFile(path).read().to_pylist()
        return [PreferencePair(**row) for row in rows]
    except (OSError, pa.ArrowException, TypeError) as error:
        raise InputError(Problem(f"cannot be read as preference pairs: {error}", str(path))) from None
