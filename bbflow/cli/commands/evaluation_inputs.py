"""Inputs of the commands that score: examples, benchmarks, capabilities, policies, and scores of an earlier evaluation."""

from __future__ import annotations

import sys
from argparse import ArgumentError
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bbflow.errors import InputError, Problem
from bbflow.records import Example

if TYPE_CHECKING:
    import pandas as pd

    from bbflow.capabilities import Capability
    from bbflow.evaluation.preregistration import Preregistration

Capabilities = Mapping[str, "Capability"]
_T = TypeVar("_T")


def read_items(paths: Sequence[str]) -> tuple[list[Example], set[str]]:
    """Read the examples of several files, and the names of the benchmarks among them.

    Raises:
        InputError: A file is wrong or empty, or an example occurs twice.
    """
    from bbflow.data.example_io import read_examples
    from bbflow.evaluation.benchmarks.formats import merge_subjects, read_benchmark

    examples: list[Example] = []
    files: list[tuple[str, list[Example]]] = []
    ids_of: list[tuple[str, list[str]]] = []
    problems: list[Problem] = []
    for path in paths:
        known = len(problems)
        benchmark = collected(partial(read_benchmark, path), problems)
        if benchmark is not None:
            files.append(benchmark)
            ids_of.append((path, [e.example_id for e in benchmark[1]]))
        elif len(problems) == known:
            found = collected(partial(read_examples, path), problems)
            problems += [Problem("there are no examples in it", str(path))] if found == [] else []
            examples += found or []
            ids_of.append((path, [e.example_id for e in found or []]))
    if problems:
        raise InputError(*problems)
    benchmarks = merge_subjects(files)
    examples += [example for _, items in benchmarks for example in items]
    twice = [example_id for example_id, times in Counter(e.example_id for e in examples).items() if times > 1]
    if twice:
        places = [path for path, ids in ids_of for example_id in ids if example_id.endswith(twice[0])]
        first = f"{twice[0]}, in {' and in '.join(places)}" if len(places) > 1 else twice[0]
        raise InputError(Problem(f"{len(twice)} examples stand more than once, the first is {first}", "--data"))
    return examples, {name for name, _ in benchmarks}


def read_data(paths: Sequence[str]) -> list[Example]:
    """Read the examples of several files; see `read_items`."""
    return read_items(paths)[0]


def train_examples(paths: Sequence[str], examples: list[Example]) -> tuple[list[Example], str]:
    """Find the examples that the null models learn from: those of the train files in the folders of the data, else the data themselves.

    A train file that cannot be read was not named by the user: it is noted and left out.

    Returns:
        The examples, and a phrase for the report that describes them.
    """
    given = {Path(path).resolve() for path in paths}
    beside = {(p if p.is_dir() else p.parent) / f"train{suffix}" for p in given for suffix in (".parquet", ".jsonl")}
    found = sorted(path for path in beside - given if path.is_file())
    train: list[Example] = []
    for path in found:
        problems: list[Problem] = []
        train += (collected(partial(read_items, [str(path)]), problems) or ([],))[0]
        note(*(f"the null models do not learn from {path.name}: {problem}" for problem in problems[:1]))
    if not train:
        return examples, "the evaluated data themselves, since there is no train file next to them"
    return train, "the train split next to the data"


