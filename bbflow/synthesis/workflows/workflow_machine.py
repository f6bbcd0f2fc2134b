"""The clinical workflow machine: states, typed slots and branches, read from `workflow.yaml` or a file like it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.ontology import PREDICATES
from bbflow.io.yaml import YamlFile, read_yaml
from bbflow.synthesis.items.patients import DrugSafetyIndex
from bbflow.synthesis.questions.differential import join_names

SHIPPED = Path(__file__).with_name("workflow.yaml")
GUARDS = ("red_flag", "treatable", "drugs_known")
_MOST_STEPS = 20
_KEYS = ("start", "states")
_STATE = ("does", "else", "slots", "next")
_WAYS = ("predicate", "rival", "red_flags", "safe")
_SLOT = (*_WAYS, "of", "count", "found_by")
FOUND_BY = ("symptom", "sign", "lab")


@dataclass(frozen=True)
class WorkflowSlot:
    """A slot of a state, filled along predicates or by one of the special ways `rival`, `red_flags`, `safe`."""

    name: str
    way: str
    predicates: tuple[str, ...] = ()
    of: str = "disease"
    count: int = 1
    found_by: str = ""

    def takes(self, graph: KnowledgeGraph, node: str) -> bool:
        """Return whether a finding is found as the slot wants it; True where the graph does not say how it is found."""
        return self.found_by in ("", graph.node(node).attributes.get("found_by", self.found_by))


@dataclass(frozen=True)
class WorkflowState:
    """A state of the machine; `branches` are (guard or "", next state)."""

    name: str
    does: str
    otherwise: str | None
    slots: tuple[WorkflowSlot, ...]
    branches: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class WorkflowStep:
    """A state with its slots filled.

    Attributes:
        name: The state.
        filled: (slot, nodes), in the order of the state's slots.
    """

    name: str
    filled: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def nodes(self) -> tuple[str, ...]:
        """Every node in a slot."""
        return tuple(node for _, nodes in self.filled for node in nodes)


@dataclass(frozen=True)
class WorkflowMachine:
    """A workflow.

    Attributes:
        start: First state.
        states: By name.
    """

    start: str
    states: Mapping[str, WorkflowState]

    def describe(self, graph: KnowledgeGraph, disease: str, step: WorkflowStep) -> str:
        """Return a step in words, such as `order spirometry`."""
        state = self.states[step.name]
        names = {slot: join_names([graph.name_of(node) for node in nodes]) for slot, nodes in step.filled if nodes}
        if len(names) < len(state.slots) and state.otherwise is not None:
            return state.otherwise.format(disease=graph.name_of(disease))
        return state.does.format(disease=graph.name_of(disease), **names)

    def run(
        self, graph: KnowledgeGraph, clinic: DrugSafetyIndex, disease: str, context: Sequence[str], rng: random.Random
    ) -> tuple[WorkflowStep, ...] | None:
        """Run a disease and a patient's context through the machine; None if the graph cannot fill a slot."""
        steps: list[WorkflowStep] = []
        known: dict[str, tuple[str, ...]] = {"disease": (disease,)}
        safe = clinic.first_choices(disease, context)
        name: str | None = self.start
        flagged = red_flag(graph, disease, disease)
        while name is not None and len(steps) < _MOST_STEPS:
            state = self.states[name]
            for slot in state.slots:
                nodes = self._fill(graph, slot, known, safe, rng)
                if len(nodes) < slot.count and state.otherwise is None:
                    return None
                known[slot.name] = nodes
            steps.append(WorkflowStep(name, tuple((slot.name, known[slot.name]) for slot in state.slots)))
            flagged = flagged or any(red_flag(graph, disease, node) for slot in state.slots for node in known[slot.name])
            holds = {"": True, "red_flag": flagged, "treatable": bool(safe), "drugs_known": bool(graph.subjects("treats", disease))}
            name = next((to for guard, to in state.branches if holds[guard]), None)
        return tuple(steps)

    def _fill(
        self, graph: KnowledgeGraph, slot: WorkflowSlot, known: Mapping[str, tuple[str, ...]], safe: list[str], rng: random.Random
    ) -> tuple[str, ...]:
        disease = known["disease"][0]
        used = tuple(dict.fromkeys(node for nodes in known.values() for node in nodes))  # no set: unordered
        if slot.way == "safe":
            pool = safe
        elif slot.way == "red_flags":
            flags = [node for node in used if red_flag(graph, disease, node)]
            return tuple(sorted(flags, key=lambda node: bool(graph.node(node).attributes.get("nonspecific"))))[:1]
        elif slot.way == "rival":
            seen = sorted(node for node in used if graph.has(disease, "has_phenotype", node))
            pool = sorted(rivals(graph, disease, seen))
        else:
            ends = (o for of in known[slot.of] for p in slot.predicates for o in graph.objects(of, p))
            pool = [node for node in dict.fromkeys(ends) if node not in used and slot.takes(graph, node)]
        return tuple(sorted(rng.sample(pool, min(slot.count, len(pool)))))


