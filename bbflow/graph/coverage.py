"""What silence about a drug and a patient's condition means: the nodes that the drugs of a graph were judged against.

A drug is safe by silence only where it was judged. Its `coverage` says `complete` or `partial` on each axis; what `complete`
is complete for is the list `complete_for` in the head of the graph, axis by axis. A drug may name further nodes that it was
judged against in `judged`, and in `undecided` nodes of the list about which its silence means nothing, because the sources
disagree. A graph without `complete_for` is complete for its nodes with `risk: true`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bbflow.errors import Problem, did_you_mean
from bbflow.graph.elements import Node
from bbflow.graph.ontology import AXES, RISK_AXIS

Where = Callable[..., str]
"""A function from keys of the head to `file:line:column`."""

_EXTENTS = ("complete", "partial")


def is_judged(drug: Node, context: Node, complete_for: Mapping[str, Sequence[str]] | None) -> bool:
    """Return whether a drug was judged against a node, so that a missing edge between them is a statement.

    >>> drug = Node("d:a", "Drug", "a", attributes={"coverage": {"disease": "complete"}, "judged": ["x:c"]})
    >>> gout, angina, cold = (Node(f"x:{n}", "Disease", n, attributes={"risk": True}) for n in "bcd")
    >>> [is_judged(drug, node, {"disease": ["x:b"]}) for node in (gout, angina, cold)]
    [True, True, False]
    """
    if not context.attributes.get("risk"):
        return False
    if context.id in drug.attributes.get("undecided", ()) or drug.id in context.attributes.get("undecided", ()):
        return False
    if context.id in drug.attributes.get("judged", ()):
        return True
    axis = RISK_AXIS.get(context.kind, "")
    listed = complete_for is None or context.id in complete_for.get(axis, ())
    return listed and drug.attributes.get("coverage", {}).get(axis) == "complete"


def node_problems(node: Node) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with `coverage`, `risk`, `judged` and `undecided` of a node: rule, sentence, hint."""
    coverage, risk = node.attributes.get("coverage", {}), node.attributes.get("risk", False)
    name = node.id[:100]
    if not isinstance(coverage, Mapping):
        hint = "a mapping of axis to complete or partial; in a table a column for each axis, `coverage.disease`"
        yield "coverage", f"node '{name}' declares coverage '{str(coverage)[:100]}'", hint
        coverage = {}
    if not isinstance(risk, bool):
        yield "risk", f"node '{name}' has risk {risk!r:.60}", "true or false, without quotes"
    for axis, extent in coverage.items():
        if axis not in AXES:
            yield "coverage", f"node '{name}' declares coverage of unknown axis '{axis}'", did_you_mean(axis, AXES)
        elif extent not in _EXTENTS:
            yield "coverage", f"node '{name}' declares coverage '{extent}' of {axis}", "complete or partial"
    for key in ("judged", "undecided"):
        listed = node.attributes.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
            yield "coverage", f"node '{name}' has {key} {listed!r:.60}", "a list of node ids"


def reference_problems(nodes: Mapping[str, Node], node: Node) -> Iterator[str]:
    """Yield what is wrong with the nodes that `judged` and `undecided` of a node name."""
    for key in ("judged", "undecided"):
        listed = node.attributes.get(key, ())
        for entry in listed if isinstance(listed, list) else ():
            if fault := _fault(nodes, entry):
                yield f"node '{node.id[:100]}' says {key}: {fault}"


def head_problems(nodes: Mapping[str, Node], about: Mapping[str, Any], where: Where) -> Iterator[Problem]:
    """Yield what is wrong with `complete_for` in the head of a graph.

    Args:
        nodes: Every node by id.
        about: Head of the graph.
        where: Location of a key of the head.
    """
    listed = about.get("complete_for", {})
    if not isinstance(listed, Mapping):
        yield Problem("'complete_for' is no mapping of axis to nodes", where("complete_for"), f"axes: {', '.join(AXES)}")
        return
    for axis, entries in listed.items():
        if axis not in AXES:
            yield Problem(f"'complete_for' names the unknown axis '{axis}'", where("complete_for", axis), did_you_mean(str(axis), AXES))
            continue
        if not isinstance(entries, list):
            yield Problem(f"'complete_for' of {axis} is no list of nodes", where("complete_for", axis))
            continue
        for i, entry in enumerate(entries):
            fault = _fault(nodes, entry, axis)
            if fault:
                yield Problem(f"'complete_for' of {axis}: {fault}", where("complete_for", axis, i), did_you_mean(str(entry), nodes))


def _fault(nodes: Mapping[str, Node], entry: object, axis: str = "") -> str:
    """Return why an id cannot be what drugs are judged against; empty where it can."""
    node = nodes.get(entry) if isinstance(entry, str) else None
    if node is None:
        return f"there is no node '{str(entry)[:100]}'"
    on = RISK_AXIS.get(node.kind, "")
    if not on or (axis and on != axis):
        return f"'{node.id}' is a {node.kind}, which belongs to {f'the axis {on}' if on else 'no axis'}"
    return "" if node.kind == "Drug" or node.attributes.get("risk") is True else f"'{node.id}' is not marked `risk: true`"
