"""`bbflow evaluate`: scores of a policy on files of examples, and the certificate against a baseline."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentError
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbflow.errors import InputError, Problem, Refused
from bbflow.records import Example

if TYPE_CHECKING:
    import pandas as pd

    from bbflow.capabilities import Capability

Capabilities = Mapping[str, "Capability"]


def evaluate(
    policy: str,
    data: list[str],
    out: str,
    baseline: str | None = None,
    capabilities: str | None = None,
    graph: str | None = None,
    max_new_tokens: int = 96,
    batch_size: int = 64,
    gate: bool = False,
    seed: int = 0,
) -> None:
    """Scores a policy with intervals and null models; with a baseline, certifies that no capability was lost.

    Args:
        policy: `tiny`, a folder in Hugging Face format, or a Hub id.
        data: Files of held-out examples (.parquet, .jsonl). Null models learn from the train file beside each, where there is one.
        out: Folder for report.json, index.html and scores.parquet.
        baseline: Policy to compare with, on the same items.
        capabilities: YAML file that defines the capabilities; by default the clinical ones that ship with bbflow.
        graph: Graph file, folder or pack that the examples speak of; by default the pack that they were made from.
        max_new_tokens: Longest completion, in tokens.
        batch_size: Prompts decoded together.
        gate: End with 1 unless the run is certified; needs a baseline.
        seed: Of the random null models and the bootstrap.

    Raises:
        InputError: Policy, data, capabilities or graph are missing or malformed, or no example is judged by any capability.
        Refused: With `gate`, the certificate says no.
    """
    from bbflow.cli.commands.graph import load_graph, pack_of
    from bbflow.evaluation.nulls import null_scores
    from bbflow.evaluation.provenance import items_sha256, peak_memory_bytes, versions
    from bbflow.evaluation.report import build_report, scores_table, write_report
    from bbflow.evaluation.terminal import show_report
    from bbflow.policies import PolicySettings

    start = time.perf_counter()
    problems = PolicySettings(path=policy).problems("--policy")
    if baseline is not None:
        problems += PolicySettings(path=baseline).problems("--baseline")
    elif gate:
        problems.append(Problem("a certificate needs something to compare with", "--gate", "add --baseline"))
    problems += [Problem(f"must be at least 1, not {value}", key) for key, value in _counts(max_new_tokens, batch_size) if value < 1]
    examples, defined = (_collected(read, problems) for read in (lambda: read_data(data), lambda: load_capabilities(capabilities)))
    pack = graph or pack_of(e.provenance for e in examples or ())
    knowledge = _collected(lambda: load_graph(pack), problems)
    if problems or examples is None or defined is None or knowledge is None:
        raise InputError(*problems)
    judging = {name: c for name, c in defined.items() if any(c.judges(name, e) for e in examples)}
    if not judging:
        named = sorted({name for e in examples for name in e.capabilities})
        hint = f"asked for: {', '.join(defined)}; the examples name: {', '.join(named) or 'none'}"
        raise InputError(Problem("no example is judged by any capability", "--data", hint))
    for capability in judging.values():
        capability.prepare(knowledge)
    _note(*(f"'{name}' judges no example of this data and is left out" for name in defined if name not in judging))
    if any(e.provenance and e.provenance["graph_sha256"] != knowledge.sha256 for e in examples):
        _note("some examples were made from another version of the graph than the one they are judged by")
    train, learned_from = train_examples(data, examples)

    scored = {name: _score(name, judging, examples, max_new_tokens, batch_size) for name in dict.fromkeys((policy, baseline)) if name}
    report = build_report(
        None if baseline is None else scored[baseline],
        scored[policy],
        judging,
        null_scores(judging, examples, train, seed),
        cost={"seconds": time.perf_counter() - start, "peak_memory_bytes": peak_memory_bytes(_device())},
        data={"tasks": dict(sorted(Counter(e.task for e in examples).items())), "nulls_learned_from": learned_from},
        provenance={
            "policy": policy,
            **({} if baseline is None else {"baseline": baseline}),
            "files": [Path(path).name for path in data],
            "test_items_sha256": items_sha256(examples),
            "graph": f"{knowledge.name} {knowledge.version}",
            "graph_sha256": knowledge.sha256,
            "seed": seed,
            "versions": versions(),
        },
        seed=seed,
    )
    page = write_report(out, report)
    scores_table(None if baseline is None else scored[baseline], scored[policy]).to_parquet(Path(out) / "scores.parquet", index=False)
    show_report(report, page)
    if gate and report["verdict"] != "certified":
        found = ", ".join(f"{name} {entry['verdict']}" for name, entry in report["capabilities"].items())
        raise Refused(f"the run is not certified but {report['verdict']}: {found}")


def read_data(paths: Sequence[str]) -> list[Example]:
    """Reads the examples of several files.

    Raises:
        InputError: A file is wrong or empty, or an example stands twice.
    """
    from bbflow.data.files import read_examples

    examples = [example for path in paths for example in read_examples(path)]
    if not examples:
        raise InputError(Problem("there are no examples", "--data"))
    twice = [example_id for example_id, times in Counter(e.example_id for e in examples).items() if times > 1]
    if twice:
        raise InputError(Problem(f"{len(twice)} examples stand more than once, the first is {twice[0]}", "--data"))
    return examples


def train_examples(paths: Sequence[str], examples: list[Example]) -> tuple[list[Example], str]:
    """Finds what the null models may learn from: the train files beside the data, else the data themselves.

    Returns:
        The examples, and a sentence for the report that says which they are.
    """
    from bbflow.data.files import read_examples

    given = {Path(path).resolve() for path in paths}
    beside = {(p if p.is_dir() else p.parent) / f"train{suffix}" for p in given for suffix in (".parquet", ".jsonl")}
    found = sorted(path for path in beside - given if path.is_file())
    if not found:
        return examples, "the evaluated data themselves, since no train file lies beside them"
    return [example for path in found for example in read_examples(path)], "the train split beside the data"


def load_capabilities(path: str | None) -> dict[str, Capability]:
    """Reads capabilities from a YAML file; classes may be called by short name, and one's own may lie beside the file.

    Args:
        path: The file; None: the clinical capabilities that ship with bbflow.

    Raises:
        InputError: The file is missing, or describes no capabilities.
    """
    from jsonargparse import ArgumentParser

    from bbflow.capabilities import Capability
    from bbflow.cli.commands.init import assets
    from bbflow.cli.errors import innermost
    from bbflow.yaml_file import read_yaml

    import_module("bbflow.rewards")  # only an imported class can be called by its short name
    file = read_yaml(assets() / "recipes" / "parts" / "capabilities" / "clinical.yaml" if path is None else Path(path))
    if not isinstance(file.data, dict) or not file.data:
        raise InputError(Problem("a file of capabilities maps names to capabilities", str(file.path)))
    folder = str(file.path.parent.absolute())
    if folder not in sys.path:
        sys.path.append(folder)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--capabilities", type=dict[str, Capability])
    try:
        defined: dict[str, Capability] = parser.instantiate(parser.parse_object({"capabilities": file.data})).capabilities
    except (ArgumentError, TypeError, ValueError) as error:
        raise InputError(Problem(innermost(str(error)), str(file.path))) from error
    problems = [problem for name, capability in defined.items() for problem in capability.problems(f"{file.path}: {name}")]
    if problems:
        raise InputError(*problems)
    return defined


def _score(name: str, capabilities: Capabilities, examples: list[Example], max_new_tokens: int, batch_size: int) -> pd.DataFrame:
    from bbflow.evaluation.scoring import score_policy
    from bbflow.evaluation.terminal import evaluation_progress
    from bbflow.policies import PolicySettings, load_policy

    loaded = load_policy(PolicySettings(path=name))
    loaded.model.to(_device())
    with evaluation_progress(f"scoring {name}") as progress:
        return score_policy(loaded, capabilities, examples, max_new_tokens, batch_size, progress)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _counts(max_new_tokens: int, batch_size: int) -> list[tuple[str, int]]:
    return [("--max_new_tokens", max_new_tokens), ("--batch_size", batch_size)]


def _collected(read: Any, problems: list[Problem]) -> Any:
    """Calls a reader and keeps its problems, so that all are told together."""
    try:
        return read()
    except InputError as error:
        problems += error.problems
        return None


def _note(*lines: str) -> None:
    from rich.console import Console

    for line in lines:
        Console(stderr=True, highlight=False).print(f"note: {line}", markup=False, soft_wrap=True)
