"""Task families, one file each; a recipe names them by class."""

from bbflow.synthesis.tasks.base import Task, WalkTask
from bbflow.synthesis.tasks.clinical_workflow import ClinicalWorkflow
from bbflow.synthesis.tasks.constrained_answer import ConstrainedAnswer
from bbflow.synthesis.tasks.differential import DifferentialFromFindings
from bbflow.synthesis.tasks.dose_calculation import DoseCalculation
from bbflow.synthesis.tasks.fact_recall import FactRecall
from bbflow.synthesis.tasks.instructed_answer import InstructedAnswer
from bbflow.synthesis.tasks.interaction_check import InteractionCheck
from bbflow.synthesis.tasks.joint_case import JointCase
from bbflow.synthesis.tasks.metapath_question import MetapathQuestion
from bbflow.synthesis.tasks.multi_hop import MultiHop
from bbflow.synthesis.tasks.open_book import OpenBook
from bbflow.synthesis.tasks.statement import Statement
from bbflow.synthesis.tasks.treatment_choice import TreatmentChoice
from bbflow.synthesis.tasks.unsafe_request import UnsafeRequest

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
