"""Preference pairs for reward models: a correct record against a corrupted copy of it, every pair proved before it is used.

Correct records come out of the generator and its contract. Evidence is put into their prompts (open book), so that right and
wrong can be distinguished without knowing the graph. A corruption is kept only if `Judge`, which applies the contract's rules and
the rule rewards, finds a fault in it and none in the original. Whole entity clusters are held out, and so are the corruption types
that the recipe names: no training pair proves anything about a held-out entity, and none is wrong in a held-out way.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import RULES
from bbflow.errors import InputError, Problem
from bbflow.graph import KnowledgeGraph
from bbflow.records import Example, Message, Recommendation, Split, Triple
from bbflow.rewards.base import Reward
from bbflow.rewards.correctness import CorrectAnswer
from bbflow.rewards.instructions import is_met
from bbflow.rewards.reasoning import ReasonedAnswer
from bbflow.rewards.workflow import WorkflowSteps
from bbflow.synthesis.corruption import CorrectRecord, Corruption
from bbflow.synthesis.items.evidence import draw_evidence, with_evidence
from bbflow.text.answers.extraction import final_answers, option_index
from bbflow.text.verbalization import parse

_SAFETY_RULES = ("no_contraindicated_drug", "no_interacting_pair", "recommended_drug_covered", "needs_no_caution")


@dataclass(frozen=True)
class PreferencePair:
    """A prompt with a correct and a corrupted response.

    Attributes:
        pair_id: Id of the example and name of the corruption.
        messages: The prompt, evidence included.
        chosen: The correct response.
        rejected: The corrupted one.
        corruption: Name of the corruption.
        head: The head of a reward model that should notice.
        margin: Margin of the loss: how much worse the rejected response is.
        task: Task family of the example.
        cluster: Entity whose pairs are kept in one split.
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
    """Find the faults of a response from the graph, the contract's rules and the constraints alone.

    Args:
        graph: Source of the facts.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self.answer, self.proof, self.steps = CorrectAnswer(), ReasonedAnswer(), WorkflowSteps()
        rewards: tuple[Reward, ...] = (self.answer, self.proof)
        for reward in rewards:
            reward.prepare(graph)

    def faults(self, example: Example, response: str) -> Iterator[str]:
        """Yield the faults of a response to an example; nothing where it is correct."""
        if not self.answer.is_right(example, response):
            yield "the answer is wrong"
        yield from (f"the constraint {c['type']} is not met" for c in example.constraints if not is_met(c, response))
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

    def finds_fault(self, example: Example, response: str) -> bool:
        """Return whether a response to an example has any fault."""
        return next(self.faults(example, response), None) is not None

    def _stated(self, response: str) -> list[Triple | None]:
        head, marker, _ = response.rpartition("Answer:")
        return parse(self.graph, head) if marker else []

    def _unsafe(self, example: Example, response: str) -> Iterator[str]:
        """Run the contract's safety rules on the drug that the response advises."""
        row = Row(0, {**example.to_row(), "recommended": self._recommended(example, response)})
        for name in _SAFETY_RULES:
            yield from (finding.reason for finding in RULES[name].run([row], self.graph).findings)

    def _recommended(self, example: Example, response: str) -> list[Recommendation]:
        said = final_answers(response)[-1]
        index = option_index(said, example.options or [])
        said = example.options[index] if example.options and index is not None else said
        drugs = [self.graph.resolve(said)]
        if said.casefold() == "yes":  # the drug of the question is the first node of its proof
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
    """Pair correct responses with corrupted copies of them.

    Args:
        graph: Graph that the examples were generated from.
        examples: Correct records.
        corruptions: Corruptions to choose from.
        held_out: Names of corruptions that no training pair has.
        held_out_clusters: Share of the entity clusters kept for validation and test, half of them each.
        facts: Number of facts in a prompt; 0: none, and the questions are closed-book.
        per_example: Limit of training pairs of one example; the held-out splits get every corruption that applies.
        seed: Seed of evidence and corruption.

    Returns:
        Pairs of all splits. A training example that names a held-out entity makes no pair.
    """
    judge, reserved = Judge(graph), set(held_out)
    splits = {cluster: _cluster_split(cluster, graph.salt, held_out_clusters) for cluster in {e.cluster for e in examples}}
    held_out_entities = {cluster for cluster, split in splits.items() if split != "train"}
    pairs = []
    for example in examples:
        split = splits[example.cluster]
        if split == "train" and any(node in held_out_entities for edge in example.edges for node in (edge[0], edge[2])):
            continue
        rng = random.Random(f"{seed}/{example.example_id}")  # noqa: S311 (not for secrets)
        record = _open_book(graph, example, facts, rng)
        if judge.finds_fault(example, example.response):
            continue
        usable = [c for c in corruptions if split != "train" or c.name not in reserved]
        proven = _proven_corruptions(judge, record, example, usable, rng)
        pairs += [
            PreferencePair(
                f"{example.example_id}/{corruption.name}", record.example.messages, example.response, wrong, corruption.name,
                corruption.head, corruption.margin, example.task, example.cluster, split,
            )
            for corruption, wrong in islice(proven, per_example if split == "train" else None)
        ]  # fmt: skip
    return pairs


def _open_book(graph: KnowledgeGraph, example: Example, facts: int, rng: random.Random) -> CorrectRecord:
    """Return an example with so many facts in its prompt; with 0 as it is."""
    if not facts:
        return CorrectRecord(example, graph)
    evidence = draw_evidence(graph, example, facts, rng)
    return CorrectRecord(with_evidence(graph, example, evidence), graph, evidence)


def _proven_corruptions(
    judge: Judge, record: CorrectRecord, example: Example, corruptions: Sequence[Corruption], rng: random.Random
) -> Iterator[tuple[Corruption, str]]:
    """Yield the corruptions that apply, in random order, with the response that they give; each has a proven fault."""
    for corruption in rng.sample(corruptions, len(corruptions)):
        wrong = corruption(record, rng)
        if wrong is not None and wrong != example.response and judge.finds_fault(example, wrong):
            yield corruption, wrong


def _cluster_split(cluster: str, salt: str, share: float) -> Split:
    place = int.from_bytes(hashlib.sha256(f"{salt}/pairs/{cluster}".encode()).digest()[:8], "big") / 2**64
    return "train" if place >= share else "validation" if place < share / 2 else "test"


def read_pairs(path: str | Path) -> list[PreferencePair]:
    """Read preference pairs from Parquet.

    Raises:
        InputError: The file is missing or is no file of pairs.
    """
    try:
        rows = pq.ParquetFile(path).read().to_pylist()
        return [PreferencePair(**row) for row in rows]
    except (OSError, pa.ArrowException, TypeError) as error:
        raise InputError(Problem(f"cannot be read as preference pairs: {error}", str(path))) from None
