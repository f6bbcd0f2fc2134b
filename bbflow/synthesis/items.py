"""Symbolic items: what a question asks and how the graph proves its answer, before any wording.

An item is graph node ids and nothing else, so a solver can judge it without reading text; rendering turns it into an
`Example` afterwards.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from bbflow.records import Constraint, Patient, Triple

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
    """

    task: str
    capabilities: tuple[str, ...]
    query: Walk | Prescription
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

    @property
    def identity(self) -> str:
        """Hash of what is asked: query, options as a set, demands. Neither wording, order of options, age nor sex enter."""
        options = None if self.options is None else sorted(self.options)
        told = self.edges if isinstance(self.query, Walk) and not self.query.steps else ()
        return _digest([self.task, asdict(self.query), options, self.count, list(self.constraints), told])

    @property
    def question_key(self) -> str:
        """What decides the split: for a walk its start and steps, for a choice of drugs the offer, for one drug the case.

        Every wording, option set, demand and answer of one walk thus falls into one split, and so does every patient to whom
        the same drugs are offered. The metapaths that ship contain none that is another one walked backwards, so a path of two
        edges belongs to one question as well.
        """
        if isinstance(self.query, Walk):
            return _digest(["walk", asdict(self.query)])
        if len(self.query.candidates) > 1:
            return _digest(["offer", self.query.disease, sorted(self.query.candidates)])
        return _digest(["permission", self.query.disease, sorted(self.query.context), self.query.candidates])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
