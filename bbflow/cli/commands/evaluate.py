"""`bbflow evaluate`: scores of a policy on files of examples, and the certificate against a baseline."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bbflow.cli.commands.evaluation_inputs import (
    Capabilities,
    EarlierScores,
    collected,
    load_capabilities,
    note,
    policy_problems,
    preregistered_margins,
    read_items,
    train_examples,
)
from bbflow.errors import InputError, Problem, Refused
from bbflow.evaluation.answer_cache import AnswerCache, answers_file
from bbflow.io.atomic import atomic_write
from bbflow.records import Example

if TYPE_CHECKING:
    import pandas as pd

    from bbflow.evaluation.preregistration import Preregistration
    from bbflow.graph import KnowledgeGraph
    from bbflow.reporting.run_facts import RunFacts

_MultipleChoice = Literal["loglikelihood", "generation"]


def evaluate(
    policy: str,
    data: list[str],
    out: str,
    baseline: str | None = None,
    capabilities: str | None = None,
    graph: str | None = None,
    multiple_choice: _MultipleChoice = "loglikelihood",
    max_new_tokens: int = 96,
    batch_size: int = 64,
    gate: bool = False,
    seed: int = 0,
) -> None:
    """Score a policy with intervals and null models; with a baseline, certify that no capability was lost.

    Args:
        policy: `tiny`, a folder in Hugging Face format, or a Hub id.
        data: Held-out examples (.parquet, .jsonl), or benchmark files as published (.jsonl: MMLU, MedQA, MedMCQA, PubMedQA, IFEval,
            safety pairs), which are recognised by their contents. Null models learn from a train file in the same folder, if any.
        out: Folder for report.json, index.html and scores.parquet.
        baseline: Policy to compare with, on the same items; or the folder that an earlier evaluation of it wrote.
        capabilities: YAML file that defines the capabilities; by default the clinical ones that ship with bbflow.
        graph: Graph file, folder or pack that the examples speak of; by default the pack that they were made from.
        multiple_choice: How an option of a benchmark is chosen: the likeliest letter after the bare question, or a written answer.
        max_new_tokens: Longest completion, in tokens.
        batch_size: Prompts decoded together.
        gate: Exit with status 1 unless the policy is certified; needs a baseline.
        seed: Seed of the random null models and of the bootstrap.

    Raises:
        InputError: Policy, data, capabilities or graph are missing or malformed, or no example is judged by any capability.
        Refused: With `gate`, the policy is not certified.
    """
    from bbflow.evaluation.certificate import gate_failure
    from bbflow.reporting.run_report import build_report, round_floats, scores_table, write_report
    from bbflow.reporting.terminal import show_report

    start = time.perf_counter()
    options = _Options(policy, data, out, baseline, capabilities, graph, multiple_choice, max_new_tokens, batch_size, gate, seed)
    plan = _plan(options, _read(options))
    kept = {name: AnswerCache(answers_file(Path(out), name, multiple_choice, max_new_tokens)) for name in plan.policies}
    scored = {name: _score(name, plan, answers) for name, answers in kept.items()}
    before, after = scored.get(baseline or "") if plan.earlier is None else plan.earlier.table, scored[policy]
    report = build_report(before, after, plan.judging, _facts(plan, before, after, start))
    if plan.benchmarks:
        report["benchmarks"] = round_floats(_details(plan.benchmarks, plan.examples, after))
    with atomic_write(Path(out) / "scores.parquet") as draft:
        scores_table(before, after).to_parquet(draft, index=False)
    page = write_report(out, report)
    for answers in kept.values():
        answers.discard()
    show_report(report, page)
    if gate and report["verdict"] != "certified":
        raise Refused(gate_failure(report))


@dataclass(frozen=True)
class _Options:
    """The arguments of the command; see `evaluate`."""

    policy: str
    data: list[str]
    out: str
    baseline: str | None
    capabilities: str | None
    graph: str | None
    multiple_choice: _MultipleChoice
    max_new_tokens: int
    batch_size: int
    gate: bool
    seed: int


@dataclass(frozen=True)
class _Inputs:
    """Contents of the files that the options name.

    Attributes:
        examples: Examples of bbflow and of benchmarks.
        benchmarks: Names of the benchmarks among them.
        capabilities: Capabilities of the recipe and of the benchmarks.
        graph: Graph of bbflow's own examples; None without any.
        earlier: Earlier evaluation of the baseline, if that is what the option names.
    """

    examples: list[Example]
    benchmarks: set[str]
    capabilities: Capabilities
    graph: KnowledgeGraph | None
    earlier: EarlierScores | None

    @property
    def own(self) -> list[Example]:
        """Examples that belong to no benchmark."""
        return [e for e in self.examples if not self.benchmarks.intersection(e.capabilities)]


@dataclass(frozen=True)
class EvaluationPlan:
    """Everything that is scored, and how; made before any policy is loaded.

    Attributes:
        options: Arguments of the command.
        policies: Policies to score.
        judging: Capabilities that judge at least one example.
        examples: Examples of bbflow and of benchmarks.
        benchmarks: Names of the benchmarks among them.
        by_likelihood: Ids of the examples whose option is chosen by likelihood.
        has_multiple_choice: Whether a benchmark of multiple choice is among them.
        graph: Graph of bbflow's own examples; None without any.
        earlier: Earlier evaluation of the baseline, if that is what the option names.
        preregistration: Margins that were fixed before the training of the policy.
        train: Examples that the null models learn from.
        learned_from: Phrase that describes them.
        comparability: Settings that must be the same for the scores of two evaluations to be comparable.
    """

    options: _Options
    policies: list[str]
    judging: Capabilities
    examples: list[Example]
    benchmarks: set[str]
    by_likelihood: set[str]
    has_multiple_choice: bool
    graph: KnowledgeGraph | None
    earlier: EarlierScores | None
    preregistration: Preregistration | None
    train: list[Example]
    learned_from: str
    comparability: dict[str, Any]


def _read(options: _Options) -> _Inputs:
    """Read all inputs.

    Raises:
        InputError: Lists the problems of all options and files.
    """
    from bbflow.cli.commands.graph import graph_for
    from bbflow.evaluation.benchmarks.answering import benchmark_capability

    earlier, problems = _option_problems(options)
    examples, benchmarks = collected(lambda: read_items(options.data), problems) or ([], set())
    own = [e for e in examples if not benchmarks.intersection(e.capabilities)]
    defined = collected(lambda: load_capabilities(options.capabilities), problems) if own or options.capabilities else {}
    needs_graph = own or options.graph
    graph = collected(lambda: graph_for(options.graph, (e.provenance for e in own)), problems) if needs_graph else None
    if problems:
        raise InputError(*problems)
    capabilities = (defined or {}) | {name: benchmark_capability(name, options.multiple_choice) for name in sorted(benchmarks)}
    return _Inputs(examples, benchmarks, capabilities, graph, earlier)


def _option_problems(options: _Options) -> tuple[EarlierScores | None, list[Problem]]:
    """Return the earlier scores of the baseline, and the problems of options other than files of data."""
    from bbflow.cli.recipes.relative_paths import folder_problems

    problems = folder_problems(options.out, "--out") + policy_problems(options.policy, "--policy")
    baseline, earlier = options.baseline, None
    if baseline is not None and not (Path(baseline) / "scores.parquet").is_file():
        problems += policy_problems(baseline, "--baseline")
    elif baseline is not None:
        earlier = collected(lambda: EarlierScores.read(Path(baseline)), problems)
        if Path(baseline).resolve() == Path(options.out).resolve():
            problems.append(Problem("the baseline's scores are in this folder and would be overwritten", "--out", "name another folder"))
    elif options.gate:
        problems.append(Problem("a certificate needs something to compare with", "--gate", "add --baseline"))
    least = {"max_new_tokens": 1, "batch_size": 1, "seed": 0}
    given = {name: getattr(options, name) for name in least}
    problems += [Problem(f"must be at least {low}, not {given[name]}", f"--{name}") for name, low in least.items() if given[name] < low]
    return earlier, problems


def _plan(options: _Options, inputs: _Inputs) -> EvaluationPlan:
    """Decide what is scored.

    Raises:
        InputError: No example is judged, the baseline's scores are not comparable, or a record cannot be judged.
    """
    from bbflow.reporting.run_facts import measure_facts
    from bbflow.reporting.run_report import metric_name

    examples, benchmarks = inputs.examples, inputs.benchmarks
    judging = _judging(inputs)
    comparability = measure_facts(examples, options.max_new_tokens)
    metrics = {name: {"metric": metric_name(capability)} for name, capability in judging.items()}
    if inputs.earlier is not None and (found := inputs.earlier.problems({"capabilities": metrics, "provenance": comparability})):
        raise InputError(*found)
    preregistration = None if options.baseline is None else preregistered_margins(options.policy, judging, benchmarks)
    _check_records(judging, inputs)
    _note_omissions(judging, inputs)
    train, learned_from = train_examples(options.data, examples)
    to_score = dict.fromkeys((options.policy, None if inputs.earlier is not None else options.baseline))
    with_options = {e.example_id for e in examples if e.options and benchmarks.intersection(e.capabilities)}
    return EvaluationPlan(
        options=options,
        policies=[name for name in to_score if name],
        judging=judging,
        examples=examples,
        benchmarks=benchmarks,
        by_likelihood=with_options if options.multiple_choice == "loglikelihood" else set(),
        has_multiple_choice=bool(with_options),
        graph=inputs.graph,
        earlier=inputs.earlier,
        preregistration=preregistration,
        train=train,
        learned_from=learned_from,
        comparability=comparability,
    )


def _judging(inputs: _Inputs) -> Capabilities:
    """Return the capabilities that judge at least one example."""
    judging = {name: c for name, c in inputs.capabilities.items() if any(c.judges(name, e) for e in inputs.examples)}
    if not judging:
        named = sorted({name for e in inputs.examples for name in e.capabilities})
        hint = f"asked for: {', '.join(inputs.capabilities)}; the examples name: {', '.join(named) or 'none'}"
        raise InputError(Problem("no example is judged by any capability", "--data", hint))
    return judging


def _check_records(judging: Capabilities, inputs: _Inputs) -> None:
    """Raise `InputError` for records that a reward cannot read."""
    from bbflow.capabilities.capability import unreadable_records
    from bbflow.io.progress import progress_bar

    for capability in judging.values():
        capability.prepare(inputs.graph)
    with progress_bar("checking records", len(inputs.examples)) as advance:
        unreadable = unreadable_records(judging, inputs.examples, advance)
    if unreadable:
        raise InputError(*unreadable)


def _note_omissions(judging: Capabilities, inputs: _Inputs) -> None:
    """Note capabilities without an example, and examples that were made from another version of the graph."""
    note(*(f"'{name}' judges no example of this data and is left out" for name in inputs.capabilities if name not in judging))
    if (graph := inputs.graph) is None:
        return
    others = {p["graph"] for e in inputs.own if (p := e.provenance) and p["graph_sha256"] != graph.sha256}
    if others:
        note(f"examples made from the graph {', '.join(sorted(others))} are judged by {graph.name}@{graph.version} as it is now")


def _score(name: str, plan: EvaluationPlan, kept: AnswerCache) -> pd.DataFrame:
    """Score a policy; answers that were kept by an interrupted evaluation are not generated again."""
    from bbflow.evaluation.benchmarks.answering import score_answers
    from bbflow.policies import PolicySettings, load_policy
    from bbflow.reporting.terminal import evaluation_progress

    loaded = load_policy(PolicySettings(path=name))
    loaded.model.to(_device())
    length, size = plan.options.max_new_tokens, plan.options.batch_size
    with evaluation_progress(f"scoring {name}") as progress:
        return score_answers(loaded, plan.judging, plan.examples, plan.by_likelihood, length, size, progress, kept)


def _facts(plan: EvaluationPlan, before: pd.DataFrame | None, after: pd.DataFrame, start: float) -> RunFacts:
    """Collect the facts of the report; `start` is the time at which the command began, by `time.perf_counter`."""
    from bbflow.evaluation.baselines.null_models import null_scores
    from bbflow.evaluation.statistics.unsafe_advice import unsafe_report
    from bbflow.reporting.provenance import peak_memory_bytes, versions
    from bbflow.reporting.run_facts import RunFacts, graph_facts, task_counts

    options = plan.options
    return RunFacts(
        nulls=null_scores(plan.judging, plan.examples, plan.train, options.seed),
        cost={"seconds": time.perf_counter() - start, "peak_memory_bytes": peak_memory_bytes(_device())},
        data={"tasks": task_counts(plan.examples), "nulls_learned_from": plan.learned_from},
        provenance={
            "policy": options.policy,
            **({} if options.baseline is None else {"baseline": options.baseline}),
            "weights_sha256": {name: found for name in plan.policies if (found := _weights(name))},
            "files": [Path(path).name for path in options.data],
            **plan.comparability,
            **graph_facts(plan.graph),
            **({"multiple_choice": options.multiple_choice} if plan.has_multiple_choice else {}),
            "seed": options.seed,
            "versions": versions(),
        },
        seed=options.seed,
        unsafe=unsafe_report(plan.graph, plan.examples, {"before": before, "after": after}),
        preregistration=plan.preregistration,
    )


def _details(benchmarks: set[str], examples: list[Example], scores: pd.DataFrame) -> dict[str, Any]:
    """Return the sub-scores of each benchmark."""
    from bbflow.evaluation.benchmarks.metrics import sub_scores

    texts = dict(zip(scores["example_id"], scores["completion"], strict=True))
    by_name = {name: [e for e in examples if name in e.capabilities] for name in sorted(benchmarks)}
    return {name: {"n": len(of), **sub_scores(name, of, [texts[e.example_id] for e in of])} for name, of in by_name.items()}


def _weights(name: str) -> dict[str, str]:
    """Return the hashes of the weights of a policy on this machine; empty for one on the Hub, which its name identifies."""
    from bbflow.policies import PolicySettings
    from bbflow.policies.export import weights_sha256

    folder = Path(PolicySettings(path=name).source)
    return weights_sha256(folder) if folder.is_dir() else {}


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
