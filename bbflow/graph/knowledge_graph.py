"""A medical knowledge graph: typed nodes and typed, sourced edges over a networkx multigraph.

Order is the order of the files it came from, so whatever walks the graph with a seed walks it the same way every time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import networkx as nx

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.ontology import AXES, KINDS, PREDICATES, RISK_AXIS, is_curie
from bbflow.records import Triple


@dataclass(frozen=True)
class Node:
    """A thing that medicine speaks of. `attributes` holds `risk`, `coverage`, `value`, `unit` and what else a source gives."""

    id: str
    kind: str
    name: str
    synonyms: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Edge:
    """A fact with its source; `verified` says whether a clinician or a data set vouches for it."""

    subject: str
    predicate: str
    object: str
    source: str
    verified: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def triple(self) -> Triple:
        """Subject, predicate and object."""
        return self.subject, self.predicate, self.object


def fold(name: str) -> str:
    """Folds case, spacing and punctuation, so that spellings of one name meet.

    >>> fold("Trimethoprim-Sulfamethoxazole ") == fold("trimethoprim sulfamethoxazole")
    True
    """
    return " ".join(re.findall(r"[a-z0-9%]+", name.casefold()))


class KnowledgeGraph:
    """Nodes and edges, with the look-ups that synthesis, rules and rewards share.

    Args:
        nodes: In file order.
        edges: In file order; ends must be among the nodes.
        name: What examples call the graph in their provenance.
        version: Version of its contents.
        salt: Mixed into the hash that assigns splits; changes the splits, never the items.
        about: One paragraph for cards and reports, licence and disclaimer included.
        places: Node id or triple to `file:line`, for messages; optional.

    Raises:
        InputError: The graph breaks the ontology; every violation is listed with its place.
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        edges: Iterable[Edge],
        name: str = "graph",
        version: str = "0",
        salt: str = "",
        about: Mapping[str, Any] | None = None,
        places: Mapping[Any, str] | None = None,
    ) -> None:
        self.name, self.version, self.salt, self.about = name, version, salt or name, dict(about or {})
        nodes, edges = list(nodes), list(edges)
        problems = list(violations(nodes, edges, places or {}))
        if problems:
            raise InputError(*problems)
        self.networkx = nx.MultiDiGraph(name=name)
        self._nodes = {node.id: node for node in nodes}
        self._edges: dict[Triple, Edge] = {}
        self._objects: dict[tuple[str, str], list[str]] = {}
        self._subjects: dict[tuple[str, str], list[str]] = {}
        for node in nodes:
            self.networkx.add_node(node.id, kind=node.kind, name=node.name, synonyms=list(node.synonyms), **node.attributes)
        for edge in edges:
            more = {"source": edge.source, "verified": edge.verified, **edge.attributes}
            self.networkx.add_edge(edge.subject, edge.object, key=edge.predicate, **more)
            self._edges[edge.triple] = edge
            ends = [(edge.subject, edge.object)]
            if PREDICATES[edge.predicate].symmetric:
                ends.append((edge.object, edge.subject))
            for subject, obj in ends:
                self._objects.setdefault((subject, edge.predicate), []).append(obj)
                self._subjects.setdefault((edge.predicate, obj), []).append(subject)

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    def node(self, node_id: str) -> Node:
        """Returns a node by id, or raises KeyError."""
        return self._nodes[node_id]

    def name_of(self, node_id: str) -> str:
        """Returns the preferred name of a node."""
        return self._nodes[node_id].name

    def nodes(self, kind: str | None = None) -> Iterator[Node]:
        """Iterates over the nodes, or those of one kind."""
        return (n for n in self._nodes.values() if kind is None or n.kind == kind)

    def edges(self, predicate: str | None = None) -> Iterator[Edge]:
        """Iterates over the edges, or those of one predicate, each once."""
        return (e for e in self._edges.values() if predicate is None or e.predicate == predicate)

    def edge(self, subject: str, predicate: str, obj: str) -> Edge | None:
        """Returns the edge between two nodes, looking both ways where the predicate is symmetric."""
        found = self._edges.get((subject, predicate, obj))
        if found is None and predicate in PREDICATES and PREDICATES[predicate].symmetric:
            found = self._edges.get((obj, predicate, subject))
        return found

    def has(self, subject: str, predicate: str, obj: str) -> bool:
        """Tells whether a triple is an edge."""
        return self.edge(subject, predicate, obj) is not None

    def objects(self, subject: str, predicate: str) -> list[str]:
        """Returns what a subject points to along a predicate."""
        return self._objects.get((subject, predicate), [])

    def subjects(self, predicate: str, obj: str) -> list[str]:
        """Returns what points to an object along a predicate."""
        return self._subjects.get((predicate, obj), [])

    def resolve(self, name: str) -> str | None:
        """Returns the id of the node with this name, synonym or id, spelling folded; None where there is none or several."""
        return name if name in self._nodes else self._by_name.get(fold(name))

    @cached_property
    def _by_name(self) -> dict[str, str | None]:
        index: dict[str, str | None] = {}
        for node in self._nodes.values():
            for name in {fold(n) for n in (node.name, *node.synonyms)}:
                index[name] = node.id if index.get(name, node.id) == node.id else None
        return index

    def covers(self, drug: str, context: str) -> bool:
        """Tells whether the graph's silence about a drug and a node of a patient's context means safety.

        It does where the drug declares its coverage `complete` on the axis of that node and the node is one that
        coverage was judged against (`risk: true`).
        """
        node = self._nodes[context]
        axis = RISK_AXIS.get(node.kind, "")
        return bool(node.attributes.get("risk")) and self._nodes[drug].attributes.get("coverage", {}).get(axis) == "complete"

    @cached_property
    def sha256(self) -> str:
        """Hash of everything in the graph that an example can depend on."""
        digest = hashlib.sha256(json.dumps([self.name, self.version, self.salt]).encode())
        for node in self._nodes.values():
            record = [node.id, node.kind, node.name, list(node.synonyms), dict(node.attributes)]
            digest.update(json.dumps(record, sort_keys=True).encode())
        for edge in self._edges.values():
            facts: list[Any] = [*edge.triple, edge.source, edge.verified, dict(edge.attributes)]
            digest.update(json.dumps(facts, sort_keys=True).encode())
        return digest.hexdigest()

    def counts(self) -> dict[str, dict[str, int]]:
        """Returns how many nodes there are of each kind and edges of each predicate."""
        return {
            "nodes": dict(Counter(n.kind for n in self._nodes.values()).most_common()),
            "edges": dict(Counter(e.predicate for e in self._edges.values()).most_common()),
        }


