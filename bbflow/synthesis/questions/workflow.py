"""Clinical workflow: the next step of a case, or the order of some of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Triple
from bbflow.synthesis.items.item import Item, Question
from bbflow.synthesis.workflows.workflow_machine import (
    SHIPPED,
    WorkflowMachine,
    WorkflowSlot,
    WorkflowStep,
    load_workflow_machine,
    red_flag,
)


@dataclass(frozen=True)
class Workflow(Question):
    """Ask for the next step of a case, or for the order of several of its steps.

    Attributes:
        disease: The disease that the case ends up treating.
        context: The patient's other conditions, allergies, state and medications.
        steps: The whole case.
        asks: `next` or `order`.
        shown: Number of steps taken, for `next`.
        offered: Steps to choose from, for `next`.
        listing: Positions in `steps` of the steps to put in order, as shown, for `order`.
        machine: File of the workflow machine; empty for the one that ships.
    """

    disease: str
    context: tuple[str, ...]
    steps: tuple[WorkflowStep, ...]
    asks: Literal["next", "order"]
    shown: int = 0
    offered: tuple[WorkflowStep, ...] = ()
    listing: tuple[int, ...] = ()
    machine: str = ""

    @property
    def kind(self) -> str:
        """Key of its templates."""
        return f"workflow.{self.asks}" if self.asks == "order" or self.shown else "workflow.first"

    @property
    def key(self) -> object:
        """The case; the steps asked for and the order in which they are shown do not enter."""
        return [self.disease, sorted(self.context), [[step.name, list(step.nodes)] for step in self.steps], self.asks]

    @property
    def entities(self) -> tuple[str, ...]:
        """Everything in the case."""
        return (self.disease, *self.context, *(node for step in self.steps for node in step.nodes))

    def _machine(self) -> WorkflowMachine:
        return load_workflow_machine(Path(self.machine) if self.machine else SHIPPED)

    def describe(self, graph: KnowledgeGraph, step: WorkflowStep) -> str:
        """Return a step in words."""
        return self._machine().describe(graph, self.disease, step)

    def objections(self, graph: KnowledgeGraph, item: Item) -> Iterator[str]:
        """Yield violations: the case must follow the machine, the graph and the patient, and exactly one option must be right."""
        yield from self._case_objections(graph)
        if self.asks == "next":
            yield from self._next_objections(graph, item)
        else:
            order = ", ".join(str(self.listing.index(place) + 1) for place in sorted(self.listing))
            if item.gold != order or order not in (item.options or ()):
                yield f"the order is {order}, not {item.gold}"
            if len(set(self.listing)) != len(self.listing) or not set(self.listing) <= set(range(len(self.steps))):
                yield "the listing names no steps of the case"
        if not set(item.edges) <= set(self.proof(graph)) or not item.edges:
            yield "the proof names edges that fill no slot"
        told = {node for step in self.steps if step.name in item.workflow for node in step.nodes}
        if not {r["drug"] for r in item.recommended} <= told or list(item.workflow) != [
            step.name for step in self.steps if step.name in item.workflow
        ]:
            yield "the steps of the response are not in the order of the case"

    def _case_objections(self, graph: KnowledgeGraph) -> Iterator[str]:
        """Run the case through the machine again: every state, slot and branch."""
        from bbflow.synthesis.items.solver import safety

        machine = self._machine()
        treatable = any(safety(graph, drug, self.disease, self.context) == "safe" for drug in graph.subjects("treats", self.disease))
        known: dict[str, tuple[str, ...]] = {"disease": (self.disease,)}
        expected: str | None = machine.start
        for step in self.steps:
            if step.name != expected:
                yield f"{step.name} does not follow: {expected or 'the workflow ends'}"
                return
            state = machine.states[step.name]
            if [slot.name for slot in state.slots] != [name for name, _ in step.filled]:
                yield f"the slots of {step.name} are not those of the machine"
                return
            for slot, (_, nodes) in zip(state.slots, step.filled, strict=True):
                yield from self._slot_objections(graph, slot, nodes, known, optional=state.otherwise is not None)
                known[slot.name] = nodes
            flagged = any(red_flag(graph, self.disease, node) for nodes in known.values() for node in nodes)
            holds = {"": True, "red_flag": flagged, "treatable": treatable}
            expected = next((to for guard, to in state.branches if holds[guard]), None)
        if expected is not None:
            yield f"the case ends before {expected}"

    def _slot_objections(
        self, graph: KnowledgeGraph, slot: WorkflowSlot, nodes: tuple[str, ...], known: dict[str, tuple[str, ...]], optional: bool
    ) -> Iterator[str]:
        """Check the number of nodes in a slot and, by the way it is filled, each node; `known` are the slots filled before."""
        from bbflow.synthesis.items.solver import safety

        if len(nodes) != slot.count and not (not nodes and optional):
            yield f"slot {slot.name} holds {len(nodes)} nodes"
        for node in nodes:
            if slot.way == "safe" and safety(graph, node, self.disease, self.context) != "safe":
                yield f"{node} is not safe for this patient"
            elif slot.way == "red_flags" and not red_flag(graph, self.disease, node):
                yield f"{node} is no red flag"
            elif slot.way == "rival" and (node == self.disease or not self._shares_finding(graph, node, known)):
                yield f"{node} shares no finding that was seen"
            elif slot.way == "predicate" and not any(graph.has(of, p, node) for of in known[slot.of] for p in slot.predicates):
                yield f"{node} does not belong into slot {slot.name}"

    def _shares_finding(self, graph: KnowledgeGraph, rival: str, known: dict[str, tuple[str, ...]]) -> bool:
        """Return whether a rival disease has a finding that was seen and that the disease has too."""
        seen = (node for nodes in known.values() for node in nodes)
        return any(all(graph.has(disease, "has_phenotype", node) for disease in (rival, self.disease)) for node in seen)

    def _next_objections(self, graph: KnowledgeGraph, item: Item) -> Iterator[str]:
        following = self.steps[self.shown]
        meaning = {self.describe(graph, step): step for step in (*self.offered, *self.steps)}
        state = self._machine().states[following.name]
        right = []
        for option in item.options or ():
            step = meaning.get(option)
            if step is None:
                yield f"the option '{option}' is no step"
            elif step.name == following.name:
                fits = [graph.has(self.disease, p, n) for slot in state.slots for p in slot.predicates for n in step.nodes]
                # Versions of a step whose slot is filled in a special way cannot be told apart here: only one may be offered.
                if step == following or any(fits) or not fits:
                    right.append(option)
        if right != [item.gold] or item.gold != self.describe(graph, following):
            yield f"not exactly one option comes next: {right}"

    def proof(self, graph: KnowledgeGraph) -> list[Triple]:
        """Return the edges that fill the slots, in the order of the steps."""
        machine, found = self._machine(), []
        known: dict[str, tuple[str, ...]] = {"disease": (self.disease,)}
        for step in self.steps:
            for slot, (name, nodes) in zip(machine.states[step.name].slots, step.filled, strict=True):
                known[name] = nodes
                if slot.way == "safe":
                    found += [(node, "treats", self.disease) for node in nodes]
                found += [(of, p, n) for n in nodes for of in known.get(slot.of, ()) for p in slot.predicates if graph.has(of, p, n)]
        return list(dict.fromkeys(found))

    def slots(self, graph: KnowledgeGraph, item: Item) -> dict[str, str]:
        """Return `done`, the steps taken, and `listing`, the numbered steps to put in order."""
        done = "; ".join(self.describe(graph, step) for step in self.steps[: self.shown])
        shown = " ".join(f"({i}) {self.describe(graph, self.steps[place])}" for i, place in enumerate(self.listing, start=1))
        return {"done": done, "listing": shown}

    def reasoning(self, graph: KnowledgeGraph, item: Item) -> list[str]:
        """Return the steps, each with its name."""
        return [f"{step.name.replace('_', '-')}: {self.describe(graph, step)}." for step in self.steps if step.name in item.workflow]
