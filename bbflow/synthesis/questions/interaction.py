"""Interaction: a new drug against the medications of a patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.severity import Weight, weight_of
from bbflow.synthesis.items.item import NO, YES, Case, Item, Question
from bbflow.synthesis.questions.differential import join_names
from bbflow.synthesis.questions.qualifiers import indication


@dataclass(frozen=True)
class Interaction(Question):
    """Ask which medication a new drug interacts with, or whether it may be added.

    Attributes:
        drug: The drug to add.
        medications: Medications of the patient, sorted.
        disease: Indication of the drug; empty where the question is which medication it interacts with.
        bars: Whether the question is which medication bars the drug; only an interaction that forbids it is worded so.
    """

    drug: str
    medications: tuple[str, ...]
    disease: str = ""
    bars: bool = False

    @property
    def kind(self) -> str:
        """Key of its templates."""
        return "interaction.allowed" if self.disease else "interaction.bar" if self.bars else "interaction.which"

    @property
    def key(self) -> object:
        """Drug, medications and disease."""
        return [self.drug, list(self.medications), self.disease]

    @property
    def entities(self) -> tuple[str, ...]:
        """The drug, its indication, and the medications."""
        return (self.drug, *filter(None, [self.disease]), *self.medications)

    def case(self, item: Item) -> Case:
        """Return the medications, with the indication if there is one."""
        return Case(self.disease, (), self.medications)

    def endorsed(self, item: Item) -> tuple[str, ...]:
        """Return the drug, if it may be added."""
        return (self.drug,) if self.disease and item.gold == YES else ()

    def objections(self, graph: KnowledgeGraph, item: Item) -> Iterator[str]:
        """Yield violations: the graph must cover every pair; exactly one medication interacts, or for a yes none."""
        against = []
        for medication in self.medications:
            edge = graph.edge(self.drug, "interacts_with", medication)
            if edge is not None:
                against.append((medication, weight_of(edge)))
            elif medication == self.drug or not (graph.covers(self.drug, medication) or graph.covers(medication, self.drug)):
                yield f"the graph has not judged {self.drug} with {medication}"
        yield from self._list_objections(graph)
        proof = [(self.drug, "interacts_with", medication) for medication, _ in against]
        if self.disease:
            right = NO if [weight for _, weight in against] == [Weight.FORBIDS] else YES if not against else ""
            expected = {YES, NO}
            proof = proof or [(self.drug, "treats", self.disease)]
            if not graph.has(self.drug, "treats", self.disease):
                yield f"{self.drug} does not treat {self.disease}"
        else:
            right = against[0][0] if len(against) == 1 else ""
            expected = set(self.medications)
            yield from self._severity_objections(dict(against).get(right))
        if item.gold != right:
            yield f"the answer is {right or 'not clear'}, not {item.gold}"
        if set(item.options or ()) != expected:
            yield "the options are not the candidates"
        if list(item.edges) != proof:
            yield "the proof is not the interaction"

    def _list_objections(self, graph: KnowledgeGraph) -> Iterator[str]:
        """Check that the medications do not interact with each other: the question names every interaction."""
        if any(graph.has(one, "interacts_with", other) for one in self.medications for other in self.medications):
            yield "two of the medications interact"

    def _severity_objections(self, weight: Weight | None) -> Iterator[str]:
        """Check that the question words as a bar what is one."""
        if (weight is Weight.FORBIDS) != self.bars:
            yield "the interaction is of another severity than the question says"

    def slots(self, graph: KnowledgeGraph, item: Item) -> dict[str, str]:
        """Return `drug`, `disease`, and `medications` in words, in the order of the options where those are medications."""
        shown = [m for m in item.options or () if m in self.medications] or list(self.medications)
        disease = indication(graph, [self.drug], self.disease) if self.disease else ""
        return {"drug": graph.name_of(self.drug), "disease": disease, "medications": join_names([graph.name_of(m) for m in shown])}
