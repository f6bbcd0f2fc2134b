"""What a knowledge graph must satisfy, one row for each node and each edge (see `bbflow.contracts.language.column_mapping.graph_rows`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bbflow.contracts.engine.row import Finding, MalformedCell, Row, as_texts
from bbflow.contracts.engine.rule import row_rule, table_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.normalization import name_key
from bbflow.text.units import MILLIGRAMS

_GROUP = "graphs"
_SOURCE = re.compile(r"[a-z][a-z0-9_-]*:\S.*")


@row_rule("record", "source", when=lambda row: row.text("record") == "edge", group=_GROUP)
def edges_have_source(row: Row, graph: KnowledgeGraph, *, schemes: Sequence[str] = ("package", "label", "text")) -> Iterator[str]:
    """Every edge says where it comes from: `package:name@version#row`, `label:drug section`, `text:standard knowledge`.

    Args:
        row: The row; a node passes.
        graph: The graph.
        schemes: What may stand before the colon.
    """
    source = row.cell("source")
    if not isinstance(source, str) or not source.strip():
        yield "the edge has no source"
    elif not _SOURCE.fullmatch(source.strip()) or source.partition(":")[0] not in schemes:
        yield f"the source does not begin with one of {', '.join(s + ':' for s in schemes)}"
    elif source.startswith("package:") and not re.fullmatch(r"package:[\w.-]+@[\w.+-]+#\S.*", source):
        yield "the source is not of the form package:name@version#row"


@row_rule("record", "predicate", "severity", when=lambda row: row.cell("predicate") == "interacts_with", group=_GROUP)
def interactions_have_severity(
    row: Row, graph: KnowledgeGraph, *, severities: Sequence[str] = ("minor", "moderate", "major", "contraindicated")
) -> Iterator[str]:
    """Every interaction states its severity.

    Args:
        row: The row; any other edge passes.
        graph: The graph.
        severities: The words for it.
    """
    severity = row.cell("severity")
    if severity not in severities:
        yield f"the severity is {severity!r}, none of {', '.join(severities)}"


@row_rule("record", "kind", "value", "unit", when=lambda row: row.cell("kind") == "Quantity", group=_GROUP)
def quantities_are_doses(row: Row, graph: KnowledgeGraph, *, largest: float = 20000.0) -> Iterator[str]:
    """Every quantity is a positive mass a day, in a unit that doses can be converted to.

    Args:
        row: The row; any other node passes.
        graph: The graph.
        largest: Most milligrams a day that are believed.
    """
    value, unit = row.cell("value"), str(row.cell("unit"))
    mass, _, per = unit.partition("/")
    if per != "d" or mass not in MILLIGRAMS:
        yield f"the unit is '{unit}', not a mass a day such as mg/d"
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        yield f"the value is {value!r}, not a positive number"
    elif value * MILLIGRAMS[mass] > largest:
        yield f"{value:g} {unit} is more than {largest:g} mg/d"


@table_rule("record", "node_id", "kind", "name", "synonyms", group=_GROUP)
def names_are_unambiguous(rows: Sequence[Row], graph: KnowledgeGraph) -> Iterator[Finding]:
    """No name, synonym or brand of a kind of node means two nodes, whatever its spelling.

    Args:
        rows: All rows.
        graph: The graph.
    """
    seen: dict[tuple[str, str], tuple[str, Row]] = {}
    for row in rows:
        try:
            if row.text("record") != "node":
                continue
            kind, node, names = row.text("kind"), row.text("node_id"), (row.text("name"), *as_texts(row.cell("synonyms") or [], "synonyms"))
        except MalformedCell as problem:
            yield row.finding(str(problem))
            continue
        for name in names:
            key = name_key(name)
            if not key:
                yield row.finding("a name has neither letters nor digits")
                continue
            other, _ = seen.setdefault((kind, key), (node, row))
            if other != node and kind != "Quantity":
                yield row.finding(f"'{name}' also means {other}")


@table_rule("record", "subject", "predicate", "object", group=_GROUP)
def edges_do_not_contradict(
    rows: Sequence[Row],
    graph: KnowledgeGraph,
    *,
    against: dict[str, str] = {"treats": "contraindicated_in"},  # noqa: B006
) -> Iterator[Finding]:
    """No pair of nodes is joined by two edges that contradict each other, and no node to itself: a drug does not interact with itself.

    Args:
        rows: All rows.
        graph: The graph.
        against: Predicate to the one that contradicts it.
    """
    edges: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        try:
            if row.text("record") == "edge":
                edges[row.text("subject"), row.text("predicate"), row.text("object")] = row
        except MalformedCell as problem:
            yield row.finding(str(problem))
    for (subject, predicate, obj), row in edges.items():
        if subject == obj:
            yield row.finding(f"{subject} {predicate} itself")
        for one, other in against.items():
            if predicate == one and (subject, other, obj) in edges:
                yield row.finding(f"{subject} both {one} and {other} {obj}")