def rivals(graph: KnowledgeGraph, disease: str, seen: Sequence[str]) -> set[str]:
    """Return what can be mistaken for a disease: it shares a telling finding that was seen, or two findings and the body system."""
    sharing = Counter(other for node in seen for other in graph.subjects("has_phenotype", node))
    vague = {node for node in seen if graph.node(node).attributes.get("nonspecific")}
    found = {other for node in seen if node not in vague for other in graph.subjects("has_phenotype", node)}
    alike = {other for system in graph.objects(disease, "subclass_of") for other in graph.subjects("subclass_of", system)}
    found |= {other for other, count in sharing.items() if count > 1 and other in alike}
    return {other for other in found - {disease} if not _needs_more(graph, other)}


def _needs_more(graph: KnowledgeGraph, disease: str) -> bool:
    """Return whether a disease is more than an alternative to weigh: a syndrome has many causes, an emergency is excluded first."""
    held = graph.node(disease).attributes
    return bool(held.get("syndrome") or held.get("emergency") or graph.objects(disease, "needs_urgent_action"))


def red_flag(graph: KnowledgeGraph, disease: str, finding: str) -> bool:
    """Return whether the graph marks a finding as a red flag, in general or for this disease."""
    if graph.has(disease, "has_red_flag", finding) or (finding in graph and graph.node(finding).attributes.get("red_flag")):
        return True
    edge = graph.edge(disease, "has_phenotype", finding)
    return edge is not None and bool(edge.attributes.get("red_flag"))


@cache
def load_workflow_machine(path: Path = SHIPPED) -> WorkflowMachine:
    """Read a machine.

    Raises:
        InputError: A state, slot, predicate or branch is wrong; all of them are listed with their lines.
    """
    file = read_yaml(path)
    raw = file.data
    if not isinstance(raw, dict) or not isinstance(raw.get("states"), dict):
        raise InputError(Problem("a workflow needs 'start' and a mapping 'states'", file.where()))
    problems = [Problem(f"unknown key '{key}'", file.where(key), did_you_mean(str(key), _KEYS)) for key in raw if key not in _KEYS]
    states = {str(name): _state(file, name, body, problems) for name, body in raw["states"].items()}
    problems += _dangling(file, raw.get("start"), states)
    problems += [] if problems else [*_endless(file, states), *_too_early(file, str(raw["start"]), states)]
    if problems:
        raise InputError(*problems)
    return WorkflowMachine(raw["start"], states)


def _state(file: YamlFile, name: str, body: object, problems: list[Problem]) -> WorkflowState:
    at = ("states", name)
    if not isinstance(body, dict):
        problems.append(Problem(f"state '{name}' is a mapping of {', '.join(_STATE)}", file.where(*at)))
        return WorkflowState(name, "", None, (), ())
    problems += [Problem(f"unknown key '{key}'", file.where(*at, key), did_you_mean(str(key), _STATE)) for key in body if key not in _STATE]
    raw_slots = body.get("slots") or {}
    if not isinstance(raw_slots, dict):
        problems.append(
            Problem(f"the slots of state '{name}' are a mapping", file.where(*at, "slots"), "{test: {predicate: diagnosed_by}}")
        )
        raw_slots = {}
    slots = tuple(_slot(file, (*at, "slots", slot), str(slot), how, problems) for slot, how in raw_slots.items())
    does, otherwise = body.get("does"), body.get("else")
    if isinstance(does, str):
        problems += _blanks(does, [slot.name for slot in slots], file.where(*at, "does"))
    else:
        problems.append(Problem(f"state '{name}' does not say what it 'does'", file.where(*at)))
    branches = tuple(_branches(file, (*at, "next"), body.get("next") or [], problems))
    return WorkflowState(name, str(does), None if otherwise is None else str(otherwise), slots, branches)


def _blanks(does: str, slots: list[str], where: str) -> Iterator[Problem]:
    """Report names in braces that no slot fills."""
    try:
        blanks = [blank for _, blank, _, _ in Formatter().parse(does) if blank is not None]
    except ValueError as error:
        yield Problem(f"'{does}' cannot be filled in: {error}", where)
        return
    for blank in blanks:
        if blank not in ("disease", *slots):
            yield Problem(f"'{{{blank}}}' is no slot of this state", where, did_you_mean(blank, ["disease", *slots]))


