"""Rewards for reasoning that is a proof: each statement it asserts must be an edge of the graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.graph.ontology import PREDICATES
from bbflow.records import Example, Triple
from bbflow.rewards.advice_reader import AdviceReader
from bbflow.rewards.base import Score
from bbflow.rewards.correctness import CorrectAnswer, GraphReward
from bbflow.text.answers.answer_cues import answer_cues
from bbflow.text.answers.consistency import denies_itself, has_single_answer
from bbflow.text.answers.reading import read_completion
from bbflow.text.answers.relations import contradicts_proof
from bbflow.text.entity_linking import mentions
from bbflow.text.verbalization import statements


def states_nothing(sentence: str) -> bool:
    """Return whether a line only leads in to others.

    >>> states_nothing("Therefore"), states_nothing("Step by step"), states_nothing("Therefore it is safe")
    (True, True, False)
    """
    return set(fold(sentence).split()).issubset(answer_cues().words["states_nothing"])


def asserted(reward: GraphReward, completion: str) -> list[Triple | None]:
    """Return the statements of the reasoning, which is the text before the last answer; None for what is no statement or a question."""
    reading = read_completion(completion)
    if not reading.announced:
        return []
    stated: list[Triple | None] = []
    for sentence in reading.sentences:
        if sentence.asks and not sentence.after:
            stated.append(None)
        elif not sentence.after:
            found = statements(reward.graph, sentence.text, next((t for t in reversed(stated) if t is not None), None))
            stated += found or ([] if states_nothing(sentence.text) else [None])
    return stated


class ChainReward(GraphReward):
    """Share of the proof that is stated, times the share of statements that belong to the proof. Range: [0, 1]; abstains without a proof.

    The proof is that of the record; each edge may be stated in either direction. Statements that are no edge, are repeated or
    are not part of the proof lower the second factor, so that naming many facts does not pay. Two different answers, or none among
    the options, score 0, and so does a chain that the completion denies, or that ends in advice which this patient must not have; a wrong
    answer does not change the score otherwise.

    >>> from bbflow.testing import MULTI_HOP, print_scores
    >>> one, two = "propranolol is contraindicated in asthma.", "asthma is diagnosed by spirometry."
    >>> more = "aspirin treats osteoarthritis. warfarin treats hypertension."
    >>> print_scores(ChainReward(), MULTI_HOP, [f"{s} Answer: A" for s in (f"{one} {two}", one, f"{one} {two} {more}")] + ["Answer: A"])
    | completion | score |
    |---|---|
    | `propranolol is contraindicated in asthma. asthma is diagnosed by spirometry. Answer: A` | 1 |
    | `propranolol is contraindicated in asthma. Answer: A` | 0.5 |
    | `propranolol is contraindicated in asthma. asthma is diagnosed by spirometry. aspirin treats osteoarthritis. warfarin treats
       hypertension. Answer: A` | 0.5 |
    | `Answer: A` | 0 |
    """

    requires: ClassVar[tuple[str, ...]] = ("edges",)

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion in [0, 1]."""
        return [self._score(example, text) if example.edges else None for example, text in zip(examples, completions, strict=True)]

    def _score(self, example: Example, completion: str) -> float:
        proof, stated = proof_of(example), asserted(self, completion)
        if not stated or not has_single_answer(example, completion):
            return 0.0
        hits = proof.intersection(canonical(edge) for edge in stated if edge is not None)
        if not hits or self._is_denied(example, completion):
            return 0.0
        return len(hits) / len(proof) * len(hits) / len(stated)

    def prepare(self, graph: KnowledgeGraph | None) -> None:
        """Keep the graph, and the reader of advice that needs it."""
        super().prepare(graph)
        self.reader = AdviceReader(self.graph)

    def _is_denied(self, example: Example, completion: str) -> bool:
        """Return whether a completion denies its chain, or advises what its patient must not have."""
        if denies_itself(completion) or contradicts_proof(self.graph, example, completion):
            return True
        return example.patient is not None and self.reader.forbids(example, completion)


