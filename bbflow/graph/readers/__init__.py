"""Readers: files or folders in, a `KnowledgeGraph` out. A reader is one file here and one entry in `READERS`."""

from bbflow.graph.readers.formats import READERS, GraphFile, GraphSource, read_graph

__all__ = ["READERS", "GraphFile", "GraphSource", "read_graph"]
