"""Clinical workflow: the next step of a case, or the order of some of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Triple
from bbflow.synthesis.items.item import Case, Item, Question
from bbflow.synthesis.workflows.workflow_machine import (
    SHIPPED,
    WorkflowMachine,
    WorkflowSlot,
    WorkflowStep,
    load_workflow_machine,
    red_flag,
    rivals,
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

    def case(self, item: Item) -> Case:
        """Return the disease, what is found in it, the context, and what else the steps name."""
        return self._case

    @cached_property
    def _case(self) -> Case:
        found = [node for slot, nodes in self.filled if "has_phenotype" in slot.predicates for node in nodes]
        named = [node for slot, nodes in self.filled for node in nodes if slot.way == "rival" or "has_side_effect" in slot.predicates]
        return Case(self.disease, tuple(dict.fromkeys(found)), self.context, tuple(named))

    def endorsed(self, item: Item) -> tuple[str, ...]:
        """Return the drugs that are started."""
        return tuple(node for slot, nodes in self.filled if slot.way == "safe" for node in nodes)

    @cached_property
    def filled(self) -> list[tuple[WorkflowSlot, tuple[str, ...]]]:
        """Every slot of the case with the nodes in it."""
        states = self._machine().states
        pairs = [zip(states[step.name].slots, step.filled, strict=False) for step in self.steps if step.name in states]
        return [(slot, nodes) for pair in pairs for slot, (_, nodes) in pair]

    def escalates(self) -> bool:
        """Return whether the case acts on a red flag."""
        return any(slot.way == "red_flags" and nodes for slot, nodes in self.filled)

    def _machine(self) -> WorkflowMachine:
        return load_workflow_machine(Path(self.machine) if self.machine else SHIPPED)

    def describe(self, graph: KnowledgeGraph, step: WorkflowStep) -> str:
        """Return a step in words."""
        return self._machine().describe(graph, self.disease, step)

    def objections(self, graph: KnowledgeGraph, item: Item) -> Iterator[str]:
        """Yield violations: the case must follow the machine, the graph and the patient, and exactly one option must be right."""
        from bbflow.synthesis.items.clinical_solver import advice_objections
        from bbflow.synthesis.items.solver import safety

        yield from self._case_objections(graph)
        yield from advice_objections(graph, self.endorsed(item), item, (), safety)
        if graph.node(self.disease).attributes.get("emergency") and not self.escalates():
            yield f"{self.disease} is an emergency, and nothing urgent is done"
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
        treating = graph.subjects("treats", self.disease)
        now = [d for d in treating if not (edge := graph.edge(d, "treats", self.disease)) or not edge.attributes.get("later")]
        treatable = any(d not in self.context and safety(graph, d, self.disease, self.context) == "safe" for d in now)
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
            holds = {"": True, "red_flag": flagged, "treatable": treatable, "drugs_known": bool(treating)}
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
            elif slot.way == "rival" and not self._is_rival(graph, node, known):
                yield f"{node} cannot be mistaken for the disease by what was seen"
            elif not slot.takes(graph, node):
                yield f"{node} is not found as a {slot.found_by}"
            elif slot.way == "predicate" and not any(graph.has(of, p, node) for of in known[slot.of] for p in slot.predicates):
                yield f"{node} does not belong into slot {slot.name}"

    def _is_rival(self, graph: KnowledgeGraph, rival: str, known: dict[str, tuple[str, ...]]) -> bool:
        """Return whether a disease can be mistaken for the one of the case, by what was seen."""
        seen = dict.fromkeys(node for nodes in known.values() for node in nodes if graph.has(self.disease, "has_phenotype", node))
        return rival in rivals(graph, self.disease, list(seen))

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