class ReasonedAnswer(GraphReward):
    """1 if the answer is right, the whole proof is stated, and every statement is an edge of the graph; else 0. Never abstains.

    >>> from bbflow.testing import MULTI_HOP, print_scores
    >>> proof = "propranolol is contraindicated in asthma. asthma is diagnosed by spirometry."
    >>> print_scores(ReasonedAnswer(), MULTI_HOP, [f"{proof} Answer: A", f"{proof} Answer: B", "Answer: A"])
    | completion | score |
    |---|---|
    | `propranolol is contraindicated in asthma. asthma is diagnosed by spirometry. Answer: A` | 1 |
    | `propranolol is contraindicated in asthma. asthma is diagnosed by spirometry. Answer: B` | 0 |
    | `Answer: A` | 0 |
    """

    requires: ClassVar[tuple[str, ...]] = ("answer", "edges")

    def prepare(self, graph: KnowledgeGraph | None) -> None:
        """Keep the graph, also for judging the answer."""
        super().prepare(graph)
        self.answer = CorrectAnswer()
        self.answer.prepare(self.graph)

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion 0 or 1."""
        return [float(self._holds(example, text)) for example, text in zip(examples, completions, strict=True)]

    def _holds(self, example: Example, completion: str) -> bool:
        proof, stated = proof_of(example), asserted(self, completion)
        if not self.answer.is_right(example, completion) or any(t is None or not self.graph.has(*t) for t in stated):
            return False
        return not denies_itself(completion) and proof <= {canonical(edge) for edge in stated if edge is not None}


class ConnectedReasoning(GraphReward):
    """Score of a chain of true statements from the question to the answer; any proof counts. Range: [0, 1].

    The statements that are edges form a graph. The chain is its connected part with the right answer and an entity of the
    question (if the answer is not a node, such as `no`: the parts with the entities of the question); without a chain the score is 0.
    Otherwise it is coverage times precision. Coverage is the share of the proof's nodes outside the question that the chain
    reaches (text of the prompt does not count; if the prompt has all of them, the proof's edges count). Precision is the share of the
    statements, repeated and false ones included, that belong to the chain or to the proof, so that extra statements do not pay.
    A completion without a single final answer has no chain. Abstains without a proof.

    >>> from bbflow.testing import MULTI_HOP, print_scores
    >>> one, two = "propranolol is contraindicated in asthma.", "asthma is diagnosed by spirometry."
    >>> chains = [f"{one} {two}", f"{one} {two} {two}", two]
    >>> print_scores(ConnectedReasoning(), MULTI_HOP, [*(f"{chain} Answer: A" for chain in chains), "Answer: A"])
    | completion | score |
    |---|---|
    | `propranolol is contraindicated in asthma. asthma is diagnosed by spirometry. Answer: A` | 1 |
    | `propranolol is contraindicated in asthma. asthma is diagnosed by spirometry. asthma is diagnosed by spirometry. Answer: A` | 0.667 |
    | `asthma is diagnosed by spirometry. Answer: A` | 0 |
    | `Answer: A` | 0 |
    """

    requires: ClassVar[tuple[str, ...]] = ("answer", "edges", "entities")

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion in [0, 1]."""
        return [self._score(example, text) if example.edges else None for example, text in zip(examples, completions, strict=True)]

    def _score(self, example: Example, completion: str) -> float:
        proof, stated = proof_of(example), asserted(self, completion)
        if not stated or not has_single_answer(example, completion) or denies_itself(completion):
            return 0.0
        true = {canonical(edge) for edge in stated if edge is not None and self.graph.has(*edge)}
        answer = self.graph.resolve(example.answer)
        question = set(mentions(self.graph, _question(example))) - {answer}
        chain = _component(true, {answer} if answer is not None else question & _ends(example.edges))
        if not chain or not _ends(chain) & question:
            return 0.0
        added = _ends(example.edges) - set(mentions(self.graph, example.prompt))
        coverage = len(added & _ends(chain)) / len(added) if added else len(proof & chain) / len(proof)
        return coverage * len(chain | proof & true) / len(stated)


def _question(example: Example) -> str:
    """Return the question without its options; a chain must not start from these."""
    names = {option.casefold() for option in example.options or ()}
    lines = [line for line in example.prompt.splitlines() if line.partition(")")[2].strip().casefold() not in names]
    return "\n".join(lines)


def _component(edges: set[Triple], nodes: set[str]) -> set[Triple]:
    """Return the edges connected with one of the nodes."""
    reached, chain = set(nodes), set[Triple]()
    while new := {edge for edge in edges - chain if edge[0] in reached or edge[2] in reached}:
        chain |= new
        reached |= _ends(new)
    return chain


def _ends(edges: Iterable[Triple]) -> set[str]:
    return {node for subject, _, obj in edges for node in (subject, obj)}


def proof_of(example: Example) -> set[Triple]:
    """Return the record's proof, one spelling for each edge; called before a completion is judged, so that a wrong record is an error.

    Raises:
        InputError: An edge has a predicate that the ontology does not know.
    """
    return {canonical(edge, f"example {example.example_id}: edges") for edge in example.edges}


def canonical(edge: Triple, where: str = "edges") -> Triple:
    """Return one spelling for both directions of a symmetric edge.

    Raises:
        InputError: The ontology has no such predicate.
    """
    subject, predicate, obj = edge
    if predicate not in PREDICATES:
        what = f"the edge {subject} {predicate} {obj} has a predicate that the ontology does not know"
        raise InputError(Problem(what, where, did_you_mean(predicate, PREDICATES)))
    first, second = sorted((subject, obj)) if PREDICATES[predicate].symmetric else (subject, obj)
    return first, predicate, second
