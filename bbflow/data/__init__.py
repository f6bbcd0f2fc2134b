"""Data: the LightningDataModules that make, check, cache and load examples and preference pairs, and the files they are kept in."""

from bbflow.data.example_files import ExampleFiles
from bbflow.data.knowledge_graph_data import KnowledgeGraphData
from bbflow.data.preference_data import PreferenceData

__all__ = ["ExampleFiles", "KnowledgeGraphData", "PreferenceData"]
