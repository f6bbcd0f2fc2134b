"""Differential diagnosis: the one of several diseases that has all findings."""

from __future__ import annotations

import random
from typing import ClassVar

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Split
from bbflow.synthesis.items.distractors import Neighbourhoods
from bbflow.synthesis.items.item import Item
from bbflow.synthesis.questions.differential import Differential
from bbflow.synthesis.sense.presentations import Presentations
from bbflow.synthesis.splits import question_split
from bbflow.synthesis.tasks.base import Task

_TRIES = 12


class DifferentialFromFindings(Task):
    """Offer diseases that have a finding in common; each of them can be the right one, and its findings single it out in the graph.

    Args:
        num_options: Number of diseases.
        max_findings: Largest number of findings; the smallest is two.
    """

    name: ClassVar[str] = "differential"
    needs = "diseases with two or more has_phenotype edges"
    capabilities: ClassVar[tuple[str, ...]] = ("domain", "reasoning")
    fields: ClassVar[frozenset[str]] = frozenset({"options", "edges", "entities"})

    def __init__(self, num_options: int = 4, max_findings: int = 4) -> None:
        self.num_options, self.max_findings = num_options, max_findings

    def index(self, graph: KnowledgeGraph) -> int:
        """List the findings of each disease."""
        self.near, self.signs = Neighbourhoods(graph), Presentations(graph)
        ends = (node.id for node in graph.nodes("Disease") if not node.attributes.get("syndrome"))
        found = {disease: graph.objects(disease, "has_phenotype") for disease in ends}
        self.findings = {
            disease: sorted(findings)
            for disease, findings in found.items()
            if len(findings) > 1 and self.signs.single_out(disease, findings)
        }
        self.telling = {disease: self.signs.telling(findings) for disease, findings in self.findings.items()}
        self.having = {disease: frozenset(findings) for disease, findings in self.findings.items()}
        self.diseases = list(self.findings)
        return len(self.diseases)

    def propose(self, rng: random.Random) -> Item | None:
        """Draw the diseases, the right one, and findings that only this one has in full."""
        one = rng.choice(self.diseases)
        wrong = self.near.draw(one, self.num_options - 1, rng, lambda node: node in self.findings)
        if wrong is None:
            return None
        options = [one, *wrong]
        rng.shuffle(options)
        first = self._question(one, options, None, rng)
        if first is None:
            return None
        split = question_split(first, self.graph.salt)
        questions = [first if d == one else self._question(d, options, split, rng) for d in options]
        i = rng.randrange(len(options))
        question = questions[i]
        if question is None or None in questions:
            return None
        edges = tuple((options[i], "has_phenotype", finding) for finding in question.findings)
        return Item(
            self.name, self.capabilities, question, options[i], edges, options[i],
            options=tuple(options), chain=True, level=1 + len(edges),
        )  # fmt: skip

    def _question(self, disease: str, options: list[str], split: Split | None, rng: random.Random) -> Differential | None:
        """Draw findings, a telling one among them, that single out a disease, for a question of the given split."""
        own, others = self.findings[disease], [self.having[o] for o in options if o != disease]
        for _ in range(_TRIES):
            telling = rng.choice(self.telling[disease])
            rest = [finding for finding in own if finding != telling]
            chosen = [telling, *rng.sample(rest, min(len(rest), rng.randint(1, self.max_findings - 1)))]
            if any(other.issuperset(chosen) for other in others):
                continue
            if self.signs.single_out(disease, chosen):
                question = Differential(tuple(sorted(chosen)))
                if split is None or question_split(question, self.graph.salt) == split:
                    return question
        return None
