"""Incremental construction of a graph: nodes and edges with their locations, malformed rows, and rows left out on purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from bbflow.errors import Problem
from bbflow.graph.coverage import Where
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.graph.readers.annotations import Annotation, annotated
from bbflow.graph.source_locations import SourceLocations
from bbflow.graph.validation import REPETITIONS, GraphError, violations
from bbflow.records import Triple

OnError = Literal["refuse", "skip"]


class GraphBuilder:
    """Builder of the graph that a reader reads.

    Args:
        on_error: `refuse` collects every problem and raises at the end; `skip` omits and counts malformed rows, and nodes and
            edges that violate the ontology.
        merge: Whether a repeated edge counts as one (the repeated row is counted as left out) or is an error.
    """

    def __init__(self, on_error: OnError = "refuse", merge: bool = False) -> None:
        self.on_error, self.merge = on_error, merge
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.node_places, self.edge_places = SourceLocations(), SourceLocations()
        self.skipped: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self._seen: set[Triple] = set()
        self._annotations: list[tuple[Annotation, str]] = []

    def node(self, node: Node, file: Path, line: int, column: int = 0) -> None:
        """Add a node."""
        self.nodes.append(node)
        self.node_places.add(file, line, column)

    def edge(self, edge: Edge, file: Path, line: int, column: int = 0, either_way: bool = False) -> None:
        """Add an edge; with `either_way`, the same edge in the other direction counts as the same edge."""
        if self.merge:
            triple = edge.triple
            if triple in self._seen or (either_way and (edge.object, edge.predicate, edge.subject) in self._seen):
                self.left_out[f"{edge.predicate}: is there already"] += 1
                return
            self._seen.add(triple)
        self.edges.append(edge)
        self.edge_places.add(file, line, column)

    def annotate(self, annotation: Annotation, where: str) -> None:
        """Add attributes to nodes and edges, whichever file they stand in."""
        self._annotations.append((annotation, where))

    def malformed(self, what: str, where: str, hint: str = "", reason: str = "", rows: int = 1) -> None:
        """Record an unusable row, or several of one kind; they are counted under `reason`."""
        if self.on_error == "skip":
            self.skipped[reason or what] += rows
        else:
            self.problems.append(Problem(what, where, hint))

    def build(self, name: str, version: str, about: Mapping[str, Any], where: Where = lambda *keys: "") -> KnowledgeGraph:
        """Return the graph.

        Args:
            name: Name of the graph.
            version: Its version.
            about: Head of the graph.
            where: Location of a key of the head.

        Raises:
            GraphError: Rows were malformed, or the graph breaks the ontology.
        """
        self.nodes, self.edges, problems = annotated(self.nodes, self.edges, self._annotations)
        for problem in problems:
            self.malformed(problem.what, problem.where, problem.hint, reason="annotation of nothing")
        if self.problems:
            raise GraphError(self.problems, list(violations(self.nodes, self.edges, self.node_places, self.edge_places, about, where)))
        if self.on_error == "skip":
            self._drop_violations()
        told = {"left_out": dict(self.left_out), "skipped": dict(self.skipped)}
        about = {**about, **{key: counts for key, counts in told.items() if counts}}
        head = {"name": name, "version": version, **{k: str(about[k]) for k in ("salt",) if k in about}}
        nodes, edges = self.node_places, self.edge_places
        return KnowledgeGraph(self.nodes, self.edges, **head, about=about, node_places=nodes, edge_places=edges, where=where)

    def _drop_violations(self) -> None:
        """Drop violations until none is left: a dropped node leaves edges dangling, and a cut cycle may leave another cycle."""
        while True:
            bad_nodes: dict[int, str] = {}
            bad_edges: dict[int, str] = {}
            found = list(violations(self.nodes, self.edges))
            # Duplicates are judged last: a row is a duplicate only of a row that is kept.
            for violation in [v for v in found if v.rule not in REPETITIONS] or found:
                if violation.node is not None:
                    bad_nodes.setdefault(violation.node, violation.rule)
                if violation.edge is not None:
                    bad_edges.setdefault(violation.edge, violation.rule)
            if not bad_nodes and not bad_edges:
                return
            self.skipped.update(f"node breaks the rule '{rule}'" for rule in bad_nodes.values())
            self.skipped.update(f"edge breaks the rule '{rule}'" for rule in bad_edges.values())
            nodes = [i for i in range(len(self.nodes)) if i not in bad_nodes]
            edges = [i for i in range(len(self.edges)) if i not in bad_edges]
            self.nodes, self.edges = [self.nodes[i] for i in nodes], [self.edges[i] for i in edges]
            self.node_places.keep(nodes)
            self.edge_places.keep(edges)
