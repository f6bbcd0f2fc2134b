"""Callbacks: report and predictions of a run, the log of its rollouts, interference, ranking of states, over-optimisation."""

from collections.abc import Sequence

from lightning.pytorch import Callback

from bbflow.callbacks.interference_monitor import InterferenceMonitor
from bbflow.callbacks.overoptimization_monitor import OveroptimizationMonitor
from bbflow.callbacks.predictions import Predictions
from bbflow.callbacks.report import Report
from bbflow.callbacks.rollout_log import RolloutLog
from bbflow.callbacks.select_best_state import SelectBestState

__all__ = ["InterferenceMonitor", "OveroptimizationMonitor", "Predictions", "Report", "RolloutLog", "SelectBestState", "default_callbacks"]


def default_callbacks(existing: Sequence[Callback] = ()) -> list[Callback]:
    """Return the callbacks of every run, each unless `existing` already has one of its class.

    The progress bar is not among them: Lightning takes rich's by itself, and honours `enable_progress_bar: false` only then.

    >>> [type(callback).__name__ for callback in default_callbacks([Report(enabled=False)])]
    ['RolloutLog', 'InterferenceMonitor', 'Predictions']
    """
    classes: tuple[type[Callback], ...] = (RolloutLog, InterferenceMonitor, Report, Predictions)
    return [cls() for cls in classes if not any(isinstance(callback, cls) for callback in existing)]
