"""YAML graphs, made to be edited by hand: a file, or a folder of files that are read in order of their names.

Each file is a mapping with `nodes` and `edges`; `pack.yaml` of a folder (or the top keys of a single file) gives name,
version, salt and whatever else a card should say. An edge is `[subject, predicate, object, source]`, with a fifth mapping
of attributes where there are any, or a mapping with those keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.yaml_file import YamlFile, read_yaml

_NODE_KEYS = {"id", "kind", "name", "synonyms"}
_EDGE_KEYS = {"subject", "predicate", "object", "source", "verified"}


def read(path: Path) -> KnowledgeGraph:
    """Reads a YAML graph; see the module's docstring for its shape."""
    files = sorted(f for f in path.iterdir() if f.suffix in (".yaml", ".yml")) if path.is_dir() else [path]
    nodes: list[Node] = []
    edges: list[Edge] = []
    places: dict[Any, str] = {}
    about: dict[str, Any] = {}
    problems: list[Problem] = []
    for file in (read_yaml(f) for f in files):
        if not isinstance(file.data, dict):
            problems.append(Problem("a graph file is a mapping with 'nodes' and 'edges'", str(file.path)))
            continue
        about.update({k: v for k, v in file.data.items() if k not in ("nodes", "edges")})
        for i in range(len(file.data.get("nodes") or [])):
            _collect(_node, file, "nodes", i, nodes, places, problems)
        for i in range(len(file.data.get("edges") or [])):
            _collect(_edge, file, "edges", i, edges, places, problems)
    if problems:
        raise InputError(*problems)
    head = {k: str(about[k]) for k in ("name", "version", "salt") if k in about}
    return KnowledgeGraph(nodes, edges, **{"name": path.stem, **head}, about=about, places=places)


def _collect(parse: Any, file: YamlFile, key: str, i: int, into: list[Any], places: dict[Any, str], problems: list[Problem]) -> None:
    where = file.where(key, i)
    try:
        item = parse(file.data[key][i])
    except (TypeError, ValueError, KeyError) as error:
        problems.append(Problem(f"malformed entry of '{key}': {error}", where))
        return
    into.append(item)
    places[item.id if isinstance(item, Node) else item.triple] = where


def _node(raw: Any) -> Node:
    if not isinstance(raw, dict):
        raise TypeError(f"a node is a mapping, not {raw!r}")
    missing = {"id", "kind", "name"} - raw.keys()
    if missing:
        raise ValueError(f"a node needs {', '.join(sorted(missing))}")
    if not isinstance(raw.get("coverage", {}), dict):
        raise TypeError("'coverage' is a mapping of axis to complete or partial")
    synonyms = tuple(str(s) for s in raw.get("synonyms", ()))
    return Node(str(raw["id"]), str(raw["kind"]), str(raw["name"]), synonyms, {k: v for k, v in raw.items() if k not in _NODE_KEYS})


def _edge(raw: Any) -> Edge:
    if isinstance(raw, list):
        if len(raw) not in (4, 5) or not all(isinstance(v, str) for v in raw[:4]):
            raise ValueError(f"an edge is [subject, predicate, object, source] and maybe a mapping, not {raw!r}")
        raw = dict(zip(("subject", "predicate", "object", "source"), raw[:4], strict=True)) | (raw[4] if len(raw) == 5 else {})
    missing = {"subject", "predicate", "object"} - raw.keys()
    if missing:
        raise ValueError(f"an edge needs {', '.join(sorted(missing))}")
    attributes = {k: v for k, v in raw.items() if k not in _EDGE_KEYS}
    ends = (str(raw["subject"]), str(raw["predicate"]), str(raw["object"]))
    return Edge(*ends, str(raw.get("source") or ""), raw.get("verified", False) is True, attributes)
