"""Qualifiers in words: for what a maximum daily dose holds, and for what purpose a drug is given in a disease."""

from __future__ import annotations

from collections.abc import Sequence

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.maximum_dose import maximum_doses


def qualified_name(graph: KnowledgeGraph, drug: str) -> str:
    """Return the name of a drug with what its maximum daily dose is restricted to.

    >>> from bbflow.graph import ClinicalPack
    >>> qualified_name(ClinicalPack().load(), "drug:hydrochlorothiazide")
    'hydrochlorothiazide (for hypertension)'
    """
    wording = next((maximum.wording for maximum in maximum_doses(graph, drug) if maximum.main), "")
    return f"{graph.name_of(drug)} ({wording})" if wording else graph.name_of(drug)


def indication(graph: KnowledgeGraph, drugs: Sequence[str], disease: str) -> str:
    """Return the name of a disease with the purposes that drugs share in it.

    >>> from bbflow.graph import ClinicalPack
    >>> indication(ClinicalPack().load(), ["drug:allopurinol"], "disease:gout")
    'gout (prevention of attacks)'
    """
    edges = [graph.edge(drug, "treats", disease) for drug in drugs]
    first, *rest = [list(edge.attributes.get("purposes") or ()) if edge is not None else [] for edge in edges]
    shared = [purpose for purpose in first if all(purpose in other for other in rest)]
    return f"{graph.name_of(disease)} ({' or '.join(shared)})" if shared else graph.name_of(disease)
