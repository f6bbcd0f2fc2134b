"""The review sheet: a graph's edges as sentences for a clinician to accept, reject or comment, and the result of the review.

A sheet is a CSV or YAML file with one row for each edge, and for sample items made from the graph. The reviewer fills in
`decision` and `comment`; subject, predicate and object identify the edge of a row, and the other columns are for reading only.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.graph.ontology import PREDICATES, RISK_AXIS
from bbflow.graph.readers.lines import lines
from bbflow.io.yaml import read_yaml
from bbflow.records import Triple

COLUMNS = ("row", "decision", "comment", "statement", "answer", "source", "verified", "details", "subject", "predicate", "object", "id")
DECISIONS = ("accept", "reject", "")
_RISKS = ("contraindicated_in", "caution_in", "interacts_with")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets read a cell with one of these first characters as a formula."""


@dataclass
class ReviewOutcome:
    """Result of applying a sheet to a graph.

    Attributes:
        graph: The graph after the review.
        counts: `accepted`, `rejected`, `commented` and `undecided` edges, `items accepted` and `items rejected`.
        lowered: Drugs whose coverage of an axis is no longer complete after an edge of that axis was rejected: (drug, axis).
        remarks: Comments, and rejected items: (statement, comment).
    """

    graph: KnowledgeGraph
    counts: Counter[str] = field(default_factory=Counter)
    lowered: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)


def edge_rows(graph: KnowledgeGraph, verified: bool = False) -> list[dict[str, str]]:
    """Return a row for each edge that is not verified, or for every edge."""
    rows = []
    for edge in graph.edges():
        if edge.verified and not verified:
            continue
        sentence = f"{graph.name_of(edge.subject)} {PREDICATES[edge.predicate].phrase} {graph.name_of(edge.object)}"
        details = ", ".join(f"{key}: {value}" for key, value in edge.attributes.items())
        ends = {"subject": edge.subject, "predicate": edge.predicate, "object": edge.object}
        said = {"statement": sentence, "source": edge.source, "verified": "yes" if edge.verified else "no", "details": details}
        rows.append(dict.fromkeys(COLUMNS, "") | {"row": "edge", **said, **ends})
    return rows


def item_row(id: str, prompt: str, answer: str, edges: Sequence[Triple]) -> dict[str, str]:
    """Return the row of a sample item."""
    said = {"statement": prompt, "answer": answer, "details": "; ".join(" ".join(edge) for edge in edges), "id": id}
    return dict.fromkeys(COLUMNS, "") | {"row": "item", **said}


def write_sheet(rows: Iterable[dict[str, str]], path: Path) -> None:
    """Write a sheet: CSV with a byte order mark for spreadsheets, or YAML by the suffix of the file."""
    if path.suffix in (".yaml", ".yml"):
        kept = [{key: value for key, value in row.items() if value or key in ("decision", "comment")} for row in rows]
        text = "# decision: accept, reject, or empty; comment: what should be kept.\n"
        path.write_text(text + yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
        return
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS)
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"'{value}" if value.startswith(_FORMULA) else value for key, value in row.items()})
    path.write_bytes(buffer.getvalue().encode("utf-8-sig"))


_TOLD = 20
"""Limit of reported problems; a sheet of another graph has a problem in every row."""