def load_capabilities(path: str | None) -> dict[str, Capability]:
    """Read capabilities from a YAML file; classes may be called by short name, and your own may lie in its folder.

    Args:
        path: The file; None: the clinical capabilities that ship with bbflow.

    Raises:
        InputError: The file is missing, or describes no capabilities.
    """
    from jsonargparse import ArgumentParser

    from bbflow.capabilities import Capability
    from bbflow.cli.commands.init import assets
    from bbflow.cli.errors import innermost
    from bbflow.cli.recipes.recipe_diagnostics import recipe_errors
    from bbflow.cli.recipes.recipe_fallback import note_old_names
    from bbflow.cli.recipes.renamed import with_present_names
    from bbflow.cli.recipes.source_tree import SourceNode, from_file
    from bbflow.io.yaml import read_yaml

    import_module("bbflow.rewards")  # only an imported class can be called by its short name
    file = read_yaml(assets() / "recipes" / "parts" / "capabilities" / "clinical.yaml" if path is None else Path(path))
    if not isinstance(file.data, dict) or not file.data:
        raise InputError(Problem("a file of capabilities maps names to capabilities", str(file.path)))
    folder = str(file.path.parent.absolute())
    if folder not in sys.path:
        sys.path.append(folder)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--capabilities", type=dict[str, Capability])
    located = SourceNode({"capabilities": from_file(file.path)}, str(file.path), file.path.parent)
    note_old_names(located)
    present, _ = with_present_names(file.data)
    try:
        defined: dict[str, Capability] = parser.instantiate(parser.parse_object({"capabilities": present})).capabilities
    except Exception as error:  # the parser's own, or what a file of the user's raises when it is imported
        found = recipe_errors(parser, located)
        if not found and not isinstance(error, (ArgumentError, TypeError, ValueError)):
            raise
        raise InputError(*(found or [Problem(innermost(str(error)), str(file.path))])) from error
    problems = [problem for name, capability in defined.items() for problem in capability.problems(f"{file.path}: {name}")]
    if problems:
        raise InputError(*problems)
    return defined


@dataclass(frozen=True)
class EarlierScores:
    """Result of an earlier evaluation of the baseline.

    Attributes:
        folder: Folder of the evaluation.
        table: Score table.
        report: Contents of report.json; empty without the file.
    """

    folder: Path
    table: pd.DataFrame
    report: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> EarlierScores:
        """Read a folder that `bbflow evaluate` wrote, or the report folder of a run.

        Raises:
            InputError: The table or the report is unreadable.
        """
        from bbflow.evaluation.comparison import read_report, read_scores

        return cls(folder, read_scores(folder), read_report(folder) if (folder / "report.json").is_file() else {})

    def problems(self, measure: Mapping[str, Any]) -> list[Problem]:
        """List the reasons why these scores cannot be compared with those of a report."""
        from bbflow.evaluation.comparison import incomparable_reasons

        found = [Problem(why, f"--baseline {self.folder}") for why in incomparable_reasons(self.report, measure)]
        scored, asked = set(self.table["capability"]), set(measure["capabilities"])
        return found + [Problem(f"does not score '{name}'", f"--baseline {self.folder}") for name in sorted(asked - scored)]


def policy_problems(path: str, option: str) -> list[Problem]:
    """List the reasons why the value of an option names no policy."""
    from bbflow.policies import PolicySettings

    return [replace(problem, where=option) for problem in PolicySettings(path=path).problems(option)]


def preregistered_margins(policy: str, capabilities: Capabilities, benchmarks: set[str]) -> Preregistration | None:
    """Return the margins that were fixed before the policy was trained, as `bbflow export` writes them.

    Returns:
        None without such margins, or where a benchmark is judged: no training fixes a margin of a benchmark, so that the margins as a
        whole are no older than this evaluation.

    Raises:
        InputError: Capabilities other than benchmarks have other margins.
    """
    from bbflow.evaluation.preregistration import read_preregistration

    preregistration = read_preregistration(Path(policy).expanduser())
    own = {name: capability for name, capability in capabilities.items() if name not in benchmarks}
    if preregistration is not None and (broken := preregistration.problems(own, "--capabilities")):
        raise InputError(*broken)
    return preregistration if len(own) == len(capabilities) else None


def collected(read: Callable[[], _T], problems: list[Problem]) -> _T | None:
    """Call a reader; add its problems to a list, so that the problems of all inputs are reported together."""
    try:
        return read()
    except InputError as error:
        problems += error.problems
        return None


def note(*lines: str) -> None:
    """Print notes on stderr."""
    from rich.console import Console

    for line in lines:
        Console(stderr=True, highlight=False).print(f"note: {line}", markup=False, soft_wrap=True)
