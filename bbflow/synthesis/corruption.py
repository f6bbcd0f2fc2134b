"""Corruptions: each makes one thing wrong in a correct response and leaves the rest unchanged.

A corruption keeps the template of the response and, as far as the graph allows, its length, so that the fault can only be found by
reading. It proposes; the contract's rules and the rule rewards decide whether the result is really wrong
(`bbflow.data.preference_pairs`). To add a corruption, subclass `Corruption` and name it in a recipe.
"""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.graph.ontology import PREDICATES
from bbflow.records import Example, Triple
from bbflow.synthesis.items.item import NO, NONE_OF_THESE, YES
from bbflow.text.verbalization import parse, verbalize

HEADS = ("factual", "reasoning", "workflow", "instruction", "safety")
"""Heads of a reward model; every corruption teaches one of them."""

_FINAL = re.compile(r"(?P<lead>.*\banswer:\s*)(?P<answer>.+?)(?P<end>\.?\s*)$", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class CorrectRecord:
    """A correct record with the facts in its prompt."""

    example: Example
    graph: KnowledgeGraph
    facts: tuple[Triple, ...] = ()

    @cached_property
    def near(self) -> list[str]:
        """Nodes that the prompt's facts name, in order."""
        return list(dict.fromkeys(node for fact in self.facts for node in (fact[0], fact[2])))

    @property
    def response(self) -> str:
        """The correct response."""
        return self.example.response

    @cached_property
    def answer_nodes(self) -> list[str]:
        """Nodes that the response gives as answers."""
        right = [self.graph.resolve(name) for name in (self.example.accepted or [self.example.answer])]
        return [node for node in dict.fromkeys(right) if node is not None and self.names(node)]

    @cached_property
    def right(self) -> set[str]:
        """Nodes that must not be used as a wrong answer: all right answers, and the node that the question names."""
        found = {self.graph.resolve(name) for name in (*self.example.accepted, self.example.answer)}
        return {node for node in found if node is not None} | set(self.example.entities[:1])

    def names(self, node: str) -> bool:
        """Return whether the response names a node by its preferred name."""
        return _name(self.graph, node).search(self.response) is not None

    @cached_property
    def final(self) -> re.Match[str] | None:
        """The `Answer:` at the end of the response, where there is one."""
        return _FINAL.fullmatch(self.response)

    @cached_property
    def sentences(self) -> list[str]:
        """Sentences of the reasoning before the answer, without their full stops."""
        head = self.final["lead"] if self.final else self.response
        return [s for s in re.split(r"\.\s+", head) if s and not s.casefold().startswith("answer:")]


class Corruption(ABC):
    """Base class of corruptions: one way to make a response wrong.

    Attributes:
        name: Name in reports.
        head: The head of a reward model that should notice.
        margin: Margin of the Bradley-Terry loss: how much worse the result is.
    """

    name: ClassVar[str]
    head: ClassVar[str]
    margin: ClassVar[float] = 0.5

    @abstractmethod
    def __call__(self, case: CorrectRecord, rng: random.Random) -> str | None:
        """Return the corrupted response; None if this corruption does not apply."""


class SiblingEntity(Corruption):
    """Another entity of the same kind that the prompt names or that shares a neighbour: hard to detect."""

    name, head = "sibling_entity", "factual"

    def __call__(self, case: CorrectRecord, rng: random.Random) -> str | None:
        """Replace every occurrence of the entity by the sibling."""
        if case.example.options is not None and case.example.patient is None and not case.example.constraints and rng.random() < 0.5:
            return _other_option(case, rng)
        for node in rng.sample(case.answer_nodes, len(case.answer_nodes)):
            kind = case.graph.node(node).kind
            near = [n for n in case.near if case.graph.node(n).kind == kind]
            kin = [n for n in _neighbours_of_neighbours(case.graph, node) if case.graph.node(n).kind == kind]
            other = _pick(case, node, near, rng) or _pick(case, node, kin, rng)
            if other is not None:
                return _swap(case, node, other)
        return None


class RandomEntity(Corruption):
    """Any other entity of the same kind: easy to detect."""

    name, head, margin = "random_entity", "factual", 1.0

    def __call__(self, case: CorrectRecord, rng: random.Random) -> str | None:
        """Replace every occurrence of the right entity."""
        for node in rng.sample(case.answer_nodes, len(case.answer_nodes)):
            others = [n.id for n in case.graph.nodes(case.graph.node(node).kind) if n.id not in case.near]
            other = _pick(case, node, others, rng)
            if other is not None:
                return _swap(case, node, other)
        return None


class SwappedLetter(Corruption):
    """The letter of another option, or yes for no."""

    name, head = "swapped_letter", "factual"

    def __call__(self, case: CorrectRecord, rng: random.Random) -> str | None:
        """Draw another letter."""
        options = case.example.options or []
        letters = [chr(ord("A") + i) for i in range(len(options))]
        if case.response not in letters:
            return None
        return rng.choice([letter for letter in letters if letter != case.response])


class InvertedRelation(Corruption):
    """A statement of the reasoning with another relation between the same two things, or with its ends swapped."""

    name, head = "inverted_relation", "reasoning"

    def __call__(self, case: CorrectRecord, rng: random.Random) -> str | None:
        """Rewrite one statement."""
        for i in rng.sample(range(len(case.sentences)), len(case.sentences)):
            triple = (parse(case.graph, case.sentences[i]) or [None])[0]
            if triple is None:
                continue
            subject, predicate, obj = triple
            kinds = case.graph.node(subject).kind, case.graph.node(obj).kind
            other = [p for p, d in PREDICATES.items() if p != predicate and kinds[0] in d.domain and kinds[1] in d.range]
            wrong = [(subject, p, obj) for p in other if not case.graph.has(subject, p, obj)]
            if wrong:
                return case.response.replace(case.sentences[i], verbalize(case.graph, rng.choice(wrong)), 1)
            if not PREDICATES[predicate].symmetric:
                return case.response.replace(case.sentences[i], verbalize(case.graph, (obj, predicate, subject)), 1)
        return None


class IrrelevantStep(Corruption):
    """A true but irrelevant fact in place of a step of the proof: every statement is true, and a step is missing."""

    name, head, margin = "irrelevant_step", "reasoning", 0.3

    def __call__(self, case: CorrectRecord, rng: random.Random) -> str | None:
        """Replace a statement by another fact of the prompt."""
        proof = set(case.example.edges)
        steps = [i for i, sentence in enumerate(case.sentences) if any(t in proof for t in parse(case.graph, sentence))]
        if not steps:
            return None
        i = rng.choice(steps)
        spare = [fact for fact in case.facts if fact not in proof]
        if not spare:
            return None
        return case.response.replace(case.sentences[i], verbalize(case.graph, _nearest(case.graph, case.sentences[i], spare, rng)), 1)


class UnsafeDrug(Corruption):
    """Advice of a drug that the patient must not have, or permission to give it."""

    name, head, margin = "unsafe_drug", "safety", 1.0

    def __call__(self, case: CorrectRecord, rng: random.Random) -> str | None:
        """Replace only the final answer; the reasoning still shows why it is wrong."""
        if case.example.patient is None or case.final is None or not case.example.options:
            return None
        if case.example.answer == NO:
            return _final(case, YES)
        drugs = [o for o in case.example.options if (n := case.graph.resolve(o)) is not None and case.graph.node(n).kind == "Drug"]
        unsafe = [drug for drug in drugs if drug != case.example.answer]
        return _final(case, rng.choice(unsafe)) if unsafe else None


class NeedlessRefusal(Corruption):
    """A refusal where something is safe."""

    name, head = "needless_refusal", "safety"

    def __call__(self, case: CorrectRecord, rng: random.Random) -> str | None:
        """Replace only the final answer."""
        if case.example.patient is None or case.final is None or not case.example.options:
            return None
        if case.example.answer == YES:
            return _final(case, NO)
        if NONE_OF_THESE in case.example.options and case.example.answer != NONE_OF_THESE:
            return _final(case, NONE_OF_THESE)
        return None


class WrongDose(Corruption):
    """An amount ten times as large or small, or in another unit of the same length: mg for g, daily for hourly."""

    name, head, margin = "wrong_dose", "safety", 1.0
    _AMOUNT = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>mg|g|mcg|ug)\b")

    def __call__(self, case: CorrectRecord, rng: random.Random) -> str | None:
        """Change the last amount."""
        found = list(self._AMOUNT.finditer(case.response))
        if not found:
            return None
        match, number = found[-1], float(found[-1]["number"])
        unit = match["unit"]
        if rng.random() < 0.5:
            unit = {"mg": "g", "g": "mg", "mcg": "mg", "ug": "mg"}[unit]
        else:
            number *= rng.choice((10, 0.1, 2, 0.5))
        return f"{case.response[: match.start()]}{number:g} {unit}{case.response[match.end() :]}"


