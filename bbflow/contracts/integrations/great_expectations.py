"""Great Expectations runs every rule of a contract: `no_phi` becomes the expectation `expect_no_phi`, and a contract a suite.

All rules, bbflow's and Great Expectations' own, go through one library, whose results decide; there is no second path without it that
could judge differently. Reading a contract does not import it: only `validate` does, since the import takes seconds.

For bbflow's rules the batch holds the row ids alone, because Great Expectations would pickle a whole table, twice, to hash it. One
metric runs all of them over the rows; a second reads the outcome of one rule. Findings are passed in `details` of the result, because
Great Expectations reports which row fails and not why. Its own expectations get the columns that they name (`gx_columns`). Results
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

_RULES: dict[str, Rule] = {}


@dataclass(frozen=True)
class _Job:
    """The inputs of a run."""

    graph: KnowledgeGraph
    rules: Sequence[QualityRule]
    table: Table
    ids: tuple[str, ...]
    workers: int | None


_RUNNING: dict[str, _Job] = {}
"""Jobs by a key that is unique to the run: the arguments of an expectation are JSON, so they hold the key instead of graph and rows."""


def _settings(rule: QualityRule) -> str:
    return json.dumps(rule.kwargs, sort_keys=True)


def _key(rule: QualityRule) -> tuple[str, str]:
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
        found = evaluate([(rule.rule, rule.kwargs) for rule in job.rules], job.table, job.graph, job.workers)
        return {"rows": len(frame), "found": {_key(rule): outcome for rule, outcome in zip(job.rules, found, strict=True)}}


class RuleMetric(TableMetricProvider):
    """Outcome of one rule; a crash is a value too, so that one rule cannot silence the others."""

    metric_name = "bbflow.rule"
    value_keys = ("rule", "settings", "run")

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(cls, metric_value_kwargs: dict[str, Any], metrics: dict[str, Any], **_: Any) -> dict[str, Any]:
        rows, found = metrics[OutcomesMetric.metric_name]["rows"], metrics[OutcomesMetric.metric_name]["found"]
        outcome = found.get((metric_value_kwargs["rule"], metric_value_kwargs["settings"]), "the rule was not run")
        if isinstance(outcome, str):
            return {"rows": rows, "evaluated": 0, "findings": [], "error": outcome}
        findings = [[f.row, f.reason, f.column, f.span, f.edges] for f in outcome.findings]
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
        found = metrics[RuleMetric.metric_name]
        job = _RUNNING[self.run]
        ids = list(dict.fromkeys(job.ids[row] for row, *_ in found["findings"] if row is not None))
        result = {"element_count": found["evaluated"], "unexpected_count": len(ids), "unexpected_index_list": ids, "details": found}
        result["unexpected_percent"] = 100 * len(ids) / max(found["evaluated"], 1)  # which Data Docs show
        return {"success": not found["findings"] and not found["error"], "result": result}

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
    if _RULES.get(rule.name) is not rule:
        _RULES[rule.name] = rule
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
        rules: What to run; ids are unique.
        table: One example a row.
        ids: The `example_id` of each row.
        graph: The graph that rules look things up in.
        workers: Processes to share the rows among; None for as many as pay.

    Returns:
        Rule id to what it found, or to a sentence on why that is not known.

    Raises:
        InputError: Great Expectations does not take the arguments of one of its expectations.
    """
    errors: dict[str, Outcome | str]
    _check_arguments([rule for rule in rules if rule.rule.of_great_expectations])
    try:
        results = [result for each in validated(rules, table, ids, graph, workers) for result in each.results]
    except Exception as error:
        errors = {rule.id: f"Great Expectations failed: {type(error).__name__}: {error}" for rule in rules}
        return errors
    return read_results(rules, results, table.rows)


def _check_arguments(rules: Sequence[QualityRule]) -> None:
    """Raise for arguments that Great Expectations refuses together, such as a range without any bound."""
    problems = []
    for rule in rules:
        try:
            _expectation(rule, "")
        except ValueError as error:  # pydantic's errors are of this kind
            said = [each["msg"] for each in error.errors()] if hasattr(error, "errors") else [str(error)]
            problems.append(Problem(f"Great Expectations refuses the arguments of rule '{rule.id}': {'; '.join(said)}", rule.where))
    if problems:
        raise InputError(*problems)


def validated(
    rules: Sequence[QualityRule], table: Table, ids: tuple[str, ...], graph: KnowledgeGraph, workers: int | None = None
) -> list[Any]:
    """Return Great Expectations' results, one for each batch: the row ids for bbflow's rules, columns for its own expectations.

    The arguments are those of `run`.
    """
    import pandas as pd

    run = uuid.uuid4().hex
    own = [rule for rule in rules if rule.rule.of_great_expectations]
    ours = [rule for rule in rules if not rule.rule.of_great_expectations]
    frames = [(ours, pd.DataFrame({"row": range(len(ids))}, index=pd.Index(ids, dtype=object)))] if ours else []
    frames += by_frame(own, table)
    _RUNNING[run] = _Job(graph, ours, table, ids, workers)
    try:
        return [_batch(frame).validate(suite_of(group, run), result_format={"result_format": "COMPLETE"}) for group, frame in frames]
    finally:
        del _RUNNING[run]


def read_results(rules: Sequence[QualityRule], results: Sequence[Any], rows: int) -> dict[str, Outcome | str]:
    """Read results back by rule id; a rule whose result is missing, doubled, incomplete or failed gets an error instead."""
    by_id: dict[Any, list[Any]] = {}
    for result in results:
        by_id.setdefault((result.expectation_config.meta or {}).get("rule_id"), []).append(result)
    outcomes: dict[str, Outcome | str] = {}
    for rule in rules:
        found = by_id.pop(rule.id, [])
        if len(found) != 1:
            outcomes[rule.id] = f"Great Expectations gave {len(found)} results, not one"
        else:
            outcomes[rule.id] = outcome_of(rule, found[0], rows) if rule.rule.of_great_expectations else _outcome(found[0], rows)
    if by_id or not rules:
        return {rule.id: "Great Expectations gave results that no rule asked for" for rule in rules}
    return outcomes


def _outcome(result: Any, rows: int) -> Outcome | str:
    details = (result.result or {}).get("details")
    if not isinstance(details, dict):
        reasons = [info["exception_message"] for info in (result.exception_info or {}).values() if isinstance(info, dict)]
        return f"the rule crashed: {'; '.join(map(str, reasons)) or 'Great Expectations gave no result'}"
    if details["error"]:
        return str(details["error"])
    if details["rows"] != rows or result.result.get("element_count") != details["evaluated"]:
        return f"Great Expectations looked at {details['rows']} rows, not at {rows}"
    if bool(result.success) != (not details["findings"]):
        return "Great Expectations' verdict and the rule's findings contradict each other"
    return Outcome(details["evaluated"], [Finding(row, reason, *where) for row, reason, *where in details["findings"]])


def _batch(frame: pd.DataFrame) -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("bbflow").add_dataframe_asset("examples")
    return asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
