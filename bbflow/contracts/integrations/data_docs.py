"""Great Expectations' Data Docs of a validation as one page that needs no network, written on request.

The content is rendered by Great Expectations: each expectation with its status, severity, and failing rows with reasons. Its page loads
style sheets, fonts and scripts from elsewhere; here they are left out, and a style sheet is part of the page.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bbflow.contracts.contract import Contract, QualityRule
from bbflow.contracts.engine.rule import Outcome
from bbflow.contracts.engine.runner import Table
from bbflow.contracts.language.explanation import describe_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.phi import mask

_SHOWN = 100
"""Reasons that the page lists for each rule."""

_STYLE = (Path(__file__).parent / "data_docs.css").read_text(encoding="utf-8")


def write_data_docs(
    folder: str | Path, contract: Contract, rows: Sequence[Mapping[str, Any]], ids: tuple[str, ...], graph: KnowledgeGraph
) -> Path:
    """Validate by Great Expectations and write its page.

    Args:
        folder: Folder for `data_docs.html`.
        contract: The contract.
        rows: The data.
        ids: The `example_id` of each row, as the verdict has them.
        graph: The graph.

    Returns:
        The page.
    """
    from bbflow.contracts.integrations.great_expectations import gx_results, read_results

    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult

    results = [result for each in gx_results(contract.rules, Table(rows), ids, graph) for result in each.results]
    outcomes = read_results(contract.rules, results, len(rows))
    by_id = {rule.id: rule for rule in contract.rules}
    for result in results:
        rule = by_id[result.expectation_config.meta["rule_id"]]
        _prepare(result, rule, outcomes[rule.id], ids)
    passed = sum(bool(result.success) for result in results)
    statistics = {
        "evaluated_expectations": len(results),
        "successful_expectations": passed,
        "unsuccessful_expectations": len(results) - passed,
        "success_percent": 100 * passed / max(len(results), 1),
    }
    suite = ExpectationSuiteValidationResult(
        success=passed == len(results),
        results=results,
        suite_name=contract.id,
        statistics=statistics,
        meta={"run_id": {"run_name": contract.id, "run_time": ""}, "great_expectations_version": _version()},
    )
    path = Path(folder) / "data_docs.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_page(contract, _renderer().render(suite)), encoding="utf-8")
    return path


def _version() -> str:
    from great_expectations import __version__

    return str(__version__)


def _renderer() -> Any:
    """Return the renderer of the page, whose tables have a column for the rule and its severity."""
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.renderer.content_block import ValidationResultsTableContentBlockRenderer

    class Table(ValidationResultsTableContentBlockRenderer):
        @classmethod
        def _get_content_block_fn(cls, *arguments: Any, **keywords: Any) -> Any:
            cells_of: Any = super()._get_content_block_fn(*arguments, **keywords)
            return lambda **given: [[given["result"].expectation_config.meta["label"], *row] for row in cells_of(**given)]

        @classmethod
        def _process_content_block(cls, content_block: Any, *arguments: Any, **keywords: Any) -> None:
            super()._process_content_block(content_block, *arguments, **keywords)
            content_block.header_row = ["Rule", *content_block.header_row]

    page = ValidationResultsPageRenderer()
    page._column_section_renderer._table_renderer = Table  # a configuration could name a module's class only
    return page


def _prepare(result: Any, rule: QualityRule, outcome: Outcome | str, ids: tuple[str, ...]) -> None:
    """Leave what the page shows: counts, and masked reasons in place of the values of cells."""
    label = f"{rule.id} ({rule.severity}, on failure: {rule.on_failure})"
    if not isinstance(outcome, str) and (unread := {f.row for f in outcome.findings if not f.understood}):
        label += f"; rows not understood: {len(unread)}"
    result.expectation_config.meta |= {"said": describe_rule(rule), "label": label}
    kept = {"element_count", "unexpected_count", "unexpected_percent", "missing_count", "missing_percent", "observed_value"}
    result.result = {key: value for key, value in (result.result or {}).items() if key in kept}
    reasons = list(_reasons(outcome, ids))
    if reasons:
        result.result.setdefault("element_count", len(ids))
        result.result.setdefault("unexpected_count", len(reasons))
        result.result.setdefault("unexpected_percent", 100 * len(reasons) / max(len(ids), 1))
        result.result["partial_unexpected_counts"] = [{"value": reason, "count": 1} for reason in reasons[:_SHOWN]]
        result.result["partial_unexpected_list"] = reasons[:_SHOWN]
    result.exception_info = {"raised_exception": False, "exception_message": None, "exception_traceback": None}


def _reasons(outcome: Outcome | str, ids: tuple[str, ...]) -> Iterator[str]:
    if isinstance(outcome, str):
        yield mask(outcome)
    else:
        for finding in outcome.findings:
            said = finding.reason if finding.understood else f"not understood: {finding.reason}"
            yield mask(said if finding.row is None else f"{ids[finding.row]}: {said}")


def _page(contract: Contract, document: Any) -> str:
    """Render the sections by Great Expectations' templates, in a page of its own."""
    from great_expectations.render.view import DefaultJinjaSectionView
    from markupsafe import escape

    view = DefaultJinjaSectionView()
    parts = [{"section": section.to_json_dict(), "section_loop": {"index": i + 1}} for i, section in enumerate(document.sections)]
    sections = re.sub(r' href="[^"]*"', "", "".join(map(view.render, parts)))  # they lead to pages that are not written
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(contract.id)}: Data Docs</title><style>{_STYLE}</style></head><body>
<h1>{escape(contract.name or contract.id)} {escape(contract.version)}</h1>
{sections}
</body></html>
"""
