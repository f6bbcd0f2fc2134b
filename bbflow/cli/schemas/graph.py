"""The schema of a knowledge graph file: YAML as it is edited by hand, or node-link JSON as networkx writes it."""

from __future__ import annotations

from typing import Any

from bbflow.graph.dose_qualifiers import TEXTS
from bbflow.graph.ontology import AXES, CURIE, KINDS, PREDICATES
from bbflow.graph.validation import LONGEST_NAME

_TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
_ID = {"type": "string", "pattern": f"^{CURIE.pattern}$"}


_PREDICATE = {"enum": list(PREDICATES), "description": "; ".join(f"{name}: {p.phrase}" for name, p in PREDICATES.items())}
_SOURCE = {
    "type": "string",
    "minLength": 1,
    "description": "package:name@version#row, or label:drug section for what was curated by hand",
}
_POSITIVE = {"type": ["number", "string"], "exclusiveMinimum": 0}
_OF_A_DOSE = {
    "indication": {
        "anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}],
        "description": "condition that the figure of a maximum dose is for, or a list of them",
    },
    **{key: {**_TEXT, "description": f"{key} that the figure of a maximum dose is for"} for key in TEXTS},
    "single_dose": {**_POSITIVE, "description": "largest single dose, in the unit of mass of the daily figure"},
    "course": {**_POSITIVE, "description": "for how many days at most the figure holds"},
}
_QUALIFIERS = {
    "verified": {"type": "boolean", "default": False, "description": "a clinician or a data set vouches for it"},
    "qualifier": {
        "type": "string",
        "minLength": 1,
        "description": "the condition under which it holds; resolves treats against contraindicated_in",
    },
    **_OF_A_DOSE,
    "otherwise": {
        "type": "array",
        "description": "further figures of a maximum dose, each with its own qualifiers",
        "items": {"type": "object", "required": ["daily"], "properties": {"daily": _POSITIVE, **_OF_A_DOSE}, "additionalProperties": False},
    },
}
_COMPLETE_FOR = {
    "type": "object",
    "description": "axis to the nodes that drugs of complete coverage were judged against; without it, every node with `risk: true`",
    "properties": {axis: {"type": "array", "items": _ID} for axis in AXES},
    "additionalProperties": False,
}


def graph_schema() -> dict[str, Any]:
    """Return the JSON Schema of a graph file, with the kinds and predicates of bbflow's ontology."""
    nodes = {"type": "array", "items": _node()}
    links = {"type": "array", "items": _link()}
    head = {"name": _TEXT, "version": {"type": ["string", "number"]}, "salt": _TEXT, "complete_for": _COMPLETE_FOR}
    return {
        "title": "bbflow knowledge graph",
        "description": "A YAML graph, one file of a folder of them, or node-link JSON. Kinds and predicates follow the Biolink Model.",
        "type": "object",
        "anyOf": [
            {
                "title": "YAML",
                "properties": {
                    **head,
                    "nodes": nodes,
                    "edges": {"type": "array", "items": {"anyOf": [_listed_edge(), _spelled_edge()]}},
                    "annotations": {"type": "array", "items": _annotation()},
                },
            },
            {
                "title": "node-link JSON",
                "required": ["nodes"],
                "properties": {
                    "graph": {"type": "object", "properties": head},
                    "nodes": nodes,
                    "edges": links,
                    "links": links,
                },
            },
        ],
    }


def _node() -> dict[str, Any]:
    return {
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
            "risk": {"type": "boolean", "description": "drugs may be judged against it in a patient's context", "default": False},
            "drawn": {"type": "boolean", "description": "whether questions draw a risk node", "default": True},
            "judged": {"type": "array", "items": _ID, "description": "further nodes that a drug was judged against"},
            "undecided": {"type": "array", "items": _ID, "description": "nodes of which a drug's silence means nothing"},
        },
    }


def _listed_edge() -> dict[str, Any]:
    return {
        "type": "array",
        "description": "[subject, predicate, object, source] and maybe a mapping of attributes",
        "prefixItems": [_ID, _PREDICATE, _ID, _SOURCE, {"type": "object", "properties": _QUALIFIERS}],
        "items": False,
        "minItems": 4,
    }


def _spelled_edge() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["subject", "predicate", "object", "source"],
        "properties": {"subject": _ID, "predicate": _PREDICATE, "object": _ID, "source": _SOURCE, **_QUALIFIERS},
    }


def _annotation() -> dict[str, Any]:
    triple = {"type": "array", "prefixItems": [_ID, _PREDICATE, _ID], "items": False, "minItems": 3}
    return {
        "type": "object",
        "description": "attributes for the nodes and edges that it lists, in whichever file of the folder they stand",
        "required": ["source"],
        "anyOf": [{"required": ["nodes"]}, {"required": ["edges"]}],
        "properties": {"nodes": {"type": "array", "items": _ID}, "edges": {"type": "array", "items": triple}, "source": _SOURCE},
    }


def _link() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["source", "target", "provenance"],
        "anyOf": [{"required": ["key"]}, {"required": ["predicate"]}],
        "properties": {
            "source": _ID,
            "target": _ID,
            "key": _PREDICATE,
            "predicate": _PREDICATE,
            "provenance": _SOURCE,
            **_QUALIFIERS,
        },
    }
