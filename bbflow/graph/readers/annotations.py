"""Annotations: attributes of nodes and edges that are kept apart from them, each with its source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bbflow.errors import Problem, did_you_mean
from bbflow.graph.elements import Edge, Node
from bbflow.records import Triple


@dataclass(frozen=True)
class Annotation:
    """Attributes for several nodes and edges.

    Attributes:
        nodes: Ids of the nodes.
        edges: Triples of the edges.
        source: Where the attributes are from.
        values: Attribute to its value. Lists of several annotations are joined, mappings merged.
    """

    nodes: tuple[str, ...]
    edges: tuple[Triple, ...]
    source: str
    values: Mapping[str, Any]


def annotated(
    nodes: Iterable[Node], edges: Iterable[Edge], annotations: Sequence[tuple[Annotation, str]]
) -> tuple[list[Node], list[Edge], list[Problem]]:
    """Return nodes and edges with the attributes that annotations add.

    Args:
        nodes: The nodes.
        edges: The edges.
        annotations: Each with its place.

    Returns:
        Nodes, edges, and a problem for each name of no node or edge and each second value of an attribute.
    """
    nodes, edges, problems = list(nodes), list(edges), list[Problem]()
    if not annotations:
        return nodes, edges, problems
    more: dict[str | Triple, dict[str, Any]] = {}
    held: dict[str | Triple, Mapping[str, Any]] = {node.id: node.attributes for node in nodes}
    held |= {edge.triple: edge.attributes for edge in edges}
    for annotation, where in annotations:
        for key in (*annotation.nodes, *annotation.edges):
            if key not in held:
                name = key if isinstance(key, str) else " ".join(key)
                hint = did_you_mean(name, [str(k) for k in held if isinstance(k, str)]) if isinstance(key, str) else ""
                problems.append(Problem(f"annotation of '{name}', which is in no file", where, hint))
                continue
            own = more.setdefault(key, {})
            for attribute, value in annotation.values.items():
                if not _add(own, attribute, value) or attribute in held[key]:
                    problems.append(Problem(f"'{attribute}' of '{key}' is given twice", where))
                _add(own, "sources", {attribute: [annotation.source]})
    return (
        [replace(n, attributes={**n.attributes, **more[n.id]}) if n.id in more else n for n in nodes],
        [replace(e, attributes={**e.attributes, **more[e.triple]}) if e.triple in more else e for e in edges],
        problems,
    )


def _add(own: dict[str, Any], attribute: str, value: Any) -> bool:
    """Add a value: join lists, merge mappings of lists; return False if there is another value already."""
    before = own.get(attribute)
    if before is None:
        own[attribute] = {k: list(v) for k, v in value.items()} if isinstance(value, dict) else value
        return True
    if isinstance(before, list) and isinstance(value, list):
        own[attribute] = list(dict.fromkeys([*before, *value]))
        return True
    if isinstance(before, dict) and isinstance(value, dict):
        for key, items in value.items():
            before[key] = list(dict.fromkeys([*before.get(key, []), *items]))
        return True
    return bool(before == value)