def read_sheet(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Read a sheet: each row with its location.

    Raises:
        InputError: It is not a review sheet, or a decision is invalid; every problem with file and line.
    """
    if not path.is_file():
        raise InputError(Problem("no such review sheet", str(path)))
    rows = _yaml_rows(path) if path.suffix in (".yaml", ".yml") else _csv_rows(path)
    problems = []
    for place, row in rows:
        row["decision"] = row.get("decision", "").strip().lower()
        if row["decision"] not in DECISIONS:
            problems.append(Problem(f"'{row['decision']}' is no decision", place, did_you_mean(row["decision"], ("accept", "reject"))))
        if row.get("row") not in ("edge", "item"):
            problems.append(Problem("the column 'row' says edge or item", place))
    if problems:
        raise InputError(*problems)
    return rows


def apply_sheet(graph: KnowledgeGraph, rows: Sequence[tuple[str, dict[str, str]]], reviewer: str = "") -> ReviewOutcome:
    """Set `verified` on accepted edges, drop rejected ones, keep comments.

    If a contraindication, caution or interaction is rejected, its drugs lose `coverage: complete` on that axis, because
    the missing edge no longer implies that the pair is safe.

    Args:
        graph: Graph that the sheet was written from.
        rows: Result of `read_sheet`.
        reviewer: Stored on accepted edges as `verified_by`.

    Raises:
        InputError: A row names an edge that is not in the graph, or two rows decide differently about one edge.
    """
    decided: dict[Triple, dict[str, str]] = {}
    problems = []
    reviewed = ReviewOutcome(graph)
    for place, row in rows:
        decision, comment = row["decision"], row.get("comment", "").strip()
        if row["row"] == "item":
            if decision:
                reviewed.counts[f"items {decision}ed"] += 1
            if comment or decision == "reject":
                reviewed.remarks.append((row.get("statement", ""), comment or "rejected"))
            continue
        edge = graph.edge(row.get("subject", ""), row.get("predicate", ""), row.get("object", ""))
        if edge is None:
            said = " ".join(row.get(key, "") for key in ("subject", "predicate", "object"))
            problems.append(Problem(f"the graph has no edge {said}", place, "was the sheet written from this graph?"))
        elif decided.get(edge.triple, row)["decision"] != decision:
            problems.append(Problem(f"two rows decide differently about {' '.join(edge.triple)}", place))
        else:
            decided[edge.triple] = row
            if comment:
                reviewed.remarks.append((row.get("statement", ""), comment))
    if problems:
        more = len(problems) - _TOLD
        raise InputError(*problems[:_TOLD], *([Problem(f"and {more:,} more problems")] if more > 0 else []))
    edges = [kept for edge in graph.edges() if (kept := _decide(edge, decided.get(edge.triple), reviewer, reviewed.counts)) is not None]
    rejected = [graph.edge(*triple) for triple, row in decided.items() if row["decision"] == "reject"]
    nodes = _lower_coverage(graph, [edge for edge in rejected if edge is not None], reviewed.lowered)
    about = {**graph.about, "reviewed": {**reviewed.counts, **({"by": reviewer} if reviewer else {})}}
    reviewed.graph = KnowledgeGraph(nodes, edges, graph.name, graph.version, graph.salt, about)
    return reviewed


def _decide(edge: Edge, row: dict[str, str] | None, reviewer: str, counts: Counter[str]) -> Edge | None:
    decision, comment = (row["decision"], row.get("comment", "").strip()) if row is not None else ("", "")
    counts["commented"] += bool(comment)
    counts[{"accept": "accepted", "reject": "rejected", "": "undecided"}[decision]] += 1
    if decision == "reject":
        return None
    more = {**edge.attributes, **({"comment": comment} if comment else {})}
    if decision == "accept":
        return replace(edge, verified=True, attributes={**more, **({"verified_by": reviewer} if reviewer else {})})
    return replace(edge, attributes=more)


def _lower_coverage(graph: KnowledgeGraph, rejected: Sequence[Edge], lowered: list[tuple[str, str]]) -> list[Node]:
    axes: dict[str, set[str]] = {}
    doubted: dict[str, set[str]] = {}
    for edge in rejected:
        if edge.predicate in _RISKS:
            for drug, other in ((edge.subject, edge.object), (edge.object, edge.subject)):
                axes.setdefault(drug, set()).add(RISK_AXIS.get(graph.node(other).kind, ""))
                doubted.setdefault(drug, set()).add(other)
    nodes = []
    for node in graph.nodes():
        coverage = dict(node.attributes.get("coverage", {}))
        partial = [axis for axis in sorted(axes.get(node.id, ())) if coverage.get(axis) == "complete"]
        if partial:
            lowered += [(node.id, axis) for axis in partial]
            node = replace(node, attributes={**node.attributes, "coverage": coverage | dict.fromkeys(partial, "partial")})
        if doubts := doubted.get(node.id, set()) & set(node.attributes.get("judged", ())):
            judged = [entry for entry in node.attributes["judged"] if entry not in doubts]
            node = replace(node, attributes={**node.attributes, "judged": judged})
        nodes.append(node)
    return nodes


def _csv_rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    text = [line + "\n" for _, line in lines(path, whole=False)]
    first = text[0] if text else ""
    delimiter = max(",;\t", key=first.count)  # in some locales, spreadsheets write semicolons
    reader = csv.DictReader(text, delimiter=delimiter, strict=True)
    missing = [name for name in ("row", "decision", "subject", "predicate", "object") if name not in (reader.fieldnames or ())]
    if missing:
        raise InputError(Problem(f"no review sheet: it lacks column {', '.join(map(repr, missing))}", f"{path}:1"))
    rows = []
    try:
        for row in reader:
            values = {key: _unguarded(value or "") for key, value in row.items() if isinstance(key, str) and not isinstance(value, list)}
            if any(values.values()):
                rows.append((f"{path}:{reader.line_num}", values))
    except csv.Error as error:
        raise InputError(Problem(f"not a CSV file: {error}", f"{path}:{reader.line_num}")) from None
    return rows


def _unguarded(value: str) -> str:
    return value[1:] if value.startswith("'") and value[1:].startswith(_FORMULA) else value


def _yaml_rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    file = read_yaml(path)
    if not isinstance(file.data, list):
        raise InputError(Problem("no review sheet: a list of rows is wanted", str(path)))
    rows = []
    for i, raw in enumerate(file.data):
        if not isinstance(raw, dict):
            raise InputError(Problem("a row is a mapping", file.where(i)))
        rows.append((file.where(i), {str(key): _text(value) for key, value in raw.items()}))
    return rows


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
