"""Great Expectations runs every rule of a contract: `no_phi` becomes the expectation `expect_no_phi`, and a contract a suite.

All rules run through Great Expectations; there is no separate code path that could give another result. Reading a contract does not
import it: only `validate` does, since the import takes seconds.

For bbflow's rules the batch holds the row ids alone, because Great Expectations would pickle a whole table, twice, to hash it. One
metric runs all of them over the rows; a second reads the outcome of one rule. Findings are passed in `details` of the result, because
Great Expectations reports which row fails and not why. Its core expectations get the columns that they name (`gx_columns`). Results
are matched by rule id and checked for completeness; a missing result or a crash becomes an error, which refuses the data.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bbflow.contracts.contract import QualityRule
from bbflow.contracts.engine.row import Finding
from bbflow.contracts.engine.rule import RULES, Outcome, Rule
from bbflow.contracts.engine.runner import Table, evaluate
from bbflow.contracts.integrations.gx_columns import by_frame, outcome_of
from bbflow.contracts.language.declared_columns import COLUMNS_RULE
from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # versions before 1.20 sent usage statistics

import great_expectations as gx
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer
from great_expectations.validator.metric_configuration import MetricConfiguration

if TYPE_CHECKING:
    import pandas as pd

_EXPECTATION_OF: dict[str, Rule] = {}
"""Dict from the name of a rule to the rule that its expectation wraps."""


@dataclass(frozen=True)
class _Job:
    """The inputs of a run."""

    graph: KnowledgeGraph
    rules: Sequence[QualityRule]
    table: Table
    ids: tuple[str, ...]
    workers: int | None


_RUNNING: dict[str, _Job] = {}
"""Dict from the key of a run to its job: the arguments of an expectation are JSON, so they hold the key instead of graph and rows."""


def _settings(rule: QualityRule) -> str:
    """Return the arguments of a rule as JSON text."""
    return json.dumps(rule.kwargs, sort_keys=True)


def _rule_key(rule: QualityRule) -> tuple[str, str]:
    """Return name and arguments of a rule, by which a metric finds its outcome."""
    return rule.rule.name, _settings(rule)


class OutcomesMetric(TableMetricProvider):
    """Outcomes of all rules of bbflow, from one pass over the rows."""

    metric_name = "bbflow.outcomes"
    value_keys = ("run",)

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(
        cls, execution_engine: Any, metric_domain_kwargs: dict[str, Any], metric_value_kwargs: dict[str, Any], **_: Any
    ) -> dict[str, Any]:
        frame, _, _ = execution_engine.get_compute_domain(domain_kwargs=metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE)
        job = _RUNNING[metric_value_kwargs["run"]]
        if tuple(frame.index) != job.ids:
            raise ValueError("the batch is not the table of the run")
        outcomes = evaluate([(rule.rule, rule.kwargs) for rule in job.rules], job.table, job.graph, job.workers)
        return {"rows": len(frame), "outcomes": {_rule_key(rule): outcome for rule, outcome in zip(job.rules, outcomes, strict=True)}}


class RuleMetric(TableMetricProvider):
    """Outcome of one rule; a crash is a value too, so that one rule cannot silence the others."""

    metric_name = "bbflow.rule"
    value_keys = ("rule", "settings", "run")

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(cls, metric_value_kwargs: dict[str, Any], metrics: dict[str, Any], **_: Any) -> dict[str, Any]:
        rows, outcomes = metrics[OutcomesMetric.metric_name]["rows"], metrics[OutcomesMetric.metric_name]["outcomes"]
        outcome = outcomes.get((metric_value_kwargs["rule"], metric_value_kwargs["settings"]), "the rule was not run")
        if isinstance(outcome, str):
            return {"rows": rows, "evaluated": 0, "findings": [], "error": outcome}
        findings = [[f.row, f.reason, f.column, f.span, f.edges, f.understood] for f in outcome.findings]
        return {"rows": rows, "evaluated": outcome.evaluated, "findings": findings, "error": ""}

    @classmethod
    def _get_evaluation_dependencies(  # type: ignore[override]
        cls, metric: MetricConfiguration, **_: Any
    ) -> dict[str, MetricConfiguration]:
        run = {"run": metric.metric_value_kwargs["run"]}
        return {OutcomesMetric.metric_name: MetricConfiguration(OutcomesMetric.metric_name, metric.metric_domain_kwargs, run)}


class RuleExpectation(BatchExpectation):
    """Expect a rule to find nothing.

    Args:
        rule: Name of the rule.
        settings: Its arguments as JSON text.
        run: Key of the run in `_RUNNING`.
    """

    rule: str
    settings: str
    run: str

    metric_dependencies: ClassVar[tuple[str, ...]] = (RuleMetric.metric_name,)
    success_keys: ClassVar[tuple[str, ...]] = ("rule", "settings", "run")

    def _validate(self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None) -> dict[str, Any]:
        details = metrics[RuleMetric.metric_name]
        job = _RUNNING[self.run]
        ids = list(dict.fromkeys(job.ids[row] for row, *_ in details["findings"] if row is not None))
        result = {"element_count": details["evaluated"], "unexpected_count": len(ids), "unexpected_index_list": ids, "details": details}
        result["unexpected_percent"] = 100 * len(ids) / max(details["evaluated"], 1)  # which Data Docs show
        return {"success": not details["findings"] and not details["error"], "result": result}

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(  # type: ignore[override]
        cls, configuration: Any = None, result: Any = None, **_: Any
    ) -> list[RenderedStringTemplateContent]:
        """Render the rule for Data Docs in the words of `contracts explain`."""
        config = configuration or result.expectation_config
        template = {"template": "$said", "params": {"said": (config.meta or {}).get("said", cls.__doc__)}}
        return [RenderedStringTemplateContent(string_template=template)]


def expectation_type(rule: Rule) -> str:
    """Return the name of the expectation that wraps a rule, defining its class at the first call."""
    if _EXPECTATION_OF.get(rule.name) is not rule:
        _EXPECTATION_OF[rule.name] = rule
        camel = "Expect" + "".join(word.capitalize() for word in rule.name.split("_"))
        type(camel, (RuleExpectation,), {"__doc__": rule.summary, "__module__": __name__})
    return f"expect_{rule.name}"


for _rule in (COLUMNS_RULE, *RULES.values()):
    expectation_type(_rule)


def suite_of(rules: Sequence[QualityRule], run: str) -> gx.ExpectationSuite:
    """Build the suite, one expectation a rule, each with its severity and with the rule's id in `meta`."""
    return gx.ExpectationSuite("contract", expectations=[_expectation(rule, run) for rule in rules])


