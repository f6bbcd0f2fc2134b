"""Joint case: findings, a patient and four drugs, one of which treats the disease and is safe for the patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.synthesis.items.item import Case, Item, Question
from bbflow.synthesis.questions.differential import join_names


@dataclass(frozen=True)
class Joint(Question):
    """Ask for the drug that treats a disease known by its findings alone and is safe for the patient.

    Attributes:
        disease: The disease of the findings; the question does not name it.
        findings: Sorted; no other disease of the graph has them all.
        context: The patient's other conditions, allergies, state and medications.
    """

    disease: str
    findings: tuple[str, ...]
    context: tuple[str, ...]
    kind = "joint"
    hops = 3

    @property
    def key(self) -> object:
        """Findings and context."""
        return [list(self.findings), sorted(self.context)]

    @property
    def entities(self) -> tuple[str, ...]:
        """Findings, context and the hidden disease."""
        return (*self.findings, *self.context, self.disease)

    def case(self, item: Item) -> Case:
        """Return the hidden disease, its findings and the context."""
        return Case(self.disease, self.findings, self.context)

    def objections(self, graph: KnowledgeGraph, item: Item) -> Iterator[str]:
        """Yield violations: one disease has the findings; one option treats it safely; the others are ruled out or treat another."""
        from bbflow.synthesis.items.solver import safety, violations

        first, *rest = (set(graph.subjects("has_phenotype", finding)) for finding in self.findings)
        if first.intersection(*rest) != {self.disease}:
            yield "the findings do not point to one disease"
        proof = {(self.disease, "has_phenotype", finding) for finding in self.findings}
        for drug in item.options or ():
            if not graph.has(drug, "treats", self.disease):
                continue
            verdict = safety(graph, drug, self.disease, self.context)
            reasons = violations(graph, drug, (self.disease, *self.context))
            if (verdict == "safe") != (drug == item.gold) or verdict == "unknown":
                yield f"{drug} is {verdict}"
            if verdict == "unsafe" and len(reasons) != 1:
                yield f"there is not exactly one reason against {drug}"
            proof |= {(drug, "treats", self.disease)} if verdict == "safe" else set(reasons[:1])
        yield from self._advice_objections(graph, item)
        if item.gold not in (item.options or ()):
            yield "the answer is not among the options"
        if set(item.edges) != proof or len(item.edges) != len(proof):
            yield "the proof is not what decides"
        if [r["drug"] for r in item.recommended] != [item.gold]:
            yield "what is recommended is not the answer"

    def _advice_objections(self, graph: KnowledgeGraph, item: Item) -> Iterator[str]:
        """Check that the drug is for the purpose of the other one, a first choice, and for a patient who presents now."""
        from bbflow.synthesis.items.clinical_solver import advice_objections
        from bbflow.synthesis.items.solver import safety

        treating = tuple(drug for drug in item.options or () if graph.has(drug, "treats", self.disease))
        yield from advice_objections(graph, self.endorsed(item), item, treating, safety)
        held = graph.edge(item.gold, "treats", self.disease)
        if held is not None and held.attributes.get("later"):
            yield f"{item.gold} is not for a patient who presents with the disease now"

    def slots(self, graph: KnowledgeGraph, item: Item) -> dict[str, str]:
        """Return `findings` in words, and the `aim` of the treatment where drugs for the disease have several."""
        edge = graph.edge(item.gold, "treats", self.disease)
        purposes = edge.attributes.get("purposes", ()) if edge is not None else ()
        aim = f" The aim is {' or '.join(purposes)}." if purposes else ""
        return {"findings": join_names([graph.name_of(f) for f in self.findings]), "aim": aim}
