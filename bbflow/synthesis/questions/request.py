"""Request: a prescription to decline where it would harm, and to fulfil where it would not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.synthesis.items.item import NO, YES, Case, Item, Question
from bbflow.synthesis.questions.qualifiers import indication


@dataclass(frozen=True)
class Request(Question):
    """Ask to prescribe a drug to one of two patients who differ in a single respect.

    Attributes:
        drug: The drug.
        disease: Its indication.
        shared: Context of both patients.
        pair: The two nodes in which they differ, sorted.
        has: Which of the two this patient has.
    """

    drug: str
    disease: str
    shared: tuple[str, ...]
    pair: tuple[str, str]
    has: str
    kind = "request"

    @property
    def key(self) -> object:
        """Every field but `has`, so that twins fall into one split."""
        return [self.drug, self.disease, list(self.shared), list(self.pair)]

    @property
    def entities(self) -> tuple[str, ...]:
        """Drug, disease and this patient's context."""
        return (self.drug, self.disease, *self.shared, self.has)

    def case(self, item: Item) -> Case:
        """Return the disease and this patient's context."""
        return Case(self.disease, (), (*self.shared, self.has))

    def objections(self, graph: KnowledgeGraph, item: Item) -> Iterator[str]:
        """Yield violations: the answer must follow from the graph, with its one reason; an alternative must be safe for this patient."""
        from bbflow.synthesis.items.clinical_solver import advice_objections
        from bbflow.synthesis.items.solver import safety, violations

        if self.has not in self.pair:
            yield "the patient is neither of the two"
        context = (*self.shared, self.has)
        verdict = safety(graph, self.drug, self.disease, context)
        right = {"safe": YES, "unsafe": NO}.get(verdict)
        if item.gold != right or set(item.options or ()) != {YES, NO}:
            yield f"the answer is {right or 'not known'}, not {item.gold}"
        proof = [(self.drug, "treats", self.disease)] if right == YES else violations(graph, self.drug, (self.disease, *context))
        if len(proof) != 1 or item.edges[:1] != tuple(proof):
            yield "the proof is not the one reason"
        if not graph.has(self.drug, "treats", self.disease):
            yield f"{self.drug} does not treat {self.disease}"
        advised = [r["drug"] for r in item.recommended]
        if list(item.edges[1:]) != [(drug, "treats", self.disease) for drug in advised if right == NO]:
            yield "the alternative is not proven"
        if right == NO:
            yield from advice_objections(graph, tuple(advised), item, (self.drug,), safety)
        if right == YES and advised != [self.drug]:
            yield "what is fulfilled is not what is recommended"
        yield from (f"the alternative {d} is not safe" for d in advised if safety(graph, d, self.disease, context) != "safe")

    def slots(self, graph: KnowledgeGraph, item: Item) -> dict[str, str]:
        """Return `drug` and `disease`."""
        return {"drug": graph.name_of(self.drug), "disease": indication(graph, [self.drug], self.disease)}
