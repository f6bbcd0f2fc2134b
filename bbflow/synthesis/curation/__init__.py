"""Curation: what happens to proven examples before they are written; every stage is off unless a recipe asks for it."""

from bbflow.synthesis.curation.base import CurationStage
from bbflow.synthesis.curation.curation import Curation
from bbflow.synthesis.curation.rewrite import Rewrite

__all__ = ["Curation", "CurationStage", "Rewrite"]
