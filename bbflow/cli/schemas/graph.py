"""The schema of a knowledge graph file: YAML as it is edited by hand, or node-link JSON as networkx writes it."""

from __future__ import annotations

from typing import Any

from bbflow.graph.ontology import AXES, CURIE, KINDS, PREDICATES
from bbflow.graph.validation import LONGEST_NAME

_TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
_ID = {"type": "string", "pattern": f"^{CURIE.pattern}$"}


def graph_schema() -> dict[str, Any]:
    """Returns the JSON Schema of a graph file, with the kinds and predicates that bbflow knows."""
    predicate = {"enum": list(PREDICATES), "description": "; ".join(f"{name}: {p.phrase}" for name, p in PREDICATES.items())}
    node = {
        "type": "object",
        "required": ["id", "kind", "name"],
        "properties": {
            "id": {**_ID, "description": "a compact URI, prefix:local_name"},
            "kind": {"enum": list(KINDS), "description": "; ".join(f"{kind}: {text}" for kind, text in KINDS.items())},
            "name": {**_TEXT, "description": "preferred name"},
            "synonyms": {"type": "array", "items": _TEXT},
            "coverage": {
                "description": "axes on which a drug's edges are complete, so that a missing edge means safe",
                "type": "object",
                "properties": {axis: {"enum": ["complete", "partial"]} for axis in AXES},
                "additionalProperties": False,
            },
            "risk": {"type": "boolean", "description": "coverage of drugs was judged against this node", "default": False},
        },
    }
    source = {
        "type": "string",
        "minLength": 1,
        "description": "package:name@version#row, or label:drug section for what was curated by hand",
    }
    verified = {"type": "boolean", "default": False, "description": "a clinician or a data set vouches for it"}
    qualifier = {
        "type": "string",
        "minLength": 1,
        "description": "the condition under which it holds; resolves treats against contraindicated_in",
    }
    listed = {
        "type": "array",
        "description": "[subject, predicate, object, source] and maybe a mapping of attributes",
        "prefixItems": [_ID, predicate, _ID, source, {"type": "object", "properties": {"verified": verified, "qualifier": qualifier}}],
        "items": False,
        "minItems": 4,
    }
    spelled = {
        "type": "object",
        "required": ["subject", "predicate", "object", "source"],
        "properties": {
            "subject": _ID,
            "predicate": predicate,
            "object": _ID,
            "source": source,
            "verified": verified,
            "qualifier": qualifier,
        },
    }
    link = {
        "type": "object",
        "required": ["source", "target", "provenance"],
        "anyOf": [{"required": ["key"]}, {"required": ["predicate"]}],
        "properties": {
            "source": _ID,
            "target": _ID,
            "key": predicate,
            "predicate": predicate,
            "provenance": source,
            "verified": verified,
            "qualifier": qualifier,
        },
    }
    head = {"name": _TEXT, "version": {"type": ["string", "number"]}, "salt": _TEXT}
    return {
        "title": "bbflow knowledge graph",
        "description": "A YAML graph, one file of a folder of them, or node-link JSON. Kinds and predicates follow the Biolink Model.",
        "type": "object",
        "anyOf": [
            {
                "title": "YAML",
                "properties": {
                    **head,
                    "nodes": {"type": "array", "items": node},
                    "edges": {"type": "array", "items": {"anyOf": [listed, spelled]}},
                },
            },
            {
                "title": "node-link JSON",
                "required": ["nodes"],
                "properties": {
                    "graph": {"type": "object", "properties": head},
                    "nodes": {"type": "array", "items": node},
                    "edges": {"type": "array", "items": link},
                    "links": {"type": "array", "items": link},
                },
            },
        ],
    }