def _expectation(rule: QualityRule, run: str) -> Any:
    if rule.rule.of_great_expectations:
        name, kwargs = rule.rule.name, dict(rule.kwargs)
    else:
        name, kwargs = expectation_type(rule.rule), {"rule": rule.rule.name, "settings": _settings(rule), "run": run}
    meta, severity = {"rule_id": rule.id}, FailureSeverity(rule.severity)
    return ExpectationConfiguration(type=name, kwargs=kwargs, meta=meta, severity=severity).to_domain_obj()


def run(
    rules: Sequence[QualityRule], table: Table, ids: tuple[str, ...], graph: KnowledgeGraph, workers: int | None = None
) -> dict[str, Outcome | str]:
    """Run rules over a table.

    Args:
        rules: The rules; their ids are unique.
        table: One example a row.
        ids: The `example_id` of each row.
        graph: The graph that the rules read.
        workers: Number of processes; None chooses it by the number of rows and cores.

    Returns:
        Dict from the id of a rule to its outcome, or to an error message.

    Raises:
        InputError: Great Expectations does not take the arguments of one of its expectations.
    """
    errors: dict[str, Outcome | str]
    _check_arguments([rule for rule in rules if rule.rule.of_great_expectations])
    try:
        results = [result for each in gx_results(rules, table, ids, graph, workers) for result in each.results]
    except Exception as error:
        errors = {rule.id: f"Great Expectations failed: {type(error).__name__}: {error}" for rule in rules}
        return errors
    return read_results(rules, results, table.row_count)


