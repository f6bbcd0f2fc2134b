"""Symbolic items: what a question asks and how the graph proves its answer, before any wording.

An item is graph node ids and nothing else, so a solver can judge it without reading text; rendering turns it into an
`Example` afterwards.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

from bbflow.records import Constraint, Patient, Recommendation, Triple

if TYPE_CHECKING:
    from bbflow.graph.knowledge_graph import KnowledgeGraph

NONE_OF_THESE = "none of these"
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Walk:
    """What is reached from `start` along typed steps: a metapath query.

    Attributes:
        start: Node that the question names.
        steps: (predicate, forward) for each hop; backward walks from object to subject. Without steps nothing is asked, and
            the item states facts about its start.
    """

    start: str
    steps: tuple[tuple[str, bool], ...]

    @property
    def kind(self) -> str:
        """Name of the metapath, the key of its templates.

        >>> Walk("drug:a", (("treats", True), ("diagnosed_by", True))).kind
        'treats.forward/diagnosed_by.forward'
        """
        return "/".join(f"{predicate}.{'forward' if forward else 'backward'}" for predicate, forward in self.steps)


@dataclass(frozen=True)
class NamedWalk(Walk):
    """A walk along a declared metapath, which brings its own wordings.

    Attributes:
        name: The metapath's name.
    """

    name: str = ""

    @property
    def kind(self) -> str:
        """Key of its templates."""
        return f"metapath/{self.name}"


class Question(ABC):
    """A kind of question beyond walks and prescriptions; a subclass is a frozen dataclass in a file of its own.

    It says what is asked, how the graph alone decides it, and what its wordings may speak of. Building items is the business of
    a task, in another file; a question never helps to build what it proves.

    Attributes:
        kind: Key of its templates.
        hops: Edges between question and answer.
    """

    hops: int = 1

    @property
    @abstractmethod
    def kind(self) -> str:
        """Key of its templates."""

    @property
    @abstractmethod
    def key(self) -> object:
        """What decides the split, JSON-serialisable: all that the question asks, and none of its wording or options' order."""

    @property
    @abstractmethod
    def entities(self) -> tuple[str, ...]:
        """Graph nodes that the question names or hides, the one it starts from first."""

    @abstractmethod
    def objections(self, graph: KnowledgeGraph, item: Item) -> Iterator[str]:
        """Yields every reason why the item's answer or proof does not hold."""

    @abstractmethod
    def slots(self, graph: KnowledgeGraph, item: Item) -> dict[str, str]:
        """Returns the texts that its templates may name."""

    def reasoning(self, graph: KnowledgeGraph, item: Item) -> list[str]:
        """Returns the sentences of the reference response before its answer; by default the proof, one statement an edge."""
        from bbflow.text.verbalization import verbalize

        return [f"{verbalize(graph, edge)}." for edge in item.edges]


@dataclass(frozen=True)
class Prescription:
    """Which of the candidate drugs may be given to a patient.

    Attributes:
        disease: What is to be treated.
        context: The patient's other conditions, allergies, state and medications (node ids).
        candidates: Drugs in question; one alone makes it a yes/no question.
    """

    disease: str
    context: tuple[str, ...]
    candidates: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Key of its templates."""
        return "prescription.permission" if len(self.candidates) == 1 else "prescription.choice"


@dataclass(frozen=True)
class Item:
    """One question with its proof.

    Attributes:
        task: Task family.
        capabilities: Capabilities it exercises.
        query: What is asked.
        gold: The right answer: a node id, or one of `NONE_OF_THESE`, `YES`, `NO`.
        accepted: All right answers of an open question, in graph order; empty where there are options.
        count: How many right answers an open question wants.
        options: Answers to choose from, in order of their letters; None for an open question.
        edges: Proof, in reasoning order.
        chain: Whether the reference response writes the proof before the answer.
        patient: Whom it is about.
        constraints: Demands on the form of the answer.
        cluster: Entity whose items belong together.
        level: Difficulty, from 1.
        evidence: Facts that the prompt tells, the proof among them; empty where the question is closed-book.
        workflow: Names of the clinical steps of the reference response, in order.
        recommended: Drugs that the reference response recommends, beyond what a `Prescription` recommends by itself.
    """

    task: str
    capabilities: tuple[str, ...]
    query: Walk | Prescription | Question
    gold: str
    edges: tuple[Triple, ...]
    cluster: str
    accepted: tuple[str, ...] = ()
    count: int = 1
    options: tuple[str, ...] | None = None
    chain: bool = False
    patient: Patient | None = None
    constraints: tuple[Constraint, ...] = ()
    level: int = 1
    evidence: tuple[Triple, ...] = ()
    workflow: tuple[str, ...] = ()
    recommended: tuple[Recommendation, ...] = ()

    @cached_property
    def identity(self) -> str:
        """Hash of what is asked: query, options as a set, demands. Neither wording, order of options, age nor sex enter."""
        options = None if self.options is None else sorted(self.options)
        told = self.edges if isinstance(self.query, Walk) and not self.query.steps else ()
        return _digest([self.task, self.query, options, self.count, list(self.constraints), told])

    @cached_property
    def question_key(self) -> str:
        """What decides the split: for a walk its start and steps, for a choice of drugs the offer, for one drug the case.

        Every wording, option set, demand and answer of one walk thus falls into one split, and so does every patient to whom
        the same drugs are offered. The metapaths that ship contain none that is another one walked backwards, so a path of two
        edges belongs to one question as well.
        """
        if isinstance(self.query, Walk):
            return walk_key(self.query)
        if isinstance(self.query, Question):
            return question_key(self.query)
        if len(self.query.candidates) > 1:
            return _digest(["offer", self.query.disease, sorted(self.query.candidates)])
        return _digest(["permission", self.query.disease, sorted(self.query.context), self.query.candidates])


def walk_key(walk: Walk) -> str:
    """Returns what decides the split of a walk: its start and steps, whatever the metapath is called."""
    return _digest(["walk", {"start": walk.start, "steps": walk.steps}])


def question_key(question: Question) -> str:
    """Returns what decides the split of a question of another kind."""
    return _digest([type(question).__name__, question.key])


def _fields(value: object) -> dict[str, object]:
    """What JSON holds of a dataclass."""
    return {field.name: getattr(value, field.name) for field in fields(value)}  # type: ignore[arg-type]


_ENCODER = json.JSONEncoder(sort_keys=True, default=_fields)


def _digest(value: object) -> str:
    return hashlib.sha256(_ENCODER.encode(value).encode()).hexdigest()
