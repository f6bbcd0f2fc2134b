"""Curation: processing of proven examples before selection; every stage is off unless a recipe turns it on.

To add a stage, copy `rewrite.py`: a subclass of `CurationStage`, named in a recipe under `curation.stages`.
"""

from bbflow.synthesis.curation.base import CurationStage
from bbflow.synthesis.curation.curation import Curation
from bbflow.synthesis.curation.rewrite import Rewrite

__all__ = ["Curation", "CurationStage", "Rewrite"]
