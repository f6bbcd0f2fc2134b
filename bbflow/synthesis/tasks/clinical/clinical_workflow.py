"""Clinical workflow: the next step of a case, and the order of its steps."""

from __future__ import annotations

import random
from pathlib import Path
from typing import ClassVar

from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.records import Recommendation, Split
from bbflow.synthesis.items.item import Item
from bbflow.synthesis.items.patients import DrugSafetyIndex
from bbflow.synthesis.questions.workflow import Workflow
from bbflow.synthesis.sense.people import with_patient
from bbflow.synthesis.splits import question_split
from bbflow.synthesis.tasks.base import Task
from bbflow.synthesis.workflows.workflow_machine import SHIPPED, WorkflowStep, load_workflow_machine

_TRIES = 10
_LISTED = 4


class ClinicalWorkflow(Task):
    """Ask for the next step of a case from the workflow machine, or for the order of four of its steps.

    Of the questions for the next step, half offer steps of the same case, so that order decides; half offer the same step for other
    diseases, so that knowledge decides. The orders to choose from are one order with none, either or both of two pairs of its
    steps exchanged; each of the four is right equally often.

    Args:
        workflow: YAML file of a workflow machine; null: the one that ships.
        order: Share of the questions that ask for the order.
        max_context: Largest number of further conditions, allergies or medications of the patient.
    """

    name: ClassVar[str] = "clinical_workflow"
    needs = "diseases with diagnosed_by and at least three has_phenotype edges"
    capabilities: ClassVar[tuple[str, ...]] = ("workflow", "domain")
    fields: ClassVar[frozenset[str]] = frozenset({"options", "edges", "entities", "patient", "workflow"})

    def __init__(self, workflow: str | None = None, order: float = 0.5, max_context: int = 3) -> None:
        self.workflow, self.order, self.max_context = workflow, order, max_context

    def index(self, graph: KnowledgeGraph) -> int:
        """List the diseases that have findings and a test, and the tests of each."""
        self.machine = load_workflow_machine(Path(self.workflow) if self.workflow else SHIPPED)
        self.clinic = DrugSafetyIndex(graph)
        ends = (node.id for node in graph.nodes("Disease") if not node.attributes.get("syndrome"))
        tests = {disease: graph.objects(disease, "diagnosed_by") for disease in ends}
        self.tests = {d: found for d, found in tests.items() if found and len(graph.objects(d, "has_phenotype")) > 2}
        self.diseases = list(self.tests)
        self.diagnosing: dict[str, list[str]] = {}
        for disease, found in self.tests.items():
            for test in found:
                self.diagnosing.setdefault(test, []).append(disease)
        return len(self.diseases)

    def propose(self, rng: random.Random) -> Item | None:
        """Draw one of the three kinds of question."""
        if rng.random() < self.order:
            return self._order(rng)
        return self._following(rng) if rng.random() < 0.5 else self._which_test(rng)

    def _case(self, disease: str, rng: random.Random) -> tuple[tuple[str, ...], tuple[WorkflowStep, ...]] | None:
        """Draw a patient's context and run the case through the machine."""
        risks = [node for node in self.clinic.risks if node != disease and node not in self.clinic.acute]
        context = tuple(sorted(rng.sample(risks, min(len(risks), rng.randint(0, self.max_context)))))
        steps = self.machine.run(self.graph, self.clinic, disease, context, rng)
        return None if steps is None else (context, steps)

    def _order(self, rng: random.Random) -> Item | None:
        disease = rng.choice(self.diseases)
        case = self._case(disease, rng)
        if case is None or len(case[1]) < _LISTED:
            return None
        context, steps = case
        places = sorted(rng.sample(range(len(steps)), _LISTED))
        label = list(range(1, _LISTED + 1))
        rng.shuffle(label)  # label[i] is the number under which the i-th step is shown
        a, b, c, d = rng.sample(range(_LISTED), _LISTED)
        orders = [_exchanged(label, *pairs) for pairs in ((), ((a, b),), ((c, d),), ((a, b), (c, d)))]
        right = orders[0]
        rng.shuffle(orders)
        listing = tuple(places[label.index(number)] for number in range(1, _LISTED + 1))
        question = Workflow(disease, context, steps, "order", listing=listing, machine=self.workflow or "")
        shown = tuple(steps[place].name for place in places)
        return self._item(question, _spelled(right), tuple(map(_spelled, orders)), shown, rng)

    def _following(self, rng: random.Random) -> Item | None:
        """Ask for the next of four steps of one case; the progress of the case decides which."""
        disease = rng.choice(self.diseases)
        case = self._case(disease, rng)
        if case is None or len(case[1]) < _LISTED:
            return None
        context, steps = case
        places = rng.sample(range(len(steps)), _LISTED)
        shown = places[rng.randrange(_LISTED)]
        offered = tuple(steps[place] for place in places)
        question = Workflow(disease, context, steps, "next", shown, offered, machine=self.workflow or "")
        options = tuple(question.describe(self.graph, step) for step in offered)
        return self._item(question, question.describe(self.graph, steps[shown]), options, (steps[shown].name,), rng)

    def _which_test(self, rng: random.Random) -> Item | None:
        """Ask for the test of a disease among those of others: draw the tests, uniformly the right one, and a case that needs only it."""
        tests = rng.sample(list(self.diagnosing), min(_LISTED, len(self.diagnosing)))
        diseases = [[d for d in self.diagnosing[t] if not any(o in self.tests[d] for o in tests if o != t)] for t in tests]
        if len(tests) < _LISTED or not all(diseases):
            return None
        split: Split | None = None
        i = rng.randrange(_LISTED)
        for _ in range(_TRIES):
            disease = rng.choice(diseases[i])
            case = self._case(disease, rng)
            if case is None:
                continue
            context, steps = case
            at = next((k for k, step in enumerate(steps) if step.name == "tests" and step.nodes == (tests[i],)), None)
            if at is None:
                continue
            offered = tuple(WorkflowStep("tests", (("test", (test,)),)) for test in tests)
            question = Workflow(disease, context, steps, "next", at, offered, machine=self.workflow or "")
            found = question_split(question, self.graph.salt)
            split = split or found
            if split == found:
                options = tuple(question.describe(self.graph, step) for step in offered)
                return self._item(question, options[i], options, ("tests",), rng)
        return None

    def _item(self, question: Workflow, gold: str, options: tuple[str, ...], told: tuple[str, ...], rng: random.Random) -> Item | None:
        words = fold(" ".join(question.describe(self.graph, step) for step in question.steps if step.name in told)).split()
        if len(set(options)) != len(options) or any(name in words for name in told):
            return None  # a step whose words name another step, such as `order skin examination`, would count as both
        shuffled = list(options)
        rng.shuffle(shuffled)
        given = [n for step in question.steps if step.name in told for name, nodes in step.filled if name == "drug" for n in nodes]
        recommended = tuple(Recommendation(drug=drug, dose=None, unit=None, per_day=None, route=None) for drug in given)
        told_nodes = {node for step in question.steps if step.name in told for node in step.nodes}
        proof = question.proof(self.graph)
        edges = tuple(edge for edge in proof if edge[2] in told_nodes or edge[0] in told_nodes) or tuple(proof[:1])
        item = Item(
            self.name, self.capabilities, question, gold, edges, question.disease, options=tuple(shuffled), chain=True,
            level=2 + len(told) // 2, workflow=told, recommended=recommended,
        )  # fmt: skip
        return with_patient(self.graph, item, rng)


def _exchanged(labels: list[int], *pairs: tuple[int, int]) -> list[int]:
    found = list(labels)
    for one, other in pairs:
        found[one], found[other] = found[other], found[one]
    return found


def _spelled(order: list[int]) -> str:
    return ", ".join(map(str, order))
