"""Rules of a well-formed graph; all violations are reported, each with its location."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph import coverage, dose_qualifiers
from bbflow.graph.elements import Edge, Node
from bbflow.graph.ontology import KINDS, PREDICATES, Predicate, is_curie
from bbflow.records import Triple

RULES = {
    "identifier": "a node's id is a compact URI",
    "kind": "a node is of a known kind",
    "name": "a node has a name, of at most 4,000 characters",
    "coverage": "coverage is declared on known axes, as complete or partial; what it is complete for are risk nodes of the axis",
    "risk": "risk is true or false",
    "duplicate node": "an id belongs to one node",
    "predicate": "an edge's relation is a known one",
    "source": "an edge says where it is from",
    "maximum dose": "the qualifiers of a maximum daily dose are known ones, and `single_dose` and `course` are positive numbers",
    "dangling": "both ends of an edge are nodes",
    "domain": "the subject of an edge is of a kind that the relation takes",
    "range": "the object of an edge is of a kind that the relation takes",
    "duplicate edge": "an edge stands once, and in one direction where its relation is symmetric",
    "contradiction": "no drug treats what it is contraindicated in, unless one of the edges has a `qualifier`",
    "cycle": "subclass_of never leads back to where it started",
}
"""Name of a rule to its requirement."""

REPETITIONS = ("duplicate node", "duplicate edge")
CONTRADICTIONS = (("treats", "contraindicated_in"), ("preventative_for_condition", "contraindicated_in"))
LONGEST_NAME = 4000
_SHOWN = 100
_HINTS_BELOW = 2000
"""Largest number of nodes for which the nearest id is searched; above, one hint would take longer than reading the graph."""


@dataclass(frozen=True)
class Violation:
    """A violation of a rule.

    Attributes:
        rule: Key of `RULES`.
        problem: Description and location.
        node: Index of the violating node, or None.
        edge: Index of the violating edge, or None.
    """

    rule: str
    problem: Problem
    node: int | None = None
    edge: int | None = None


class GraphError(InputError):
    """Rows of a graph are malformed, or it violates the ontology; holds all problems and prints the first hundred.

    Attributes:
        malformed: Problems of rows that could not be read.
        violations: Violations among the rows that were read.
    """

    def __init__(self, malformed: Sequence[Problem], found: Sequence[Violation]) -> None:
        self.malformed, self.violations = list(malformed), list(found)
        problems = [*self.malformed, *(v.problem for v in self.violations)]
        if len(problems) > _SHOWN:
            hint = "`bbflow graph validate` lists all"
            problems = [*problems[:_SHOWN], Problem(f"and {len(problems) - _SHOWN:,} more problems", "", hint)]
        super().__init__(*problems)


def violations(
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    node_places: Sequence[str] = (),
    edge_places: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
    where: coverage.Where = lambda *keys: "",
) -> Iterator[Violation]:
    """List every violation, nodes first, in file order.

    Args:
        nodes: All nodes.
        edges: All edges.
        node_places: `file:line` of each node; empty where unknown.
        edge_places: `file:line` of each edge; empty where unknown.
        about: Head of the graph.
        where: Location of a key of the head.
    """
    by_id = {node.id: node for node in nodes}
    yield from (Violation("coverage", problem) for problem in coverage.head_problems(by_id, about or {}, where))
    yield from _of_nodes(nodes, by_id, node_places)
    yield from _of_edges(nodes, edges, edge_places)
    yield from _contradictions(edges, edge_places)
    yield from _cycles(edges, edge_places)


def _of_nodes(nodes: Sequence[Node], by_id: Mapping[str, Node], places: Sequence[str]) -> Iterator[Violation]:
    seen: dict[str, int] = {}
    for i, node in enumerate(nodes):
        found: list[tuple[str, str, str]] = []
        if not is_curie(node.id):
            found.append(("identifier", f"node id '{_short(node.id)}' is not a CURIE", "write prefix:local_name"))
        if node.kind not in KINDS:
            found.append(("kind", f"node '{_short(node.id)}' has unknown kind '{node.kind}'", did_you_mean(node.kind, KINDS)))
        if not node.name.strip():
            found.append(("name", f"node '{_short(node.id)}' has no name", ""))
        elif len(longest := max((node.name, *node.synonyms), key=len)) > LONGEST_NAME:
            found.append(("name", f"node '{_short(node.id)}' has a name of {len(longest):,} characters", ""))
        found += coverage.node_problems(node)
        found += (("coverage", what, "") for what in coverage.reference_problems(by_id, node))
        if node.id in seen:
            first = _at(places, seen[node.id])
            found.append(("duplicate node", f"node '{node.id}' is defined twice", f"first at {first}" if first else ""))
        seen.setdefault(node.id, i)
        for rule, what, hint in found:
            yield Violation(rule, Problem(what, _at(places, i), hint), node=i)


def _of_edges(nodes: Sequence[Node], edges: Sequence[Edge], places: Sequence[str]) -> Iterator[Violation]:
    kind_of = {node.id: node.kind for node in nodes}
    seen: dict[Triple, int] = {}
    for i, edge in enumerate(edges):
        triple = edge.triple
        predicate = PREDICATES.get(edge.predicate)
        subject, obj = kind_of.get(edge.subject), kind_of.get(edge.object)
        mirror = (edge.object, edge.predicate, edge.subject) if predicate is not None and predicate.symmetric else triple
        first = seen.get(triple, seen.get(mirror))
        seen.setdefault(triple, i)
        qualified = edge.predicate == dose_qualifiers.PREDICATE and edge.attributes
        if predicate is not None and subject and obj and edge.source and first is None and predicate.fits(subject, obj) and not qualified:
            continue
        said = f"edge {_short(edge.subject)} {edge.predicate} {_short(edge.object)}"
        found = list(_of_edge(edge, predicate, kind_of))
        if first is not None:
            place = _at(places, first)
            found.append(("duplicate edge", " stands twice", f"first at {place}" if place else ""))
        for rule, what, hint in found:
            yield Violation(rule, Problem(f"{said}{what}", _at(places, i), hint), edge=i)


def _of_edge(edge: Edge, predicate: Predicate | None, kind_of: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the violations of one edge by itself: rule, the sentence after the edge, and hint."""
    ids = kind_of if len(kind_of) <= _HINTS_BELOW else ()
    subject, obj = kind_of.get(edge.subject), kind_of.get(edge.object)
    if predicate is None:
        yield "predicate", f": unknown predicate '{edge.predicate}'", did_you_mean(edge.predicate, PREDICATES)
    if not edge.source:
        yield "source", " has no source", ""
    for end, kind in ((edge.subject, subject), (edge.object, obj)):
        if kind is None:
            yield "dangling", f" dangles: there is no node '{_short(end)}'", did_you_mean(end, ids)
    if edge.predicate == dose_qualifiers.PREDICATE:
        yield from (("maximum dose", what, hint) for what, hint in dose_qualifiers.problems(edge))
    if predicate is not None and subject and obj and not predicate.fits(subject, obj):
        if subject not in predicate.domain:
            yield "domain", f": the subject is a {subject}, not a {' or '.join(predicate.domain)}", ""
        if obj not in predicate.range:
            yield "range", f": the object is a {obj}, not a {' or '.join(predicate.range)}", ""
        if subject in predicate.domain and obj in predicate.range:
            yield "range", f": it joins a {subject} to a {obj}, not to another {subject}", ""


