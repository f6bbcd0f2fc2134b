"""Curation: processing of proven examples before selection; every stage is off unless a recipe turns it on.

To add a stage, copy `rewrite.py` (texts) or `clinical_sense.py` (items): a subclass of `CurationStage`, named in a recipe under
`curation.stages`.
"""

from bbflow.synthesis.curation.base import CurationStage
from bbflow.synthesis.curation.clinical_sense import ClinicalSense
from bbflow.synthesis.curation.curation import Curation
from bbflow.synthesis.curation.rewrite import Rewrite

__all__ = ["ClinicalSense", "Curation", "CurationStage", "Rewrite"]
