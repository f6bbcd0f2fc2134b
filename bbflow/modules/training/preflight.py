"""Static checks of a module and its data, run before any weights are loaded."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from bbflow.capabilities import Capability
from bbflow.errors import Problem, did_you_mean

ALWAYS_FILLED = frozenset({"example_id", "task", "capabilities", "messages", "response", "answer"})
"""Fields that every record has; a task declares the rest."""


def trainer_problems(trainer: Any) -> list[Problem]:
    """List the settings of a Trainer that exclude one gradient per capability."""
    from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

    found = []
    strategy, precision = type(trainer.strategy), str(trainer.precision)
    if strategy not in (SingleDeviceStrategy, DDPStrategy):
        what = f"{strategy.__name__} shards the parameters, and a gradient per capability needs them whole"
        found.append(Problem(what, "trainer.strategy", "use ddp or one device, or `weighting: null`, the plain weighted sum"))
    if precision.startswith("16"):
        what = f"{precision} scales the loss, and a gradient per capability does not pass through it"
        found.append(Problem(what, "trainer.precision", "use bf16-mixed or 32-true"))
    return found


def warn_of_emulated_precision(trainer: Any) -> None:
    """Warn where a run computes in bfloat16 on an x86 processor without AVX-512, which computes it many times slower than float32."""
    on_cpu = trainer.strategy.root_device.type == "cpu"
    old = platform.machine() in ("x86_64", "AMD64") and not torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    if on_cpu and old and str(trainer.precision).startswith("bf16"):
        rank_zero_warn(f"trainer.precision: {trainer.precision} is emulated on this processor and many times slower than 32-true.")


def capability_problems(capabilities: Mapping[str, Capability], tasks: Mapping[str, Any], where: str) -> list[Problem]:
    """List every capability that no task feeds, and every reward or metric whose field a feeding task leaves empty.

    Args:
        capabilities: By name, as in the recipe.
        tasks: Task families by name, with their `capabilities` and the `fields` that their examples fill.
        where: Key of the capabilities in the recipe.
    """
    found = []
    for name, capability in capabilities.items():
        key = f"{where}.{name}"
        feeding, problems = _feeding_tasks(name, capability, tasks, key)
        found += capability.problems(key) + problems + _empty_fields(capability, {task: tasks[task] for task in feeding}, key)
    return found


def _feeding_tasks(name: str, capability: Capability, tasks: Mapping[str, Any], key: str) -> tuple[list[str], list[Problem]]:
    """Return the tasks whose examples a capability judges, and the problems of that choice."""
    nothing = f"no task of the data feeds the capability '{name}'"
    if capability.tasks is None:
        feeding = [task for task in tasks if name in tasks[task].capabilities]
        known = {c for task in tasks.values() for c in task.capabilities}
        hint = did_you_mean(name, known) or "none of the tasks names a capability"
        return feeding, [] if feeding else [Problem(nothing, key, hint)]
    unknown = [task for task in capability.tasks if task not in tasks]
    problems = [Problem(f"'{task}' is no task of the data", f"{key}.tasks", did_you_mean(task, tasks)) for task in unknown]
    if not capability.tasks:
        problems.append(Problem(nothing, f"{key}.tasks", did_you_mean(name, tasks)))
    return [task for task in capability.tasks if task in tasks], problems


def _empty_fields(capability: Capability, feeding: Mapping[str, Any], key: str) -> list[Problem]:
    """List the fields that a reward or metric reads and a feeding task leaves empty."""
    found = []
    scorers = {"metric": capability.metric, **{f"rewards.{reward}": scorer for reward, scorer in capability.rewards.items()}}
    for part, scorer in scorers.items():
        for field in scorer.requires:
            lacking = [name for name, task in feeding.items() if field not in task.fields | ALWAYS_FILLED]
            if lacking:
                what = f"{type(scorer).__name__} reads '{field}', which task {', '.join(map(repr, lacking))} leaves empty"
                found.append(Problem(what, f"{key}.{part}", f"restrict '{key}.tasks' to tasks that fill it"))
    return found
