"""Differential: the disease that has all of the given findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.synthesis.items.item import Case, Item, Question


@dataclass(frozen=True)
class Differential(Question):
    """Ask for the one disease among the options that has every finding.

    Attributes:
        findings: Findings of the patient, sorted.
    """

    findings: tuple[str, ...]
    kind = "differential"

    @property
    def key(self) -> object:
        """The findings."""
        return list(self.findings)

    @property
    def entities(self) -> tuple[str, ...]:
        """The findings."""
        return self.findings

    def case(self, item: Item) -> Case:
        """Return the findings and the disease that is the answer."""
        return Case(item.gold, self.findings)

    def objections(self, graph: KnowledgeGraph, item: Item) -> Iterator[str]:
        """Yield violations: exactly one option must have all findings, and the proof must be its findings."""
        options = item.options or ()
        fitting = [d for d in options if set(self.findings) <= set(graph.objects(d, "has_phenotype"))]
        if fitting != [item.gold]:
            yield f"not exactly one option fits the findings: {fitting}"
        if set(item.edges) != {(item.gold, "has_phenotype", finding) for finding in self.findings} or len(item.edges) != len(self.findings):
            yield "the proof is not the findings of the answer"

    def slots(self, graph: KnowledgeGraph, item: Item) -> dict[str, str]:
        """Return `findings` as a list in words."""
        return {"findings": join_names([graph.name_of(f) for f in self.findings])}


def join_names(names: list[str]) -> str:
    """Join names as in a sentence.

    >>> join_names(["fever", "cough", "rash"])
    'fever, cough and rash'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
