"""Node-link JSON, as `networkx.node_link_data` writes it: `{"nodes": [{"id", "kind", "name", ...}], "edges": [...]}`.

An edge has `source` and `target` (node ids, networkx's words) and `key` or `predicate` for the relation; since `source` is
taken, the origin of the fact is called `provenance`. networkx's older name `links` for `edges` is read as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.graph.readers.graph_builder import GraphBuilder

_NODE_KEYS = {"id", "kind", "name", "synonyms"}
_EDGE_KEYS = {"source", "target", "key", "predicate", "provenance", "verified"}
_ARRAYS = ("nodes", "edges", "links")
_SPACE = re.compile(r"[ \t\n\r]*")


def read(path: Path, draft: GraphBuilder) -> KnowledgeGraph:
    """Read a node-link file."""
    about, arrays = _decode(path)
    if "nodes" not in arrays:
        raise InputError(Problem("a node-link file is an object with 'nodes' and 'edges'", str(path)))
    for line, raw in arrays["nodes"]:
        _read_node(raw, draft, path, line)
    for line, raw in arrays.get("edges") or arrays.get("links") or []:
        _read_edge(raw, draft, path, line)
    head = about.get("graph")
    card: dict[str, Any] = head if isinstance(head, dict) else {}
    return draft.build(str(card.get("name", path.stem)), str(card.get("version", "0")), card)


def _decode(path: Path) -> tuple[dict[str, Any], dict[str, list[tuple[int, Any]]]]:
    """Return the result of `_parse` for a file.

    Raises:
        InputError: The file cannot be read or is no JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if text.lstrip()[:1] not in ("{", ""):
            raise InputError(Problem("a node-link file is an object with 'nodes' and 'edges'", str(path)))
        return _parse(text)
    except json.JSONDecodeError as error:
        raise InputError(Problem(f"not valid JSON: {error.msg}", f"{path}:{error.lineno}:{error.colno}")) from None
    except RecursionError:
        raise InputError(Problem("the JSON is nested too deeply", str(path))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem(f"cannot be read as UTF-8 text: {error}", str(path))) from None


def _read_node(raw: Any, draft: GraphBuilder, path: Path, line: int) -> None:
    if isinstance(raw, dict) and all(isinstance(raw.get(k), str) for k in ("id", "kind", "name")) and _well_shaped(raw):
        attributes = {k: v for k, v in raw.items() if k not in _NODE_KEYS}
        draft.node(Node(raw["id"], raw["kind"], raw["name"], tuple(raw.get("synonyms") or ()), attributes), path, line)
    else:
        draft.malformed("a node needs id, kind and name, synonyms are a list of texts, coverage is an object", f"{path}:{line}")


def _read_edge(raw: Any, draft: GraphBuilder, path: Path, line: int) -> None:
    predicate = raw.get("predicate", raw.get("key")) if isinstance(raw, dict) else None
    verified = raw.get("verified", False) if isinstance(raw, dict) else False
    if not isinstance(verified, bool):
        draft.malformed(f"'verified' is true or false, not {verified!r:.60}", f"{path}:{line}", reason="verified is no truth value")
    elif isinstance(predicate, str) and all(isinstance(raw.get(k), str) for k in ("source", "target")):
        attributes = {k: v for k, v in raw.items() if k not in _EDGE_KEYS}
        origin = str(raw.get("provenance") or "")
        draft.edge(Edge(raw["source"], predicate, raw["target"], origin, verified, attributes), path, line)
    else:
        draft.malformed("an edge needs source, target and predicate", f"{path}:{line}")


def write(graph: KnowledgeGraph, path: Path) -> None:
    """Write a graph as node-link JSON for `read`."""
    nodes = [{"id": n.id, "kind": n.kind, "name": n.name, "synonyms": list(n.synonyms), **n.attributes} for n in graph.nodes()]
    edges = [
        {"source": e.subject, "target": e.object, "key": e.predicate, "provenance": e.source, "verified": e.verified, **e.attributes}
        for e in graph.edges()
    ]
    head = {**graph.about, "name": graph.name, "version": graph.version, "salt": graph.salt}
    data = {"directed": True, "multigraph": True, "graph": head, "nodes": nodes, "edges": edges}
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _well_shaped(raw: dict[str, Any]) -> bool:
    synonyms = raw.get("synonyms") or []
    return isinstance(synonyms, list) and all(isinstance(s, str) for s in synonyms) and isinstance(raw.get("coverage", {}), dict)


def _parse(text: str) -> tuple[dict[str, Any], dict[str, list[tuple[int, Any]]]]:
    """Decode an object member by member, and its arrays of nodes and edges element by element, each with its line."""
    decode = json.JSONDecoder().raw_decode
    about: dict[str, Any] = {}
    arrays: dict[str, list[tuple[int, Any]]] = {}
    at = _expect(text, _skip(text, 0), "{")
    closed = text[at : at + 1] == "}"
    while not closed:
        key, at = decode(text, at)
        at = _expect(text, _skip(text, at), ":")
        if key in _ARRAYS and text[at : at + 1] == "[":
            elements = _Elements(text, at, decode)
            arrays[key] = list(elements)
            at = elements.end
        else:
            about[key], at = decode(text, at)
        at = _skip(text, at)
        closed = text[at : at + 1] == "}"
        at = at if closed else _expect(text, at, ",")
    if _skip(text, at + 1) != len(text):
        raise json.JSONDecodeError("Extra data", text, at + 1)
    return about, arrays


class _Elements:
    """The elements of an array that starts at `at`, with their lines; `end` is the position after it."""

    def __init__(self, text: str, at: int, decode: Any) -> None:
        self.text, self.at, self.decode, self.end = text, at, decode, at

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        line, counted = 1, 0
        at = _expect(self.text, self.at, "[")
        while self.text[at : at + 1] != "]":
            line, counted = line + self.text.count("\n", counted, at), at
            element, at = self.decode(self.text, at)
            yield line, element
            at = _skip(self.text, at)
            if self.text[at : at + 1] != "]":
                at = _expect(self.text, at, ",")
        self.end = at + 1


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _expect(text: str, at: int, mark: str) -> int:
    """Return the position after a mark and the space behind it."""
    if text[at : at + 1] != mark:
        raise json.JSONDecodeError(f"Expecting '{mark}'", text, at)
    return _skip(text, at + 1)
