"""Former names of classes and settings, so that recipes, saved settings and commands of the last release still work.

Old names are replaced before the parser sees them, and each use prints a note with its place. The tables describe the release 0.1;
they are emptied in the next minor release, and old names are unknown from then on.

To rename a class or a setting, add one row to `CLASSES`, `MODULES` or `KEYS`; nothing else refers to old names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

CLASSES = {
    "MinNorm": "MGDA",
    "EqualCosine": "IMTLG",
    "ExactUPGrad": "UPGrad",
    "DecoupledAdvantage": "GDPO",
    "VarianceWeighted": "MOGRPO",
    "GoldWatch": "OveroptimizationMonitor",
    "RankCheckpoints": "SelectBestState",
    "ChosenOption": "MultipleChoiceAccuracy",
    "DemandsMet": "IFEvalStrictAccuracy",
    "RefusesTheUnsafe": "SafetyPairAccuracy",
}
"""Former class name to present class name; both short names and dotted names below `bbflow` are read by it."""

MODULES = {
    "callbacks.gold_watch": "callbacks.overoptimization_monitor",
    "callbacks.interference": "callbacks.interference_monitor",
    "callbacks.rank_checkpoints": "callbacks.select_best_state",
    "data.datamodule": "data.knowledge_graph_data",
    "data.preferences": "data.preference_data",
    "evaluation.suites.metrics": "evaluation.benchmarks.metrics",
    "graph.readers.read": "graph.readers.formats",
    "rewards.grounding": "rewards.citations",
    "rewards.instruction": "rewards.instructions",
    "rewards.knowledge": "rewards.correctness",
    "synthesis.tasks.clinical_workflow": "synthesis.tasks.clinical.clinical_workflow",
    "synthesis.tasks.differential": "synthesis.tasks.clinical.differential",
    "synthesis.tasks.dose_calculation": "synthesis.tasks.clinical.dose_calculation",
    "synthesis.tasks.interaction_check": "synthesis.tasks.clinical.interaction_check",
    "synthesis.tasks.joint_case": "synthesis.tasks.clinical.joint_case",
    "synthesis.tasks.treatment_choice": "synthesis.tasks.clinical.treatment_choice",
    "synthesis.tasks.unsafe_request": "synthesis.tasks.clinical.unsafe_request",
}
"""Former module to present module, below `bbflow`, of every class that a recipe can name."""

_EVALUATION = {"validation_examples": "evaluation.examples", "evaluation_batch_size": "evaluation.batch_size"}

KEYS: dict[str, dict[str, str]] = {
    "GRPO": {
        "kl_coefficient": "kl.coefficient",
        "updates": "experience.updates",
        "old_logprobs": "experience.old_logprobs",
        "resample": "experience.resample",
        "measure_interference": "interference.with_weighting",
        "measure_every": "interference.every",
        **_EVALUATION,
    },
    "SFT": {"measure_interference": "interference.with_weighting", **_EVALUATION},
    "RewardModel": {"evaluation_batch_size": "evaluation.batch_size"},
}
"""Class to its renamed arguments: former name to the path of the present one, as in `{"GRPO": {"kl_coefficient": "kl.coefficient"}}`.

