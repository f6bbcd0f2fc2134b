"""Columns for Great Expectations' own expectations, and what these find in them as outcomes of bbflow.

Only the columns that an expectation names are handed over, because Great Expectations pickles a table to hash it. The index is the
position of the row, by which a failing row is found again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bbflow.contracts.contract import QualityRule
from bbflow.contracts.engine.row import Finding, plain
from bbflow.contracts.engine.rule import Outcome
from bbflow.contracts.engine.runner import CHUNK, Table
from bbflow.contracts.language.expectations import columns_read

if TYPE_CHECKING:
    import pandas as pd

_LONGEST = 40
"""Characters of a text that a reason quotes; a longer text is counted."""

_MOST = 10
"""Values of a set that a reason lists."""


def by_frame(rules: Sequence[QualityRule], table: Table) -> list[tuple[list[QualityRule], pd.DataFrame]]:
    """Group expectations by the frame that they run over.

    Expectations on values get the cells of the columns that they name. Expectations on the table get its columns by name, empty,
    without the dotted ones, which are no columns of the data.
    """
    import pandas as pd

    read = {rule.id: [column for _, column in columns_read(rule.rule.name, rule.kwargs)] for rule in rules}
    on_values, on_table = [r for r in rules if read[r.id]], [r for r in rules if not read[r.id]]
    frames = []
    if on_values:
        names = list(dict.fromkeys(column for rule in on_values for column in read[rule.id]))
        frames.append((on_values, pd.DataFrame(_cells(table, names), index=range(table.row_count))))
    if on_table:
        frames.append((on_table, pd.DataFrame(dict.fromkeys(table.names), index=range(table.row_count))))
    return frames


def _cells(table: Table, names: Sequence[str]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for start in range(0, table.row_count, CHUNK):
        for row in table.raw(start, start + CHUNK):
            for name, cells in columns.items():
                cells.append(_cell(row, name))
    return columns


def _cell(row: Mapping[str, Any], name: str) -> Any:
    """Return a cell; lists and objects as JSON text.

    >>> row = {"patient": {"age": 54, "conditions": ["asthma"]}}
    >>> _cell(row, "patient.age"), _cell(row, "patient.conditions"), _cell(row, "patient.weight.kg")
    (54, '["asthma"]', None)
    """
    column, *inner = name.split(".")
    value = plain(row.get(column))
    for key in inner:
        value = value.get(key) if isinstance(value, dict) else None
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (list, dict)) else value


def outcome_of(rule: QualityRule, result: Any, rows: int) -> Outcome | str:
    """Read the result of one of Great Expectations' own expectations.

    A failing row becomes a finding with a reason. A failure that no single row is to blame for (a mean, a number of rows) becomes a
    finding about the data set. With `mostly` fulfilled there are no findings.
    """
    found: Mapping[str, Any] = result.result or {}
    info = result.exception_info or {}
    errors = [each["exception_message"] for each in (info, *info.values()) if isinstance(each, dict) and each.get("exception_message")]
    if errors:
        return f"the rule crashed: {'; '.join(dict.fromkeys(map(str, errors)))}"
    evaluated = rows
    if "element_count" in found:
        if found["element_count"] != rows:
            return f"Great Expectations looked at {found['element_count']} rows, not at {rows}"
        evaluated -= found.get("missing_count", 0)
    if result.success:
        return Outcome(evaluated, [])
    if "unexpected_index_list" not in found:
        return Outcome(evaluated, [Finding(None, _table_reason(rule, found.get("observed_value")))])
    positions, values = found["unexpected_index_list"], found["unexpected_list"]
    if not positions or len(positions) != len(values):
        return "Great Expectations' verdict and the rows that it names contradict each other"
    column = rule.kwargs.get("column", "")
    findings = [Finding(int(row), row_reason(rule, value), column) for row, value in zip(positions, values, strict=True)]
    return Outcome(evaluated, sorted(findings, key=lambda finding: finding.row or 0))


def row_reason(rule: QualityRule, value: Any) -> str:
    """Return why a value fails, in a sentence: `patient.age 130 is not between 0 and 120`."""
    kwargs, name = rule.kwargs, rule.rule.name
    if name == "expect_column_values_to_not_be_null":
        return f"{kwargs['column']} is null"
    if "column" in kwargs:
        said = f"{kwargs['column']} {_said(value)}"
    elif isinstance(value, Mapping):
        said = ", ".join(f"{column} {_said(inner)}" for column, inner in value.items())
    else:
        said = ", ".join(f"{kwargs.get(key)} {_said(inner)}" for key, inner in zip(("column_A", "column_B"), value, strict=False))
    return f"{said} {_PHRASES[name](kwargs)}" if name in _PHRASES else f"{said} fails: {_expected(rule)}"


def _table_reason(rule: QualityRule, observed: Any) -> str:
    found = f", found {_said(observed)}" if observed is not None else ""
    return f"expected {_expected(rule)}{found}"


def _expected(rule: QualityRule) -> str:
    words = rule.rule.name.removeprefix("expect_").replace("_", " ")
    settings = ", ".join(f"{key} {_said(value)}" for key, value in rule.kwargs.items())
    return f"{words} ({settings})" if settings else words


def _said(value: Any) -> str:
    """Write a value.

    >>> _said(130.0), _said("m"), _said("word " * 20), _said([1, "a"])
    ('130', "'m'", 'a text of 100 characters', "1, 'a'")
    """
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or value != value:
        return "null"
    if isinstance(value, str):
        return repr(value) if len(value) <= _LONGEST else f"a text of {len(value)} characters"
    if isinstance(value, (list, tuple)):
        shown = ", ".join(map(_said, value[:_MOST]))
        return shown + (", ..." if len(value) > _MOST else "")
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_said(inner)}" for key, inner in value.items())
    return str(value)


def _range(kwargs: Mapping[str, Any]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None and high is not None:
        strict = "strictly " if kwargs.get("strict_min") or kwargs.get("strict_max") else ""
        return f"{strict}between {_said(low)} and {_said(high)}"
    if low is not None:
        return f"{'above' if kwargs.get('strict_min') else 'at least'} {_said(low)}"
    return f"{'below' if kwargs.get('strict_max') else 'at most'} {_said(high)}"


_PHRASES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "expect_column_values_to_be_between": lambda kwargs: f"is not {_range(kwargs)}",
    "expect_column_value_lengths_to_be_between": lambda kwargs: f"has a length that is not {_range(kwargs)}",
    "expect_column_value_lengths_to_equal": lambda kwargs: f"has a length other than {_said(kwargs['value'])}",
    "expect_column_values_to_be_in_set": lambda kwargs: f"is none of {_said(kwargs['value_set'])}",
    "expect_column_values_to_not_be_in_set": lambda kwargs: f"is one of {_said(kwargs['value_set'])}",
    "expect_column_values_to_match_regex": lambda kwargs: f"does not match {kwargs.get('regex')}",
    "expect_column_values_to_not_match_regex": lambda kwargs: f"matches {kwargs['regex']}",
    "expect_column_values_to_be_null": lambda kwargs: "is not null",
    "expect_column_values_to_be_unique": lambda kwargs: "occurs more than once",
    "expect_column_values_to_be_of_type": lambda kwargs: f"is not of type {kwargs['type_']}",
    "expect_column_values_to_match_strftime_format": lambda kwargs: f"does not have the format {kwargs['strftime_format']}",
    "expect_column_pair_values_to_be_equal": lambda kwargs: "differ",
    "expect_column_pair_values_a_to_be_greater_than_b": lambda kwargs: "are not in descending order",
}
"""What is wrong with a value, by expectation; others name the expectation and its arguments."""
