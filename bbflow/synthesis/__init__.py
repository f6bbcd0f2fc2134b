"""MKGSG: training examples walked out of a medical knowledge graph, each proved from it before it is written down."""

from bbflow.synthesis.items.item import Item, Prescription, Walk
from bbflow.synthesis.pipeline import Generated, generate
from bbflow.synthesis.tasks import Task

__all__ = ["Generated", "Item", "Prescription", "Task", "Walk", "generate"]
