"""A medical knowledge graph: typed nodes and typed, sourced edges over a networkx multigraph.

Nodes and edges keep the order of their files, so that a seeded walk over the graph is reproducible.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import networkx as nx

from bbflow.graph.coverage import Where, is_judged
from bbflow.graph.elements import Edge, Node
from bbflow.graph.ontology import PREDICATES
from bbflow.graph.validation import GraphError, violations
from bbflow.records import Triple


def fold(name: str) -> str:
    """Fold case, spacing and punctuation, so that different spellings of a name compare equal.

    >>> fold("Trimethoprim-Sulfamethoxazole ") == fold("trimethoprim sulfamethoxazole")
    True
    """
    return " ".join(_NAME_PARTS(name.casefold()))


_NAME_PARTS = re.compile(r"[a-z0-9%]+").findall


class KnowledgeGraph:
    """Nodes and edges, with the look-ups shared by synthesis, rules and rewards.

    Args:
        nodes: In file order.
        edges: In file order; ends must be among the nodes.
        name: Name of the graph in the provenance of examples.
        version: Version of its contents.
        salt: Mixed into the hash that assigns splits; changes the splits, not the items.
        about: One paragraph for cards and reports, licence and disclaimer included; and `complete_for`, axis to the nodes that
            drugs of complete coverage were judged against.
        node_places: `file:line` of each node, for messages; optional.
        edge_places: `file:line` of each edge, for messages; optional.
        where: Location of a key of `about`, for messages; optional.

    Raises:
        GraphError: The graph breaks the ontology; every violation is listed with its place.
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        edges: Iterable[Edge],
        name: str = "graph",
        version: str = "0",
        salt: str = "",
        about: Mapping[str, Any] | None = None,
        node_places: Sequence[str] = (),
        edge_places: Sequence[str] = (),
        where: Where = lambda *keys: "",
    ) -> None:
        self.name, self.version, self.salt, self.about = name, version, salt or name, dict(about or {})
        nodes, edges = list(nodes), list(edges)
        found = list(violations(nodes, edges, node_places, edge_places, self.about, where))
        if found:
            raise GraphError((), found)
        self._nodes = {node.id: node for node in nodes}
        self._edges: dict[Triple, Edge] = {}
        self._objects: dict[tuple[str, str], list[str]] = {}
        self._subjects: dict[tuple[str, str], list[str]] = {}
        for edge in edges:
            subject, predicate, obj = triple = edge.triple
            self._edges[triple] = edge
            self._objects.setdefault((subject, predicate), []).append(obj)
            self._subjects.setdefault((predicate, obj), []).append(subject)
            if PREDICATES[predicate].symmetric:
                self._objects.setdefault((obj, predicate), []).append(subject)
                self._subjects.setdefault((predicate, subject), []).append(obj)

    @cached_property
    def networkx(self) -> nx.MultiDiGraph:
        """The graph for networkx: predicates are edge keys, everything else attributes; built on first access."""
        graph = nx.MultiDiGraph(name=self.name)
        for node in self._nodes.values():
            graph.add_node(node.id, **{**node.attributes, "kind": node.kind, "name": node.name, "synonyms": list(node.synonyms)})
        for edge in self._edges.values():
            more = {**edge.attributes, "source": edge.source, "verified": edge.verified}
            graph.add_edges_from([(edge.subject, edge.object, edge.predicate, more)])
        return graph

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    def node(self, node_id: str) -> Node:
        """Return a node by id; raise KeyError for an unknown id."""
        return self._nodes[node_id]

    def name_of(self, node_id: str) -> str:
        """Return the preferred name of a node."""
        return self._nodes[node_id].name

    def nodes(self, kind: str | None = None) -> Iterator[Node]:
        """Iterate over the nodes, or those of one kind."""
        return (n for n in self._nodes.values() if kind is None or n.kind == kind)

    def edges(self, predicate: str | None = None) -> Iterator[Edge]:
        """Iterate over the edges, or those of one predicate, each once."""
        return (e for e in self._edges.values() if predicate is None or e.predicate == predicate)

    def edge(self, subject: str, predicate: str, obj: str) -> Edge | None:
        """Return the edge between two nodes, in either direction if the predicate is symmetric."""
        found = self._edges.get((subject, predicate, obj))
        if found is None and predicate in PREDICATES and PREDICATES[predicate].symmetric:
            found = self._edges.get((obj, predicate, subject))
        return found

    def has(self, subject: str, predicate: str, obj: str) -> bool:
        """Return whether a triple is an edge."""
        return self.edge(subject, predicate, obj) is not None

    def objects(self, subject: str, predicate: str) -> list[str]:
        """Return the objects of a subject's edges with a predicate."""
        return self._objects.get((subject, predicate), [])

    def subjects(self, predicate: str, obj: str) -> list[str]:
        """Return the subjects of the edges with a predicate to an object."""
        return self._subjects.get((predicate, obj), [])

    def resolve(self, name: str) -> str | None:
        """Return the id of the node with this name, synonym or id, spelling folded; None if there is none or several."""
        return name if name in self._nodes else self._by_name.get(fold(name))

    @cached_property
    def ambiguous(self) -> frozenset[str]:
        """Ids of the nodes whose preferred name is also a name of another node; a question that names one has no single answer."""
        return frozenset(node.id for node in self._nodes.values() if self.resolve(node.name) != node.id)

    @cached_property
    def _by_name(self) -> dict[str, str | None]:
        index: dict[str, str | None] = {}
        for node in self._nodes.values():
            for name in {fold(n) for n in (node.name, *node.synonyms)}:
                index[name] = node.id if index.get(name, node.id) == node.id else None
        return index

    def induced(self, node_ids: Collection[str], name: str) -> KnowledgeGraph:
        """Return the subgraph of some nodes and of all edges between them, under a new name.

        Raises:
            KeyError: A node is not in this graph.
        """
        for node_id in node_ids:
            self.node(node_id)
        nodes = (_within(node, node_ids) for node in self.nodes() if node.id in node_ids)
        edges = (edge for edge in self.edges() if edge.subject in node_ids and edge.object in node_ids)
        about = dict(self.about)
        if self.complete_for is not None:
            about["complete_for"] = {axis: [n for n in listed if n in node_ids] for axis, listed in self.complete_for.items()}
        return KnowledgeGraph(nodes, edges, name, self.version, self.salt, about)

    @property
    def complete_for(self) -> Mapping[str, Sequence[str]] | None:
        """Axis to the nodes that drugs of complete coverage were judged against; None means every node with `risk: true`."""
        return self.about.get("complete_for")

    def covers(self, drug: str, context: str) -> bool:
        """Return whether a drug with no edge to a node of a patient's context counts as safe in that context.

        True if the drug was judged against that node; `bbflow.graph.coverage` says how a graph declares it.
        """
        return is_judged(self._nodes[drug], self._nodes[context], self.complete_for)

    @cached_property
    def sha256(self) -> str:
        """Hash of everything in the graph that can affect an example."""
        digest = hashlib.sha256(json.dumps([self.name, self.version, self.salt]).encode())
        if self.complete_for is not None:
            digest.update(json.dumps(self.complete_for, sort_keys=True).encode())
        for node in self._nodes.values():
            record = [node.id, node.kind, node.name, list(node.synonyms), dict(node.attributes)]
            digest.update(json.dumps(record, sort_keys=True).encode())
        for edge in self._edges.values():
            facts: list[Any] = [*edge.triple, edge.source, edge.verified, dict(edge.attributes)]
            digest.update(json.dumps(facts, sort_keys=True).encode())
        return digest.hexdigest()

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of nodes of each kind and of edges of each predicate."""
        return {
            "nodes": dict(Counter(n.kind for n in self._nodes.values()).most_common()),
            "edges": dict(Counter(e.predicate for e in self._edges.values()).most_common()),
        }


def _within(node: Node, node_ids: Collection[str]) -> Node:
    """Return a node whose `judged` and `undecided` name only nodes of a subgraph."""
    lists = {key: [n for n in node.attributes[key] if n in node_ids] for key in ("judged", "undecided") if key in node.attributes}
    return replace(node, attributes={**node.attributes, **lists}) if lists else node
