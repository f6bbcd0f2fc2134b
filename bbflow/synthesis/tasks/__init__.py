"""Task families, one file each; a recipe names them by class.

To add one, copy `fact_recall.py` (a walk over edges) or `clinical/differential.py` (a question class of your own), change `name`,
`capabilities`, `index` and `propose`, and copy a test from `tests/synthesis/test_task_families.py`. A class in your own module
works without a change to this package: name it in the recipe by its import path.
"""

from bbflow.synthesis.tasks.base import Task, WalkTask
from bbflow.synthesis.tasks.clinical.clinical_workflow import ClinicalWorkflow
from bbflow.synthesis.tasks.clinical.differential import DifferentialFromFindings
from bbflow.synthesis.tasks.clinical.dose_calculation import DoseCalculation
from bbflow.synthesis.tasks.clinical.interaction_check import InteractionCheck
from bbflow.synthesis.tasks.clinical.joint_case import JointCase
from bbflow.synthesis.tasks.clinical.treatment_choice import TreatmentChoice
from bbflow.synthesis.tasks.clinical.unsafe_request import UnsafeRequest
from bbflow.synthesis.tasks.constrained_answer import ConstrainedAnswer
from bbflow.synthesis.tasks.fact_recall import FactRecall
from bbflow.synthesis.tasks.instructed_answer import InstructedAnswer
from bbflow.synthesis.tasks.metapath_question import MetapathQuestion
from bbflow.synthesis.tasks.multi_hop import MultiHop
from bbflow.synthesis.tasks.open_book import OpenBook
from bbflow.synthesis.tasks.statement import Statement

__all__ = [
    "ClinicalWorkflow",
    "ConstrainedAnswer",
    "DifferentialFromFindings",
    "DoseCalculation",
    "FactRecall",
    "InstructedAnswer",
    "InteractionCheck",
    "JointCase",
    "MetapathQuestion",
    "MultiHop",
    "OpenBook",
    "Statement",
    "Task",
    "TreatmentChoice",
    "UnsafeRequest",
    "WalkTask",
]
