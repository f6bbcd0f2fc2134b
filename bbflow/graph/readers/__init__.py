"""Readers: files or folders to a `KnowledgeGraph`.

| module | content |
|---|---|
| `formats` | `READERS`, recognition of formats, `GraphFile` |
| `graph_builder` | incremental construction of a graph; problems with their locations |
| `lines` | lines of plain and compressed text files |
| `mapping`, `mappings/` | translation of the columns and words of a data set into the ontology |
| `tabular` | delimited tables and Parquet, by a mapping |
| `yaml_graph`, `node_link`, `obo`, `hpo`, `umls` | one format each |

A new format is one module with `read(path, draft)` and one entry in `READERS`; a new table layout is one YAML file in `mappings/`.
"""

from bbflow.graph.readers.formats import READERS, GraphFile, GraphSource, read_graph

__all__ = ["READERS", "GraphFile", "GraphSource", "read_graph"]