def _check_arguments(rules: Sequence[QualityRule]) -> None:
    """Raise for arguments that Great Expectations refuses together, such as a range without any bound."""
    problems = []
    for rule in rules:
        try:
            _expectation(rule, "")
        except ValueError as error:  # pydantic's errors are of this kind
            messages = [each["msg"] for each in error.errors()] if hasattr(error, "errors") else [str(error)]
            problems.append(Problem(f"Great Expectations refuses the arguments of rule '{rule.id}': {'; '.join(messages)}", rule.where))
    if problems:
        raise InputError(*problems)


def gx_results(
    rules: Sequence[QualityRule], table: Table, ids: tuple[str, ...], graph: KnowledgeGraph, workers: int | None = None
) -> list[Any]:
    """Return the results of Great Expectations, one for each batch: row ids for the rules of bbflow, columns for the core expectations.

    The arguments are those of `run`.
    """
    import pandas as pd

    run = uuid.uuid4().hex
    gx_rules = [rule for rule in rules if rule.rule.of_great_expectations]
    bbflow_rules = [rule for rule in rules if not rule.rule.of_great_expectations]
    frames = [(bbflow_rules, pd.DataFrame({"row": range(len(ids))}, index=pd.Index(ids, dtype=object)))] if bbflow_rules else []
    frames += by_frame(gx_rules, table)
    _RUNNING[run] = _Job(graph, bbflow_rules, table, ids, workers)
    try:
        return [_batch(frame).validate(suite_of(group, run), result_format={"result_format": "COMPLETE"}) for group, frame in frames]
    finally:
        del _RUNNING[run]


def read_results(rules: Sequence[QualityRule], results: Sequence[Any], row_count: int) -> dict[str, Outcome | str]:
    """Read results back by rule id; a rule whose result is missing, doubled, incomplete or failed gets an error instead."""
    by_id: dict[Any, list[Any]] = {}
    for result in results:
        by_id.setdefault((result.expectation_config.meta or {}).get("rule_id"), []).append(result)
    outcomes: dict[str, Outcome | str] = {}
    for rule in rules:
        results_of_rule = by_id.pop(rule.id, [])
        if len(results_of_rule) != 1:
            outcomes[rule.id] = f"Great Expectations gave {len(results_of_rule)} results, not one"
        else:
            result = results_of_rule[0]
            outcomes[rule.id] = outcome_of(rule, result, row_count) if rule.rule.of_great_expectations else _outcome(result, row_count)
    if by_id or not rules:
        return {rule.id: "Great Expectations gave results that no rule asked for" for rule in rules}
    return outcomes


def _outcome(result: Any, row_count: int) -> Outcome | str:
    """Return the outcome of a rule of bbflow, or an error if the result is incomplete or contradicts itself."""
    details = (result.result or {}).get("details")
    if not isinstance(details, dict):
        reasons = [info["exception_message"] for info in (result.exception_info or {}).values() if isinstance(info, dict)]
        return f"the rule crashed: {'; '.join(map(str, reasons)) or 'Great Expectations gave no result'}"
    if details["error"]:
        return str(details["error"])
    if details["rows"] != row_count or result.result.get("element_count") != details["evaluated"]:
        return f"Great Expectations looked at {details['rows']} rows, not at {row_count}"
    if bool(result.success) != (not details["findings"]):
        return "Great Expectations' verdict and the rule's findings contradict each other"
    return Outcome(details["evaluated"], [Finding(row, reason, *where) for row, reason, *where in details["findings"]])


def _batch(frame: pd.DataFrame) -> Any:
    """Return a batch of Great Expectations with the whole frame, in a context that writes no files."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("bbflow").add_dataframe_asset("examples")
    return asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
