"""Task families, one file each; a recipe names them by class."""

from bbflow.synthesis.tasks.base import Task, WalkTask
from bbflow.synthesis.tasks.constrained_answer import ConstrainedAnswer
from bbflow.synthesis.tasks.fact_recall import FactRecall
from bbflow.synthesis.tasks.multi_hop import MultiHop
from bbflow.synthesis.tasks.statement import Statement
from bbflow.synthesis.tasks.treatment_choice import TreatmentChoice

__all__ = ["ConstrainedAnswer", "FactRecall", "MultiHop", "Statement", "Task", "TreatmentChoice", "WalkTask"]