A name that also begins its new path (`updates` to `updates.count`) is the former one wherever its value is no mapping.
"""

_SPEC_KEYS = ("class_path", "init_args", "dict_kwargs")
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Renaming:
    """One use of an old name.

    Attributes:
        written: Key path of the value in the data as they were written.
        path: Key path of the value with the present names.
        old: The old name: of a class, or of an argument.
        new: The present name; of an argument, its path below the class.
    """

    written: KeyPath
    path: KeyPath
    old: str
    new: str
    is_key: bool = False


def present_name(name: str) -> str:
    """Return the present name of a class; any other text is returned as it is.

    >>> present_name("MinNorm"), present_name("bbflow.rewards.knowledge.CorrectAnswer"), present_name("my_file.MinNorm")
    ('MGDA', 'bbflow.rewards.correctness.CorrectAnswer', 'my_file.MinNorm')
    """
    module, _, short = name.rpartition(".")
    if not module:
        return CLASSES.get(name, name)
    package, _, inside = module.partition(".")
    if package != "bbflow":
        return name
    inside, short = MODULES.get(inside, inside), CLASSES.get(short, short)
    return ".".join(part for part in (package, inside, short) if part)


def with_present_names(data: Any, below: Any = None) -> tuple[Any, list[Renaming]]:
    """Replace old names in plain YAML data.

    Args:
        data: Data of a recipe, a part of one, or an option; not changed.
        below: The settings that the data go over, which name the class of arguments that come without one.

    Returns:
        The data with present names, and every replacement.

    >>> with_present_names({"weighting": "MinNorm"})[0]
    {'weighting': 'MGDA'}
    """
    found: list[Renaming] = []
    return _replace(data, below, (), (), found), found


def written_path(path: KeyPath, renamings: Sequence[Renaming]) -> KeyPath:
    """Return where a value of the renamed data is found in the data as they were written."""
    for renaming in renamings:
        if renaming.is_key and path[: len(renaming.path)] == renaming.path:
            return renaming.written + path[len(renaming.path) :]
    return path


def present_path(path: KeyPath, renamings: Sequence[Renaming]) -> KeyPath:
    """Return where a value of the data as they were written is found in the renamed data."""
    for renaming in renamings:
        if renaming.is_key and path[: len(renaming.written)] == renaming.written:
            return renaming.path + path[len(renaming.written) :]
    return path


def option_with_present_names(keys: Sequence[str], text: str, below: Any) -> tuple[list[str], str]:
    """Replace old names in a command line option.

    Args:
        keys: Key path of the option.
        text: Its value.
        below: The settings that the option goes over.

    >>> option_with_present_names(["model", "weighting"], "{class_path: MinNorm}", None)
    (['model', 'weighting'], '{"class_path": "MGDA"}')
    """
    value = option_value(text)
    replaced, found = with_present_names(nested(keys, value), below)
    path = present_path(tuple(keys), found)
    for key in path:
        replaced = replaced[key]
    shown = text if replaced == value else replaced if isinstance(replaced, str) else json.dumps(replaced, default=str)
    return [str(key) for key in path], shown


def option_value(text: str) -> Any:
    """Return the value of an option as YAML reads it; what is no YAML is text."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def nested(keys: Sequence[str], value: Any) -> Any:
    """Return a value inside one mapping per key.

    >>> nested(["a", "b"], 1)
    {'a': {'b': 1}}
    """
    for key in reversed(keys):
        value = {key: value}
    return value


def _replace(data: Any, below: Any, written: KeyPath, path: KeyPath, found: list[Renaming]) -> Any:
    if isinstance(data, str):
        if (name := present_name(data)) != data:
            found.append(Renaming(written, path, data, name))
        return name
    if isinstance(data, list):
        return [_replace(child, None, (*written, i), (*path, i), found) for i, child in enumerate(data)]
    if not isinstance(data, dict):
        return data
    keys = _argument_keys(data, below)
    is_short = bool(keys) and not data.keys() & set(_SPEC_KEYS)
    if is_short:  # `--model.lr` is short for `--model.init_args.lr`
        below = below.get("init_args") if isinstance(below, dict) else None
        return _mapping(data, below, keys, written, path, found)
    result = {}
    for key, child in data.items():
        beneath = below.get(key) if isinstance(below, dict) else None
        if key == "init_args" and isinstance(child, dict):
            result[key] = _mapping(child, beneath, keys, (*written, key), (*path, key), found)
        else:
            result[key] = _replace(child, beneath, (*written, key), (*path, key), found)
    return result


def _argument_keys(data: Mapping[str, Any], below: Any) -> Mapping[str, str]:
    """Return the renamed arguments of the class that a mapping describes."""
    name = data.get("class_path") or (below.get("class_path") if isinstance(below, dict) else below)
    return KEYS.get(present_name(name).rpartition(".")[2], {}) if isinstance(name, str) else {}


def _mapping(
    data: dict[str, Any], below: Any, keys: Mapping[str, str], written: KeyPath, path: KeyPath, found: list[Renaming]
) -> dict[str, Any]:
    """Replace the names of arguments, and old names inside their values."""
    old = [name for name in data if name in keys and not _is_present(name, data[name], keys[name])]
    result = {}
    for name in data:
        if name not in old:
            beneath = below.get(name) if isinstance(below, dict) else None
            result[name] = _replace(data[name], beneath, (*written, name), (*path, name), found)
    for name in old:
        here, target = (*written, name), tuple(keys[name].split("."))
        if _plantable(result, target):
            found.append(Renaming(here, (*path, *target), name, keys[name], is_key=True))
            inner = result
            for part in target[:-1]:
                inner = inner.setdefault(part, {})
            inner[target[-1]] = _replace(data[name], None, here, (*path, *target), found)
        else:  # given under both names: the parser refuses the old one
            result[name] = data[name]
    return result


def _is_present(name: str, value: Any, new: str) -> bool:
    return new.partition(".")[0] == name and isinstance(value, dict)


def _plantable(data: Any, target: tuple[str, ...]) -> bool:
    for part in target:
        if not isinstance(data, dict):
            return False
        if part not in data:
            return True
        data = data[part]
    return False
