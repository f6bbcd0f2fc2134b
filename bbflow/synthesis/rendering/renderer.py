"""Rendering of symbolic items as text: a template family for the question, plain statements for the reasoning.

The split decides which families are used: no family of validation or test occurs in train. Within a family, `[one|another]`
offers wordings of the same meaning.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Constraint, Example, Message, Patient, Provenance, Recommendation, Split
from bbflow.synthesis.constraints.multi_answer import append_constraints, write_answer
from bbflow.synthesis.constraints.single_answer import LETTER
from bbflow.synthesis.items.item import NO, YES, Item, Question, Walk
from bbflow.synthesis.questions.differential import join_names
from bbflow.synthesis.questions.qualifiers import indication, qualified_name
from bbflow.synthesis.rendering.paraphrase_grammar import expand
from bbflow.text.verbalization import verbalize

LETTERS = "ABCDEFGH"
TEMPLATES = Path(__file__).with_name("templates")
Wordings = Mapping[str, Mapping[str, list[str]]]
"""Template families by kind of question and split."""

_EIGHT = re.compile(r"\b([Aa])( (?:pregnant )?)(?=(?:8\d|18)-)")
_PATIENT = re.compile(r"(^|[.?!]\s+)?\{patient\}")
_SENTENCE = re.compile(r"([.?!]\s+)([a-z])")


@cache
def templates() -> dict[str, dict[str, list[str]]]:
    """Return the template families that ship, by kind of question and split."""
    found = {}
    for file in sorted(TEMPLATES.glob("*.yaml")):
        found.update(yaml.safe_load(file.read_text(encoding="utf-8")))
    return found


class Renderer:
    """Render the items of one graph.

    Args:
        graph: Source of the names.
        seed: Recorded in the provenance.
        varied: Whether the train split uses the varied families in addition to the base ones.
        wordings: Template families of a task, in addition to those that ship.
    """

    def __init__(self, graph: KnowledgeGraph, seed: int, varied: bool = True, wordings: Wordings | None = None) -> None:
        self.graph, self.seed, self.varied = graph, seed, varied
        self.wordings: Wordings = {**templates(), **(wordings or {})}

    def __call__(self, item: Item, split: Split, rng: random.Random) -> Example:
        """Render an item for a split."""
        prompt, family = self._prompt(item, split, rng)
        accepted = [self._name(node) for node in item.accepted] if item.options is None else []
        edges = list(item.edges)
        constraints = [_recorded(c) for c in item.constraints]
        example = Example(
            example_id=item.identity[:16],
            task=item.task,
            capabilities=list(item.capabilities),
            messages=[Message(role="user", content=prompt)],
            response=self._response(item),
            answer=self._name(item.gold),
            options=None if item.options is None else [self._name(option) for option in item.options],
            constraints=constraints,
            patient=item.patient,
            recommended=self._recommended(item),
            entities=self._entities(item),
            edges=edges,
            workflow=list(item.workflow),
            hops=len(item.query.steps) if isinstance(item.query, Walk) else getattr(item.query, "hops", 1),
            level=item.level,
            cluster=item.cluster,
            split=split,
            provenance=Provenance(
                graph=f"{self.graph.name}@{self.graph.version}", graph_sha256=self.graph.sha256, template=family,
                generator=f"bbflow.synthesis/{item.task}", seed=self.seed,
            ),
            accepted=accepted,
        )  # fmt: skip
        if not item.evidence:
            return example
        from bbflow.synthesis.items.evidence import with_evidence

        return with_evidence(self.graph, example, item.evidence)

    def _name(self, node: str) -> str:
        return self.graph.name_of(node) if node in self.graph else node

    def _choose(self, kind: str, split: Split, rng: random.Random) -> tuple[str, str]:
        """Draw a family of a kind; return its expanded text and its name."""
        families = self.wordings[kind]
        place = split if split in families else "all"
        texts = families[place]
        if place == "train" and self.varied:
            texts = texts + families.get("varied", [])
        i = rng.randrange(len(texts))
        return expand(texts[i], rng), f"{kind}#{place}{i}"

    def _prompt(self, item: Item, split: Split, rng: random.Random) -> tuple[str, str]:
        """Return the question with its options and constraints, and the name of its template family."""
        text, family = self._question(item, split, rng)
        text = _SENTENCE.sub(lambda match: match[1] + match[2].upper(), text[0].upper() + text[1:])
        if item.options is not None and not {YES, NO}.issuperset(item.options):
            text += "".join(f"\n{LETTERS[i]}) {self._name(option)}" for i, option in enumerate(item.options))
        constraints = []
        for constraint in item.constraints:
            wording, _ = self._choose(f"constraint/{constraint['type']}", split, rng)
            keywords = constraint["kwargs"].get("keywords", [""])
            constraints.append(wording.format(**{"keyword": keywords[0], **constraint["kwargs"]}))
        return " ".join([text + "\n", *constraints]).replace("\n ", "\n") if constraints else text, family

    def _question(self, item: Item, split: Split, rng: random.Random) -> tuple[str, str]:
        """Return the question alone and the name of its template family."""
        query = item.query
        if isinstance(query, Walk):
            return self._walk_question(query, item.count, split, rng)
        text, family = self._choose(query.kind, split, rng)
        if isinstance(query, Question):
            patient = "" if item.patient is None else self._vignette(item.patient, split, rng)
            return _filled(text, patient, query.slots(self.graph, item)).replace(",.", "."), family
        disease = indication(self.graph, query.candidates, query.disease)
        x = self._name(query.candidates[0]) if len(query.candidates) == 1 else disease
        return _filled(text, self._patient(item.patient or Patient()), {"x": x, "disease": disease}), family

    def _walk_question(self, walk: Walk, count: int, split: Split, rng: random.Random) -> tuple[str, str]:
        x, kind = self._name(walk.start), walk.kind or "statement"
        if kind == "has_maximum_daily_dose.forward":
            x = qualified_name(self.graph, walk.start)
        if count == 1:
            text, family = self._choose(kind, split, rng)
            several = bool(self.graph.node(walk.start).attributes.get("plural"))
            return text.format(x=x, **({"is": "are", "s": ""} if several else {"is": "is", "s": "s"})), family
        text, family = self._choose("list.many", split, rng)
        return text.format(n=count, what=self._choose(f"what/{kind}", split, rng)[0].format(x=x)), f"{family}/{kind}"

    def _patient(self, patient: Patient) -> str:
        """Return a vignette in fixed words: age, sex, pregnancy, conditions other than the disease in question, medications."""
        noun = "woman" if patient.get("sex") == "female" else "man"
        text = _EIGHT.sub(r"\1n\2", f"A {'pregnant ' if patient.get('pregnant') else ''}{patient.get('age')}-year-old {noun}")
        has = [_had(self._name(node)) for node in (*patient.get("conditions", [])[1:], *patient.get("allergies", []))]
        takes = [self._name(node) for node in patient.get("medications", [])]
        text += f" with {join_names(has)}" if has else ""
        return text + (f" who takes {join_names(takes)}" if takes else "")

    def _vignette(self, patient: Patient, split: Split, rng: random.Random) -> str:
        """Return a vignette in one of many phrasings, without the disease in question, such as `A 58-year-old man on aspirin`."""
        has = [_had(self._name(node)) for node in (*patient.get("conditions", [])[1:], *patient.get("allergies", []))]
        takes = [self._name(node) for node in patient.get("medications", [])]
        noun = {"female": "woman", "male": "man"}.get(str(patient.get("sex")), "adult")
        text, _ = self._choose("vignette", split, rng)
        more = self._choose("vignette/has", split, rng)[0].format(has=join_names(has)) if has else ""
        more += self._choose("vignette/takes", split, rng)[0].format(takes=join_names(takes)) if takes else ""
        text = text.format(age=patient.get("age"), noun=noun, pregnant="pregnant " if patient.get("pregnant") else "", more=more)
        return _EIGHT.sub(r"\1n\2", text)

    def _response(self, item: Item) -> str:
        """Return the reference response."""
        query = item.query
        if isinstance(query, Question):
            reasoning = query.reasoning(self.graph, item) if item.chain else []
            return append_constraints(self._reasoned(reasoning, item), item.constraints)
        if isinstance(query, Walk) and (not query.steps or (item.chain and (item.constraints or item.options is None))):
            facts = [verbalize(self.graph, edge, query.start) for edge in item.edges]
            return write_answer(facts, item.constraints) if item.constraints else f"{'. '.join(facts)}."
        if item.constraints:
            return self._constrained(item)
        return self._reasoned([f"{verbalize(self.graph, edge)}." for edge in item.edges] if item.chain else [], item)

    def _reasoned(self, reasoning: list[str], item: Item) -> str:
        """Return the reasoning, if any, followed by the marked answer."""
        return " ".join([*reasoning, f"Answer: {self._name(item.gold)}"])

    def _constrained(self, item: Item) -> str:
        """Return bare names that satisfy the constraints: every answer that is wanted, the letter of an option, or its name."""
        if item.options is None:
            ends = [next(n for n in (edge[0], edge[2]) if n in item.accepted and n != item.cluster) for edge in item.edges]
            return write_answer([self._name(node) for node in ends], item.constraints)
        if LETTER in item.constraints:
            return LETTERS[item.options.index(item.gold)]
        return write_answer([self._name(item.gold)], item.constraints)

    def _recommended(self, item: Item) -> list[Recommendation]:
        if isinstance(item.query, (Walk, Question)):
            return list(item.recommended)
        drug = item.query.candidates[0] if item.gold == YES else item.gold
        if drug not in self.graph:
            return []
        return [Recommendation(drug=drug, dose=None, unit=None, per_day=None, route=None)]

    def _entities(self, item: Item) -> list[str]:
        ends = [node for edge in item.edges for node in (edge[0], edge[2])]
        if isinstance(item.query, Walk):
            asked = [item.query.start]
        elif isinstance(item.query, Question):
            asked = list(item.query.entities)
        else:
            asked = [item.query.disease, *item.query.context]
        everything = [*asked, *(item.options or ()), *ends]
        return [node for node in dict.fromkeys(everything) if node in self.graph]


def _had(name: str) -> str:
    """Return the name of a condition as it follows `with`.

    >>> _had("history of angioedema"), _had("gout")
    ('a history of angioedema', 'gout')
    """
    return f"a {name}" if name.startswith("history of ") else name


def _filled(text: str, patient: str, slots: Mapping[str, str]) -> str:
    """Fill a template; a patient begins with a capital only where a sentence does.

    >>> _filled("Say which drug {patient} may have. {patient}.", "A man", {})
    'Say which drug a man may have. A man.'
    """
    inside = patient[:1].lower() + patient[1:]
    begun = _PATIENT.sub(lambda match: f"{match[1]}{{patient}}" if match[1] is not None else "{inside}", text)
    return begun.format(patient=patient, inside=inside, **slots)


def _recorded(constraint: Constraint) -> Constraint:
    return Constraint(type=constraint["type"], kwargs=dict(constraint["kwargs"]))
