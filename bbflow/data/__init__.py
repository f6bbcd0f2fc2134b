"""Data: the LightningDataModule that makes, checks, caches and loads examples, and the files they are kept in."""

from bbflow.data.datamodule import KnowledgeGraphData

__all__ = ["KnowledgeGraphData"]