def _branches(file: YamlFile, at: tuple[str, ...], raw: object, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    if isinstance(raw, str):
        yield "", raw
        return
    for i, branch in enumerate(raw if isinstance(raw, list) else [raw]):
        if isinstance(branch, dict) and isinstance(branch.get("go"), str) and not branch.keys() - {"if", "go"}:
            yield str(branch.get("if", "")), branch["go"]
        else:
            where = file.where(*at, i) if isinstance(raw, list) else file.where(*at)
            problems.append(Problem("a branch names the state that follows", where, "{if: red_flag, go: escalation}"))


def _slot(file: YamlFile, at: tuple[str, ...], name: str, how: object, problems: list[Problem]) -> WorkflowSlot:
    if not isinstance(how, dict):
        problems.append(Problem(f"slot '{name}' must say how it is filled", file.where(*at), "predicate and of, rival, red_flags or safe"))
        return WorkflowSlot(name, "safe")
    problems += [Problem(f"unknown key '{key}'", file.where(*at, key), did_you_mean(str(key), _SLOT)) for key in how if key not in _SLOT]
    ways = [way for way in _WAYS if how.get(way)]
    if len(ways) != 1:
        problems.append(
            Problem(f"slot '{name}' needs exactly one way to be filled", file.where(*at), "predicate, rival, red_flags or safe")
        )
        return WorkflowSlot(name, "safe")
    named = how.get("predicate") or []
    predicates = tuple(map(str, named if isinstance(named, list) else [named]))
    problems += [
        Problem(f"slot '{name}': unknown predicate '{p}'", file.where(*at, "predicate"), did_you_mean(p, PREDICATES))
        for p in predicates
        if p not in PREDICATES
    ]
    count = how.get("count", 1)
    if not isinstance(count, int) or count < 1:
        problems.append(Problem(f"slot '{name}': count must be at least 1, not {count!r}", file.where(*at, "count")))
        count = 1
    found_by = str(how.get("found_by", ""))
    if found_by and found_by not in FOUND_BY:
        problems.append(
            Problem(f"slot '{name}': no finding is found by '{found_by}'", file.where(*at, "found_by"), did_you_mean(found_by, FOUND_BY))
        )
    return WorkflowSlot(name, ways[0], predicates, str(how.get("of", "disease")), count, found_by)


def _endless(file: YamlFile, states: Mapping[str, WorkflowState]) -> Iterator[Problem]:
    """Report states from which no branch leads to an end."""
    ending: set[str] = set()
    while more := {n for n, state in states.items() if not state.branches or ending & {to for _, to in state.branches}} - ending:
        ending |= more
    for name in states:
        if name not in ending:
            yield Problem(
                f"no way from state '{name}' leads to an end", file.where("states", name), "a state without 'next' ends the workflow"
            )


def _too_early(file: YamlFile, start: str, states: Mapping[str, WorkflowState]) -> Iterator[Problem]:
    """Report slots that depend on a slot which is not filled on every way to their state."""
    before: dict[str, frozenset[str]] = {start: frozenset(["disease"])}
    waiting = [start]
    while waiting:
        state = states[waiting.pop()]
        after = before[state.name].union(slot.name for slot in state.slots)
        for _, to in state.branches:
            known = before.get(to, after) & after
            if before.get(to) != known:
                before[to] = known
                waiting.append(to)
    for name, filled in before.items():
        for slot in states[name].slots:
            if slot.of not in filled:
                where = file.where("states", name, "slots", slot.name)
                yield Problem(f"slot '{slot.name}' is of '{slot.of}', which is not always filled before", where)
            filled = filled | {slot.name}


def _dangling(file: YamlFile, start: object, states: Mapping[str, WorkflowState]) -> Iterator[Problem]:
    """Report unknown states, guards and slots, and predicates that do not start at the kind of their slot."""
    if start not in states:
        yield Problem(f"the start '{start}' is no state", file.where("start"), did_you_mean(str(start), states))
    slots = {slot.name: slot for state in states.values() for slot in state.slots}
    for state in states.values():
        for guard, to in state.branches:
            if to not in states:
                yield Problem(f"'{to}' is no state", file.where("states", state.name, "next"), did_you_mean(to, states))
            if guard and guard not in GUARDS:
                yield Problem(f"unknown guard '{guard}'", file.where("states", state.name, "next"), did_you_mean(guard, GUARDS))
        for slot in state.slots:
            where = file.where("states", state.name, "slots", slot.name)
            if slot.of != "disease" and slot.of not in slots:
                yield Problem(f"slot '{slot.name}' is of '{slot.of}', which is no slot", where, did_you_mean(slot.of, ["disease", *slots]))
                continue
            kinds = _kinds(slots, slot.of)
            for predicate in slot.predicates:
                if predicate in PREDICATES and kinds and not kinds & set(PREDICATES[predicate].domain):
                    yield Problem(f"slot '{slot.name}': {predicate} does not start at a {' or '.join(sorted(kinds))}", where)


def _kinds(slots: Mapping[str, WorkflowSlot], name: str) -> set[str]:
    """Return the kinds of node that a slot can hold."""
    if name == "disease":
        return {"Disease"}
    slot = slots[name]
    special = {"rival": {"Disease"}, "red_flags": {"PhenotypicFeature"}, "safe": {"Drug"}}
    return special.get(slot.way) or {kind for p in slot.predicates if p in PREDICATES for kind in PREDICATES[p].range}