def violations(nodes: list[Node], edges: list[Edge], places: Mapping[Any, str]) -> Iterator[Problem]:
    """Lists what breaks the ontology: identifiers, kinds, dangling ends, domain and range, duplicates, sources, cycles."""
    by_id: dict[str, Node] = {}
    for node in nodes:
        where = places.get(node.id, "")
        if not is_curie(node.id):
            yield Problem(f"node id '{node.id}' is not a CURIE", where, "write prefix:local_name")
        if node.kind not in KINDS:
            yield Problem(f"node '{node.id}' has unknown kind '{node.kind}'", where, did_you_mean(node.kind, KINDS))
        if node.id in by_id:
            yield Problem(f"node '{node.id}' is defined twice", where)
        if not node.name.strip():
            yield Problem(f"node '{node.id}' has no name", where)
        for axis in node.attributes.get("coverage", {}):
            if axis not in AXES:
                yield Problem(f"node '{node.id}' declares coverage of unknown axis '{axis}'", where, did_you_mean(axis, AXES))
        by_id[node.id] = node
    seen: set[Triple] = set()
    for edge in edges:
        where = places.get(edge.triple, "")
        said = f"edge {edge.subject} {edge.predicate} {edge.object}"
        predicate = PREDICATES.get(edge.predicate)
        if predicate is None:
            yield Problem(f"{said}: unknown predicate '{edge.predicate}'", where, did_you_mean(edge.predicate, PREDICATES))
        if not edge.source:
            yield Problem(f"{said} has no source", where)
        for end, role, kinds in (
            (edge.subject, "subject", predicate.domain if predicate else ()),
            (edge.object, "object", predicate.range if predicate else ()),
        ):
            if end not in by_id:
                yield Problem(f"{said} dangles: there is no node '{end}'", where, did_you_mean(end, by_id))
            elif kinds and by_id[end].kind not in kinds:
                yield Problem(f"{said}: the {role} is a {by_id[end].kind}, not a {' or '.join(kinds)}", where)
        mirror = (edge.object, edge.predicate, edge.subject) if predicate and predicate.symmetric else edge.triple
        if edge.triple in seen or mirror in seen:
            yield Problem(f"{said} stands twice", where)
        seen.add(edge.triple)
    for subject, predicate_name, obj in seen:
        if predicate_name == "treats" and (subject, "contraindicated_in", obj) in seen:
            yield Problem(f"{subject} both treats and is contraindicated in {obj}", places.get((subject, "treats", obj), ""))
    hierarchy = nx.DiGraph((s, o) for s, p, o in seen if p == "subclass_of")
    if not nx.is_directed_acyclic_graph(hierarchy):
        cycle = " -> ".join(s for s, _ in nx.find_cycle(hierarchy))
        yield Problem(f"subclass_of runs in a circle: {cycle}")
