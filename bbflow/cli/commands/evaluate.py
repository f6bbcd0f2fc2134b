"""`bbflow evaluate`: scores of a policy on files of examples, and the certificate against a baseline."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentError
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bbflow.errors import InputError, Problem, Refused
from bbflow.evaluation.answer_cache import AnswerCache, answers_file
from bbflow.io.atomic import atomic_write
from bbflow.records import Example

if TYPE_CHECKING:
    import pandas as pd

    from bbflow.capabilities import Capability
    from bbflow.evaluation.preregistration import Preregistration

Capabilities = Mapping[str, "Capability"]


def evaluate(
    policy: str,
    data: list[str],
    out: str,
    baseline: str | None = None,
    capabilities: str | None = None,
    graph: str | None = None,
    multiple_choice: Literal["loglikelihood", "generation"] = "loglikelihood",
    max_new_tokens: int = 96,
    batch_size: int = 64,
    gate: bool = False,
    seed: int = 0,
) -> None:
    """Scores a policy with intervals and null models; with a baseline, certifies that no capability was lost.

    Args:
        policy: `tiny`, a folder in Hugging Face format, or a Hub id.
        data: Files of held-out examples (.parquet, .jsonl), whose null models learn from the train file beside each, where there is one; or
            of benchmarks (.jsonl as published: MMLU, MedQA, MedMCQA, PubMedQA, IFEval, safety pairs), told apart by their contents.
        out: Folder for report.json, index.html and scores.parquet.
        baseline: Policy to compare with, on the same items; or the folder that an earlier evaluation of it wrote.
        capabilities: YAML file that defines the capabilities; by default the clinical ones that ship with bbflow.
        graph: Graph file, folder or pack that the examples speak of; by default the pack that they were made from.
        multiple_choice: How an option of a benchmark is chosen: the likeliest letter after the bare question, or a written answer.
        max_new_tokens: Longest completion, in tokens.
        batch_size: Prompts decoded together.
        gate: End with 1 unless the run is certified; needs a baseline.
        seed: Of the random null models and the bootstrap.

    Raises:
        InputError: Policy, data, capabilities or graph are missing or malformed, or no example is judged by any capability.
        Refused: With `gate`, the certificate says no.
    """
    from bbflow.capabilities.capability import unreadable_records
    from bbflow.cli.commands.graph import graph_for
    from bbflow.cli.recipes.relative_paths import folder_problems
    from bbflow.evaluation.baselines.null_models import null_scores
    from bbflow.evaluation.benchmarks.answering import benchmark_capability
    from bbflow.evaluation.certificate import gate_failure
    from bbflow.evaluation.statistics.unsafe_advice import unsafe_report
    from bbflow.io.progress import progress_bar
    from bbflow.reporting.provenance import items_sha256, peak_memory_bytes, versions
    from bbflow.reporting.run_report import build_report, metric_name, round_floats, scores_table, write_report
    from bbflow.reporting.terminal import show_report

    start = time.perf_counter()
    problems = folder_problems(out, "--out") + policy_problems(policy, "--policy")
    earlier = None
    if baseline is not None and not (Path(baseline) / "scores.parquet").is_file():
        problems += policy_problems(baseline, "--baseline")
    elif baseline is not None:
        earlier = _collected(lambda: EarlierScores.read(Path(baseline)), problems)
        if Path(baseline).resolve() == Path(out).resolve():
            problems.append(Problem("the baseline's scores lie there, and would be written over", "--out", "name another folder"))
    elif gate:
        problems.append(Problem("a certificate needs something to compare with", "--gate", "add --baseline"))
    least = (("--max_new_tokens", max_new_tokens, 1), ("--batch_size", batch_size, 1), ("--seed", seed, 0))
    problems += [Problem(f"must be at least {low}, not {value}", key) for key, value, low in least if value < low]
    read = _collected(lambda: read_items(data), problems)
    examples, benchmarks = read or ([], set())
    own = [e for e in examples if not benchmarks.intersection(e.capabilities)]
    defined = _collected(lambda: load_capabilities(capabilities), problems) if own or capabilities else {}
    knowledge = _collected(lambda: graph_for(graph, (e.provenance for e in own)), problems) if own or graph else None
    if problems:
        raise InputError(*problems)
    defined |= {name: benchmark_capability(name, multiple_choice) for name in sorted(benchmarks)}
    judging = {name: c for name, c in defined.items() if any(c.judges(name, e) for e in examples)}
    if not judging:
        named = sorted({name for e in examples for name in e.capabilities})
        hint = f"asked for: {', '.join(defined)}; the examples name: {', '.join(named) or 'none'}"
        raise InputError(Problem("no example is judged by any capability", "--data", hint))
    measure: dict[str, dict[str, Any]] = {
        "capabilities": {name: {"metric": metric_name(capability)} for name, capability in judging.items()},
        "provenance": {"test_items_sha256": items_sha256(examples), "max_new_tokens": max_new_tokens},
    }
    if earlier is not None and (otherwise := earlier.problems(measure)):
        raise InputError(*otherwise)
    promise = None if baseline is None else promised_margins(policy, judging, benchmarks)
    for capability in judging.values():
        capability.prepare(knowledge)
    with progress_bar("checking records", len(examples)) as advance:
        unreadable = unreadable_records(judging, examples, advance)
    if unreadable:
        raise InputError(*unreadable)
    _note(*(f"'{name}' judges no example of this data and is left out" for name in defined if name not in judging))
    others = set() if knowledge is None else {p["graph"] for e in own if (p := e.provenance) and p["graph_sha256"] != knowledge.sha256}
    if knowledge is not None and others:
        _note(f"examples made from the graph {', '.join(sorted(others))} are judged by {knowledge.name}@{knowledge.version} as it is now")
    train, learned_from = train_examples(data, examples)

    todo = [name for name in dict.fromkeys((policy, None if earlier is not None else baseline)) if name]
    compared = {e.example_id for e in examples if e.options and benchmarks.intersection(e.capabilities)}
    asked = EvaluationPlan(judging, examples, compared if multiple_choice == "loglikelihood" else set(), max_new_tokens, batch_size)
    kept = {name: AnswerCache(answers_file(Path(out), name, multiple_choice, max_new_tokens)) for name in todo}
    scored = {name: _score(name, asked, answers) for name, answers in kept.items()}
    before, after = scored.get(baseline or "") if earlier is None else earlier.table, scored[policy]
    report = build_report(
        before,
        after,
        judging,
        null_scores(judging, examples, train, seed),
        cost={"seconds": time.perf_counter() - start, "peak_memory_bytes": peak_memory_bytes(_device())},
        data={"tasks": dict(sorted(Counter(e.task for e in examples).items())), "nulls_learned_from": learned_from},
        provenance={
            "policy": policy,
            **({} if baseline is None else {"baseline": baseline}),
            "weights_sha256": {name: found for name in todo if (found := _weights(name))},
            "files": [Path(path).name for path in data],
            **measure["provenance"],
            **({} if knowledge is None else {"graph": f"{knowledge.name} {knowledge.version}", "graph_sha256": knowledge.sha256}),
            **({"multiple_choice": multiple_choice} if compared else {}),
            "seed": seed,
            "versions": versions(),
        },
        seed=seed,
        unsafe=unsafe_report(knowledge, examples, {"before": before, "after": after}),
        promise=promise,
    )
    if benchmarks:
        report["benchmarks"] = round_floats(_details(benchmarks, examples, after))
    with atomic_write(Path(out) / "scores.parquet") as draft:
        scores_table(before, after).to_parquet(draft, index=False)
    page = write_report(out, report)
    for answers in kept.values():
        answers.discard()
    show_report(report, page)
    if gate and report["verdict"] != "certified":
        raise Refused(gate_failure(report))


def read_items(paths: Sequence[str]) -> tuple[list[Example], set[str]]:
    """Reads the examples of several files, and the names of the benchmarks among them.

    Raises:
        InputError: A file is wrong or empty, or an example stands twice.
    """
    from bbflow.data.example_io import read_examples
    from bbflow.evaluation.benchmarks.formats import merge_subjects, read_benchmark

    examples: list[Example] = []
    files: list[tuple[str, list[Example]]] = []
    stood: list[tuple[str, list[str]]] = []
    problems: list[Problem] = []
    for path in paths:
        known = len(problems)
        benchmark = _collected(partial(read_benchmark, path), problems)
        if benchmark is not None:
            files.append(benchmark)
            stood.append((path, [e.example_id for e in benchmark[1]]))
        elif len(problems) == known:
            found = _collected(partial(read_examples, path), problems)
            problems += [Problem("there are no examples in it", str(path))] if found == [] else []
            examples += found or []
            stood.append((path, [e.example_id for e in found or []]))
    if problems:
        raise InputError(*problems)
    benchmarks = merge_subjects(files)
    examples += [example for _, items in benchmarks for example in items]
    twice = [example_id for example_id, times in Counter(e.example_id for e in examples).items() if times > 1]
    if twice:
        places = [path for path, ids in stood for example_id in ids if example_id.endswith(twice[0])]
        first = f"{twice[0]}, in {' and in '.join(places)}" if len(places) > 1 else twice[0]
        raise InputError(Problem(f"{len(twice)} examples stand more than once, the first is {first}", "--data"))
    return examples, {name for name, _ in benchmarks}


def read_data(paths: Sequence[str]) -> list[Example]:
    """Reads the examples of several files; as `read_items`."""
    return read_items(paths)[0]


def train_examples(paths: Sequence[str], examples: list[Example]) -> tuple[list[Example], str]:
    """Finds what the null models may learn from: the train files beside the data, else the data themselves.

    A train file that cannot be read was not asked for: it is told of, and left out.

    Returns:
        The examples, and a sentence for the report that says which they are.
    """
    given = {Path(path).resolve() for path in paths}
    beside = {(p if p.is_dir() else p.parent) / f"train{suffix}" for p in given for suffix in (".parquet", ".jsonl")}
    found = sorted(path for path in beside - given if path.is_file())
    train: list[Example] = []
    for path in found:
        problems: list[Problem] = []
        train += (_collected(partial(read_items, [str(path)]), problems) or ([],))[0]
        _note(*(f"the null models do not learn from {path.name}: {problem}" for problem in problems[:1]))
    if not train:
        return examples, "the evaluated data themselves, since no train file lies beside them"
    return train, "the train split beside the data"


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
    """What an earlier evaluation of the baseline wrote.

    Attributes:
        folder: Where it lies.
        table: Its score table.
        report: Its report; empty where there is none.
    """

    folder: Path
    table: pd.DataFrame
    report: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> EarlierScores:
        """Reads a folder that `bbflow evaluate` wrote, or the report folder of a run.

        Raises:
            InputError: The table or the report is unreadable.
        """
        from bbflow.evaluation.comparison import read_report, read_scores

        return cls(folder, read_scores(folder), read_report(folder) if (folder / "report.json").is_file() else {})

    def problems(self, measure: Mapping[str, Any]) -> list[Problem]:
        """Says why these scores cannot be compared with those of a report."""
        from bbflow.evaluation.comparison import incomparable_reasons

        found = [Problem(why, f"--baseline {self.folder}") for why in incomparable_reasons(self.report, measure)]
        scored, asked = set(self.table["capability"]), set(measure["capabilities"])
        return found + [Problem(f"does not score '{name}'", f"--baseline {self.folder}") for name in sorted(asked - scored)]


def _weights(name: str) -> dict[str, str]:
    """Hashes of the weights of a policy on this machine; of one on the Hub its name has to do."""
    from bbflow.policies import PolicySettings
    from bbflow.policies.export import weights_sha256

    folder = Path(PolicySettings(path=name).source)
    return weights_sha256(folder) if folder.is_dir() else {}


def policy_problems(path: str, option: str) -> list[Problem]:
    """Says why an option names no policy."""
    from bbflow.policies import PolicySettings

    return [replace(problem, where=option) for problem in PolicySettings(path=path).problems(option)]


def promised_margins(policy: str, capabilities: Capabilities, benchmarks: set[str]) -> Preregistration | None:
    """The margins that were fixed before the policy was trained, as `bbflow export` notes them.

    Returns:
        None where none are noted, or not of all that is judged: no training promises a margin of a benchmark, and with one the margins as
        a whole are no older than this evaluation.

    Raises:
        InputError: Capabilities other than benchmarks have other margins.
    """
    from bbflow.evaluation.preregistration import read_preregistration

    promise = read_preregistration(Path(policy).expanduser())
    own = {name: capability for name, capability in capabilities.items() if name not in benchmarks}
    if promise is not None and (broken := promise.problems(own, "--capabilities")):
        raise InputError(*broken)
    return promise if len(own) == len(capabilities) else None


@dataclass(frozen=True)
class EvaluationPlan:
    """What a policy is asked, and how."""

    capabilities: Capabilities
    examples: list[Example]
    by_likelihood: set[str]
    max_new_tokens: int
    batch_size: int


def _score(name: str, asked: EvaluationPlan, kept: AnswerCache) -> pd.DataFrame:
    from bbflow.evaluation.benchmarks.answering import score_answers
    from bbflow.policies import PolicySettings, load_policy
    from bbflow.reporting.terminal import evaluation_progress

    loaded = load_policy(PolicySettings(path=name))
    loaded.model.to(_device())
    with evaluation_progress(f"scoring {name}") as progress:
        return score_answers(
            loaded, asked.capabilities, asked.examples, asked.by_likelihood, asked.max_new_tokens, asked.batch_size, progress, kept
        )  # fmt: skip


def _details(benchmarks: set[str], examples: list[Example], scores: pd.DataFrame) -> dict[str, Any]:
    from bbflow.evaluation.benchmarks.metrics import sub_scores

    texts = dict(zip(scores["example_id"], scores["completion"], strict=True))
    by_name = {name: [e for e in examples if name in e.capabilities] for name in sorted(benchmarks)}
    return {name: {"n": len(of), **sub_scores(name, of, [texts[e.example_id] for e in of])} for name, of in by_name.items()}


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


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