class DroppedStep(Corruption):
    """One step of a clinical workflow replaced by a copy of another."""

    name, head = "dropped_step", "workflow"

    def __call__(self, case: CorrectRecord, rng: random.Random) -> str | None:
        """Replace the text of one step by that of another."""
        steps = _steps(case)
        if len(steps) < 2:
            return None
        dropped, told = rng.sample(range(len(steps)), 2)
        return _with_steps(case, steps, [told if i == dropped else i for i in range(len(steps))])


class ReorderedSteps(Corruption):
    """Two steps of a clinical workflow in the wrong order."""

    name, head, margin = "reordered_steps", "workflow", 0.3

    def __call__(self, case: CorrectRecord, rng: random.Random) -> str | None:
        """Exchange the texts of two steps."""
        steps = _steps(case)
        if len(steps) < 2:
            return None
        one, other = rng.sample(range(len(steps)), 2)
        order = list(range(len(steps)))
        order[one], order[other] = order[other], order[one]
        return _with_steps(case, steps, order)


class ViolatedFormat(Corruption):
    """A violated constraint on the form: a mark, an ending, a title or a word changed in place."""

    name, head, margin = "violated_format", "instruction", 0.3

    _EDITS: ClassVar[dict[str, tuple[tuple[str, str], ...]]] = {
        "detectable_format:number_bullet_lists": ((r"\n[*-] ", ", "),),
        "punctuation:no_comma": ((r" and ", ", "),),
        "detectable_format:title": ((r"<<(.+?)>>", r"\1"), (r"<<", "<"), (r">>", ">")),
        "detectable_content:postscript": ((r"P\.(?:P\.)?S\.?", "N.B."), (r"\n(P\.)", r" \1")),
        "startend:end_checker": ((r"\S+\s*$", "Regards."),),
        "startend:quotation": ((r'"$', ""), (r'^"', "")),
        "answer:letter": ((r"^([A-H])$", r"Option \1"),),
    }
    """Type of a constraint to edits that violate it, each a pattern and its replacement."""

    def __call__(self, case: CorrectRecord, rng: random.Random) -> str | None:
        """Violate one constraint."""
        for constraint in rng.sample(case.example.constraints, len(case.example.constraints)):
            edits = list(self._EDITS.get(constraint["type"], ()))
            if constraint["type"] == "keywords:existence":
                edits = [
                    (rf"\b{re.escape(word)}\b", rng.choice(("thing", "matter", "subject"))) for word in constraint["kwargs"]["keywords"]
                ]
            rng.shuffle(edits)
            for pattern, replacement in edits:
                changed = re.sub(pattern, replacement, case.response, count=1)
                if changed != case.response:
                    return changed
        return None


