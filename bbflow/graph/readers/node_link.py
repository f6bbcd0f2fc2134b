"""Node-link JSON, as `networkx.node_link_data` writes it: `{"nodes": [{"id", "kind", "name", ...}], "edges": [...]}`.

An edge has `source` and `target` (node ids, networkx's words) and `key` or `predicate` for the relation; since `source` is
taken, the origin of the fact is called `provenance`. networkx's older name `links` for `edges` is read as well.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node

_NODE_KEYS = {"id", "kind", "name", "synonyms"}
_EDGE_KEYS = {"source", "target", "key", "predicate", "provenance", "verified"}


def read(path: Path) -> KnowledgeGraph:
    """Reads a node-link file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(Problem(f"not valid JSON: {error.msg}", f"{path}:{error.lineno}:{error.colno}")) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem(f"cannot be read as UTF-8 text: {error}", str(path))) from None
    if not isinstance(data, dict) or not isinstance(data.get("nodes"), list):
        raise InputError(Problem("a node-link file is an object with 'nodes' and 'edges'", str(path)))
    nodes: list[Node] = []
    edges: list[Edge] = []
    problems: list[Problem] = []
    places: dict[Any, str] = {}
    for i, raw in enumerate(data["nodes"]):
        where = f"{path}: nodes[{i}]"
        if not isinstance(raw, dict) or not all(isinstance(raw.get(k), str) for k in ("id", "kind", "name")):
            problems.append(Problem("a node needs id, kind and name", where))
            continue
        attributes = {k: v for k, v in raw.items() if k not in _NODE_KEYS}
        nodes.append(Node(raw["id"], raw["kind"], raw["name"], tuple(raw.get("synonyms") or ()), attributes))
        places[raw["id"]] = where
    for i, raw in enumerate(data.get("edges") or data.get("links") or []):
        where = f"{path}: edges[{i}]"
        predicate = raw.get("predicate", raw.get("key")) if isinstance(raw, dict) else None
        if not isinstance(predicate, str) or not all(isinstance(raw.get(k), str) for k in ("source", "target")):
            problems.append(Problem("an edge needs source, target and predicate", where))
            continue
        attributes = {k: v for k, v in raw.items() if k not in _EDGE_KEYS}
        origin = str(raw.get("provenance") or "")
        edges.append(Edge(raw["source"], predicate, raw["target"], origin, raw.get("verified") is True, attributes))
        places[edges[-1].triple] = where
    if problems:
        raise InputError(*problems)
    about: dict[str, Any] = data["graph"] if isinstance(data.get("graph"), dict) else {}
    head = {k: str(about[k]) for k in ("name", "version", "salt") if k in about}
    return KnowledgeGraph(nodes, edges, **{"name": path.stem, **head}, about=about, places=places)


def write(graph: KnowledgeGraph, path: Path) -> None:
    """Writes a graph so that `read` gives it back."""
    nodes = [{"id": n.id, "kind": n.kind, "name": n.name, "synonyms": list(n.synonyms), **n.attributes} for n in graph.nodes()]
    edges = [
        {"source": e.subject, "target": e.object, "key": e.predicate, "provenance": e.source, "verified": e.verified, **e.attributes}
        for e in graph.edges()
    ]
    head = {**graph.about, "name": graph.name, "version": graph.version, "salt": graph.salt}
    data = {"directed": True, "multigraph": True, "graph": head, "nodes": nodes, "edges": edges}
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
