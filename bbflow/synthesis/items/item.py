"""Symbolic items: a question and the proof of its answer, before any wording.

An item consists of graph node ids only, so that the solver can prove it without reading text; rendering turns it into an
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
class Case:
    """The patient that a question describes, as node ids; empty where it describes none.

    Attributes:
        disease: The disease to treat or to find; the question may hide it.
        findings: Findings that it presents with.
        context: The patient's other conditions, allergies, state and medications.
        mentioned: What else is spoken of as possible in this patient, such as another disease or a side effect.
    """

    disease: str = ""
    findings: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    mentioned: tuple[str, ...] = ()


@dataclass(frozen=True)
class Walk:
    """A metapath query: the nodes reached from `start` along typed steps.

    Attributes:
        start: Node that the question names.
        steps: (predicate, forward) for each hop; backward walks from object to subject. Without steps the item asks
            nothing and states facts about its start.
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

    def case(self, item: Item) -> Case:
        """Return no patient."""
        return Case()

    def endorsed(self, item: Item) -> tuple[str, ...]:
        """Return no drug."""
        return ()


@dataclass(frozen=True)
class NamedWalk(Walk):
    """A walk along a declared metapath, which has its own wordings.

    Attributes:
        name: The metapath's name.
    """

    name: str = ""

    @property
    def kind(self) -> str:
        """Key of its templates."""
        return f"metapath/{self.name}"


class Question(ABC):
    """Base class of questions other than walks and prescriptions; a subclass is a frozen dataclass in a separate file.

    It defines what is asked, how the graph alone decides it, and the slots of its templates. Building items is the job of a task,
    in another file; a question never helps to build what it proves.

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
        """Key that decides the split, JSON-serialisable: the content of the question, without wording or order of options."""

    @property
    @abstractmethod
    def entities(self) -> tuple[str, ...]:
        """Graph nodes that the question names or hides, the one it starts from first."""

    @abstractmethod
    def objections(self, graph: KnowledgeGraph, item: Item) -> Iterator[str]:
        """Yield every reason why the item's answer or proof does not hold."""

    @abstractmethod
    def slots(self, graph: KnowledgeGraph, item: Item) -> dict[str, str]:
        """Return the texts that its templates may name."""

    def case(self, item: Item) -> Case:
        """Return the patient that the question describes; by default none."""
        return Case()

    def endorsed(self, item: Item) -> tuple[str, ...]:
        """Return the drugs that the answer gives to the patient; by default those that are recommended."""
        return tuple(r["drug"] for r in item.recommended)

    def reasoning(self, graph: KnowledgeGraph, item: Item) -> list[str]:
        """Return the sentences of the reference response before its answer; by default the proof, one statement an edge."""
        from bbflow.text.verbalization import verbalize

        return [f"{verbalize(graph, edge)}." for edge in item.edges]


@dataclass(frozen=True)
class Prescription:
    """Ask which of the candidate drugs may be given to a patient.

    Attributes:
        disease: The disease to treat.
        context: The patient's other conditions, allergies, state and medications (node ids).
        candidates: Drugs to choose from; a single one makes it a yes/no question.
    """

    disease: str
    context: tuple[str, ...]
    candidates: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Key of its templates."""
        return "prescription.permission" if len(self.candidates) == 1 else "prescription.choice"

    def case(self, item: Item) -> Case:
        """Return the disease and the context."""
        return Case(self.disease, (), self.context)

    def endorsed(self, item: Item) -> tuple[str, ...]:
        """Return the drug that may be given, if any."""
        return self.candidates if item.gold == YES else (item.gold,) if item.gold in self.candidates else ()


@dataclass(frozen=True)
class Item:
    """One question with its proof.

    Attributes:
        task: Task family.
        capabilities: Capabilities it exercises.
        query: The question.
        gold: The right answer: a node id, or one of `NONE_OF_THESE`, `YES`, `NO`.
        accepted: All right answers of an open question, in graph order; empty where there are options.
        count: Number of right answers that an open question asks for.
        options: Answers to choose from, in order of their letters; None for an open question.
        edges: Proof, in reasoning order.
        chain: Whether the reference response writes the proof before the answer.
        patient: The patient it is about.
        constraints: Constraints on the form of the answer.
        cluster: Entity whose items belong together.
        level: Difficulty, from 1.
        evidence: Facts in the prompt, the proof among them; empty where the question is closed-book.
        workflow: Names of the clinical steps of the reference response, in order.
        recommended: Drugs that the reference response recommends, in addition to the answer of a `Prescription`.
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
        """Hash of the question: query, options as a set, constraints. Wording, order of options, age and sex do not enter."""
        options = None if self.options is None else sorted(self.options)
        told = self.edges if isinstance(self.query, Walk) and not self.query.steps else ()
        return _digest([self.task, self.query, options, self.count, list(self.constraints), told])

    @cached_property
    def question_key(self) -> str:
        """Key that decides the split: for a walk its start and steps, for a choice of drugs the offer, for one drug the case.

        Every wording, option set, constraint and answer of one walk thus falls into one split, and so does every patient to whom
        the same drugs are offered. None of the metapaths that ship is another one walked backwards, so a path of two edges
        belongs to one question as well.
        """
        if isinstance(self.query, Walk):
            return walk_key(self.query)
        if isinstance(self.query, Question):
            return question_key(self.query)
        if len(self.query.candidates) > 1:
            return _digest(["offer", self.query.disease, sorted(self.query.candidates)])
        return _digest(["permission", self.query.disease, sorted(self.query.context), self.query.candidates])


def walk_key(walk: Walk) -> str:
    """Return the key that decides the split of a walk: its start and steps, without the name of the metapath."""
    return _digest(["walk", {"start": walk.start, "steps": walk.steps}])


def question_key(question: Question) -> str:
    """Return the key that decides the split of a question of another kind."""
    return _digest([type(question).__name__, question.key])


def _fields(value: object) -> dict[str, object]:
    """Return the fields of a dataclass, for JSON."""
    return {field.name: getattr(value, field.name) for field in fields(value)}  # type: ignore[arg-type]


_ENCODER = json.JSONEncoder(sort_keys=True, default=_fields)


def _digest(value: object) -> str:
    return hashlib.sha256(_ENCODER.encode(value).encode()).hexdigest()