def _contradictions(edges: Sequence[Edge], places: Sequence[str]) -> Iterator[Violation]:
    joined = {name for pair in CONTRADICTIONS for name in pair}
    held = {e.triple: i for i, e in enumerate(edges) if e.predicate in joined}
    for (subject, predicate, obj), i in held.items():
        for good, bad in CONTRADICTIONS:
            other = held.get((subject, bad, obj)) if predicate == good else None
            if other is None or edges[i].attributes.get("qualifier") or edges[other].attributes.get("qualifier"):
                continue
            place = _at(places, other)
            hint = f"{f'{bad} at {place}; ' if place else ''}where both hold under conditions, give one a `qualifier`"
            verb = "treats" if good == "treats" else "prevents"
            what = f"{_short(subject)} both {verb} and is contraindicated in {_short(obj)}"
            yield Violation("contradiction", Problem(what, _at(places, i), hint), edge=i)


def _cycles(edges: Sequence[Edge], places: Sequence[str]) -> Iterator[Violation]:
    """Yield one violation for each strongly connected part of the hierarchy, at the last edge (in file order) of a cycle in it."""
    index = {(e.subject, e.object): i for i, e in enumerate(edges) if e.predicate == "subclass_of"}
    hierarchy = nx.DiGraph(index.keys())
    if nx.is_directed_acyclic_graph(hierarchy):
        return
    for knot in nx.strongly_connected_components(hierarchy):
        part = hierarchy.subgraph(knot)
        if part.number_of_edges() == 0:
            continue
        cycle = [(s, o) for s, o, *_ in nx.find_cycle(part, source=min(knot))]
        last = max(index[pair] for pair in cycle)
        path = " -> ".join([s for s, _ in cycle] + [cycle[0][0]])
        more = f" (one of several among {len(knot)} nodes)" if part.number_of_edges() > len(cycle) else ""
        yield Violation("cycle", Problem(f"subclass_of runs in a circle: {path}{more}", _at(places, last)), edge=last)


def _at(places: Sequence[str], index: int) -> str:
    return places[index] if index < len(places) else ""


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}..."
