"""Medical knowledge graphs: the graph itself, its ontology, readers of files, and the packs that ship."""

from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node, fold
from bbflow.graph.packs import ClinicalPack, HumanPhenotypeOntology, graph_source
from bbflow.graph.readers import GraphFile, GraphSource, read_graph

__all__ = [
    "ClinicalPack", "Edge", "GraphFile", "GraphSource", "HumanPhenotypeOntology", "KnowledgeGraph", "Node", "fold", "graph_source",
    "read_graph",
]  # fmt: skip
