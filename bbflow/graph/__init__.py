"""Medical knowledge graphs: the graph itself, its ontology, readers of files, and the packs that ship."""

from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node, fold
from bbflow.graph.packs.clinical import ClinicalPack
from bbflow.graph.readers import GraphFile, GraphSource, read_graph

__all__ = ["ClinicalPack", "Edge", "GraphFile", "GraphSource", "KnowledgeGraph", "Node", "fold", "read_graph"]
