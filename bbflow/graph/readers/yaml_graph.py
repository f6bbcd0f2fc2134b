"""Reader and writer of YAML graphs, which are edited by hand: a file, or a folder of files read in order of their names.

Each file is a mapping with `nodes`, `edges` and `annotations`; `pack.yaml` of a folder (or the top keys of a single file) gives
name, version, salt, `complete_for` and further entries for the card. An edge is `[subject, predicate, object, source]`, with an
optional fifth element, a mapping of attributes, or a mapping with those keys. An annotation adds attributes to the nodes and edges of
any file that it lists under `nodes` (ids) and `edges` (triples); its `source` is kept under `sources` of each, by attribute.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.graph.readers.annotations import Annotation
from bbflow.graph.readers.graph_builder import GraphBuilder
from bbflow.graph.readers.lines import lines
from bbflow.io.yaml import YamlFile, read_yaml

_LISTS = ("nodes", "edges", "annotations")
_NODE_KEYS = {"id", "kind", "name", "synonyms"}
_EDGE_KEYS = {"subject", "predicate", "object", "source", "verified"}


def read(path: Path, draft: GraphBuilder) -> KnowledgeGraph:
    """Read a YAML graph; the module's docstring describes the format."""
    files = sorted(f for f in path.iterdir() if f.suffix in (".yaml", ".yml")) if path.is_dir() else [path]
    about: dict[str, Any] = {}
    heads: dict[str, YamlFile] = {}
    for path_of_file in files:
        for _ in lines(path_of_file, whole=False):  # the YAML parser does not limit the length of a line
            pass
        file = read_yaml(path_of_file)
        if not isinstance(file.data, dict):
            raise InputError(Problem("a graph file is a mapping with 'nodes' and 'edges'", str(file.path)))
        head = {k: v for k, v in file.data.items() if k not in _LISTS}
        about.update(head)
        heads.update(dict.fromkeys(head, file))
        for key in _LISTS:
            _collect(file, key, draft)
    name, version = str(about.get("name", path.stem)), str(about.get("version", "0"))
    return draft.build(name, version, about, lambda key, *more: heads[key].where(key, *more))


def write(graph: KnowledgeGraph, path: Path) -> None:
    """Write a graph as one YAML file for `read`, with one line for each node and edge."""
    head = {**graph.about, "name": graph.name, "version": graph.version, "salt": graph.salt}
    nodes = []
    for n in graph.nodes():
        synonyms = {"synonyms": list(n.synonyms)} if n.synonyms else {}
        nodes.append({"id": n.id, "kind": n.kind, "name": n.name, **synonyms, **n.attributes})
    edges: list[list[Any]] = []
    for e in graph.edges():
        more = {**({"verified": True} if e.verified else {}), **e.attributes}
        edges.append([*e.triple, e.source, more] if more else [*e.triple, e.source])
    blocks = [yaml.safe_dump(head, sort_keys=False, allow_unicode=True)]
    for key, rows in (("nodes", nodes), ("edges", edges)):
        blocks.append(f"{key}:\n" + "".join(f"  - {_line(row)}\n" for row in rows) if rows else f"{key}: []\n")
    path.write_text("".join(blocks), encoding="utf-8")


def _line(row: Any) -> str:
    return str(yaml.safe_dump(row, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf"))).strip()


def _collect(file: YamlFile, key: str, draft: GraphBuilder) -> None:
    entries = file.data.get(key) or []
    if not isinstance(entries, list):
        raise InputError(Problem(f"'{key}' is a list", file.where(key)))
    for i, raw in enumerate(entries):
        line, column = file.lines[key, i]
        try:
            if key == "nodes":
                draft.node(_node(raw), file.path, line, column)
            elif key == "annotations":
                draft.annotate(_annotation(raw), file.where(key, i))
            else:
                draft.edge(_edge(raw), file.path, line, column)
        except (TypeError, ValueError, KeyError) as error:
            draft.malformed(f"malformed entry of '{key}': {error}", file.where(key, i), reason=f"malformed entry of '{key}'")


def _node(raw: Any) -> Node:
    if not isinstance(raw, dict):
        raise TypeError(f"a node is a mapping, not {raw!r}")
    missing = {"id", "kind", "name"} - raw.keys()
    if missing:
        raise ValueError(f"a node needs {', '.join(sorted(missing))}")
    if not isinstance(raw.get("coverage", {}), dict):
        raise TypeError("'coverage' is a mapping of axis to complete or partial")
    if not isinstance(raw.get("synonyms") or [], list):
        raise TypeError("'synonyms' is a list of names")
    synonyms = tuple(str(s) for s in raw.get("synonyms") or ())
    return Node(str(raw["id"]), str(raw["kind"]), str(raw["name"]), synonyms, _attributes(raw, _NODE_KEYS))


def _edge(raw: Any) -> Edge:
    if isinstance(raw, list):
        if len(raw) not in (4, 5) or not all(isinstance(v, str) for v in raw[:4]):
            raise ValueError(f"an edge is [subject, predicate, object, source] and maybe a mapping, not {raw!r}")
        if len(raw) == 5 and not isinstance(raw[4], dict):
            raise TypeError(f"the fifth part of an edge is a mapping of attributes, not {raw[4]!r}")
        raw = dict(zip(("subject", "predicate", "object", "source"), raw[:4], strict=True)) | (raw[4] if len(raw) == 5 else {})
    if not isinstance(raw, dict):
        raise TypeError(f"an edge is a list or a mapping, not {raw!r}")
    missing = {"subject", "predicate", "object"} - raw.keys()
    if missing:
        raise ValueError(f"an edge needs {', '.join(sorted(missing))}")
    attributes = _attributes(raw, _EDGE_KEYS)
    ends = (str(raw["subject"]), str(raw["predicate"]), str(raw["object"]))
    verified = raw.get("verified", False)
    if not isinstance(verified, bool):
        raise TypeError(f"'verified' is true or false, not {verified!r}")
    return Edge(*ends, str(raw.get("source") or ""), verified, attributes)


def _attributes(raw: dict[Any, Any], keys: set[str]) -> dict[Any, Any]:
    """Return the attributes; one without a value is mostly the rest of a text with a comma."""
    for key, value in raw.items():
        if value is None and key not in keys:
            raise ValueError(f"'{key}' has no value; a text with a comma is written in quotes")
    return {key: value for key, value in raw.items() if key not in keys}


def _annotation(raw: Any) -> Annotation:
    if not isinstance(raw, dict):
        raise TypeError(f"an annotation is a mapping, not {raw!r}")
    nodes, edges, source = raw.get("nodes") or [], raw.get("edges") or [], raw.get("source")
    if not isinstance(nodes, list) or not isinstance(edges, list) or not (nodes or edges):
        raise ValueError("an annotation lists 'nodes' or 'edges'")
    if not all(isinstance(edge, list) and len(edge) == 3 for edge in edges):
        raise ValueError("an edge of an annotation is [subject, predicate, object]")
    if not isinstance(source, str) or not source:
        raise ValueError("an annotation needs a 'source'")
    values = {str(k): v for k, v in _attributes(raw, {"nodes", "edges", "source"}).items()}
    triples = tuple((str(s), str(p), str(o)) for s, p, o in edges)
    return Annotation(tuple(map(str, nodes)), triples, source, values)