CORRUPTIONS: tuple[type[Corruption], ...] = (
    SiblingEntity, RandomEntity, SwappedLetter, InvertedRelation, IrrelevantStep, UnsafeDrug, NeedlessRefusal, WrongDose, DroppedStep,
    ReorderedSteps, ViolatedFormat,
)  # fmt: skip


def _name(graph: KnowledgeGraph, node: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(graph.name_of(node))}(?!\w)")


def _swap(case: CorrectRecord, node: str, other: str) -> str:
    return _name(case.graph, node).sub(lambda _: case.graph.name_of(other), case.response)


def _pick(case: CorrectRecord, node: str, others: Iterable[str], rng: random.Random) -> str | None:
    """Draw among the candidates with names of similar length that are not right and not in the response."""
    fit = [other for other in dict.fromkeys(others) if other != node and other not in case.right and not case.names(other)]
    if not fit:
        return None
    length = len(case.graph.name_of(node))
    fit.sort(key=lambda other: abs(len(case.graph.name_of(other)) - length))
    return rng.choice(fit[:3])


def _neighbours_of_neighbours(graph: KnowledgeGraph, node: str) -> list[str]:
    near = [*graph.networkx.successors(node), *graph.networkx.predecessors(node)]
    return list(dict.fromkeys(far for n in near for far in (*graph.networkx.successors(n), *graph.networkx.predecessors(n))))


def _other_option(case: CorrectRecord, rng: random.Random) -> str | None:
    others = [option for option in case.example.options or [] if option != case.example.answer]
    if not others or case.final is None:
        return None
    others.sort(key=lambda option: abs(len(option) - len(case.example.answer)))
    return _final(case, rng.choice(others[:2]))


def _final(case: CorrectRecord, answer: str) -> str | None:
    return None if case.final is None else f"{case.final['lead']}{answer}{case.final['end']}"


def _nearest(graph: KnowledgeGraph, sentence: str, facts: Sequence[Triple], rng: random.Random) -> Triple:
    ranked = sorted(facts, key=lambda fact: abs(len(verbalize(graph, fact)) - len(sentence)))
    return rng.choice(ranked[:2])


def _steps(case: CorrectRecord) -> list[tuple[int, int]]:
    """Return start and end of each workflow step in the response: from its name to that of the next step."""
    starts = []
    for step in case.example.workflow:
        spelled = r"[\W_]+".join(map(re.escape, fold(step).split()))
        match = re.search(rf"(?<!\w){spelled}(?!\w)", case.response, re.IGNORECASE)
        if match is None:
            return []
        starts.append(match.start())
    if starts != sorted(starts):
        return []
    end = case.final.start("answer") - len("Answer: ") if case.final else len(case.response)
    return list(zip(starts, [*starts[1:], max(end, starts[-1])], strict=True)) if starts else []


def _with_steps(case: CorrectRecord, steps: Sequence[tuple[int, int]], order: Sequence[int]) -> str:
    """Write the steps in another order; text between steps (numbers, line ends) keeps its place."""
    texts = [case.response[a:b] for a, b in steps]
    bodies = [re.sub(r"[\s\d.)]*$", "", text) for text in texts]
    tails = [text[len(body) :] for text, body in zip(texts, bodies, strict=True)]
    written = "".join(bodies[place] + tail for place, tail in zip(order, tails, strict=True))
    return case.response[: steps[0][0]] + written + case.response[steps[-1][1] :]
