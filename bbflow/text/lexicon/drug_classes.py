"""Classes of drugs: which node of a graph defines a class, and which drugs belong to it.

A class is defined by a node of kind `DrugClass`, whose members are the subjects of `subclass_of`. A graph without such a node can
define it by an allergy, `NSAID allergy`, whose members are the subjects of `contraindicated_in`. Other names of classes are under
`families` in `drug_names.yaml`; to teach a name, add it there.
"""

from __future__ import annotations

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.lexicon.drug_names import drug_names

UNKNOWN = ""
"""Node of a class of drugs that the graph does not define."""

_ALLERGY = " allergy"
"""Suffix of the name of an allergy that defines a class."""


def drug_classes(graph: KnowledgeGraph) -> dict[str, str]:
    """Return a dict from the name of a class, in lower case and singular, to the node that defines it, or `UNKNOWN`."""
    kinds = ("DrugClass", "Allergy")
    by_name = {name.casefold(): node.id for node in graph.nodes() if node.kind in kinds for name in (node.name, *node.synonyms)}
    other_names = {
        name.casefold(): next((by_name[n] for n in map(str.casefold, nodes) if n in by_name), UNKNOWN)
        for name, nodes in drug_names().families.items()
    }
    return other_names | {name.removesuffix(_ALLERGY): node for name, node in by_name.items() if name.endswith(_ALLERGY)}


def drugs_of(graph: KnowledgeGraph, drug_class: str) -> list[str]:
    """Return the members of a class, given the node that defines it; none for `UNKNOWN`."""
    if drug_class == UNKNOWN:
        return []
    predicate = "contraindicated_in" if graph.node(drug_class).kind == "Allergy" else "subclass_of"
    return graph.subjects(predicate, drug_class)
