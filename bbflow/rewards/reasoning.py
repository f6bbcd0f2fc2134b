"""Is the written reasoning a proof? Judged on the statements it asserts, each of which must be an edge of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bbflow.graph.ontology import PREDICATES
from bbflow.records import Example, Triple
from bbflow.rewards.base import Score
from bbflow.rewards.knowledge import CorrectAnswer, GraphReward
from bbflow.synthesis.statements import read


def asserted(reward: GraphReward, completion: str) -> list[Triple | None]:
    """Returns the statements of the reasoning, which is all that stands before the last `Answer:`."""
    head, marker, _ = completion.rpartition("Answer:")
    return read(reward.graph, head if marker else "")


class ChainReward(GraphReward):
    """Share of the proof that is stated, times the share of statements that belong to the proof; abstains without a proof.

    The proof is that of the record, each edge in either direction of reading. Statements that are no edge, repeat, or lead
    elsewhere lower the second factor, so naming many facts does not pay.

    | proof | reasoning | score |
    |---|---|---|
    | a treats b, b is diagnosed by c | both | 1 |
    | the same | the first alone | 0.5 |
    | the same | both, and two more | 0.5 |
    | the same | none | 0 |
    """

    requires: ClassVar[tuple[str, ...]] = ("edges",)

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Scores each completion in [0, 1]."""
        return [self._score(example, text) if example.edges else None for example, text in zip(examples, completions, strict=True)]

    def _score(self, example: Example, completion: str) -> float:
        proof = {_canonical(edge) for edge in example.edges}
        stated = asserted(self, completion)
        hits = proof.intersection(_canonical(edge) for edge in stated if edge is not None)
        return len(hits) / len(proof) * len(hits) / len(stated) if stated else 0.0


class ReasonedAnswer(GraphReward):
    """1 where the answer is right, the whole proof is stated, and everything stated is an edge of the graph; else 0."""

    requires: ClassVar[tuple[str, ...]] = ("answer", "edges")

    def prepare(self, graph: object) -> None:
        """Keeps the graph, also for judging the answer."""
        super().prepare(graph)  # type: ignore[arg-type]
        self.answer = CorrectAnswer()
        self.answer.prepare(self.graph)

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Scores each completion 0 or 1."""
        return [float(self._holds(example, text)) for example, text in zip(examples, completions, strict=True)]

    def _holds(self, example: Example, completion: str) -> bool:
        stated = asserted(self, completion)
        if not self.answer.is_right(example, completion) or any(t is None or not self.graph.has(*t) for t in stated):
            return False
        return {_canonical(edge) for edge in example.edges} <= {_canonical(edge) for edge in stated if edge is not None}


def _canonical(edge: Triple) -> Triple:
    """One spelling for both directions of a symmetric edge."""
    subject, predicate, obj = edge
    first, second = sorted((subject, obj)) if PREDICATES[predicate].symmetric else (subject, obj)
    return first, predicate, second
