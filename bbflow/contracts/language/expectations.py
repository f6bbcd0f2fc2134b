"""The expectations of Great Expectations that a contract may name next to bbflow's rules, and their arguments.

The set is closed and kept here, so that reading a contract imports nothing: the core expectations that Great Expectations documents
for pandas. A test compares it with the installed release. Expectations that run SQL are left out, and so are the arguments
`row_condition` and `condition_parser`, which pandas would evaluate as code.

A column is named as in the contract. A value inside an object has a dotted name (`patient.age`); a list or an object is given to
Great Expectations as JSON text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bbflow.contracts.engine.rule import Outcome, Rule

GROUP = "expectations"
"""Heading of these rules in explanations."""

_TABLE = """
expect_column_distinct_values_to_be_in_set: column* value_set*
expect_column_distinct_values_to_contain_set: column* value_set*
expect_column_distinct_values_to_equal_set: column* value_set*
expect_column_kl_divergence_to_be_less_than: column* partition_object threshold internal_weight_holdout tail_weight_holdout bucketize_data
expect_column_max_to_be_between: column* min_value max_value strict_min strict_max
expect_column_mean_to_be_between: column* min_value max_value strict_min strict_max
expect_column_median_to_be_between: column* min_value max_value strict_min strict_max
expect_column_min_to_be_between: column* min_value max_value strict_min strict_max
expect_column_most_common_value_to_be_in_set: column* value_set* ties_okay
expect_column_pair_values_a_to_be_greater_than_b: column_A* column_B* mostly or_equal ignore_row_if
expect_column_pair_values_to_be_equal: column_A* column_B* mostly ignore_row_if
expect_column_pair_values_to_be_in_set: column_A* column_B* mostly value_pairs_set* ignore_row_if
expect_column_proportion_of_non_null_values_to_be_between: column* min_value max_value strict_min strict_max
expect_column_proportion_of_unique_values_to_be_between: column* min_value max_value strict_min strict_max
expect_column_quantile_values_to_be_between: column* quantile_ranges* allow_relative_error
expect_column_stdev_to_be_between: column* min_value max_value strict_min strict_max
expect_column_sum_to_be_between: column* min_value max_value strict_min strict_max
expect_column_to_exist: column* column_index
expect_column_type_to_be: column* type_*
expect_column_unique_value_count_to_be_between: column* min_value max_value strict_min strict_max
expect_column_value_lengths_to_be_between: column* mostly min_value max_value strict_min strict_max
expect_column_value_lengths_to_equal: column* mostly value*
expect_column_value_z_scores_to_be_less_than: column* mostly threshold* double_sided*
expect_column_values_to_be_between: column* mostly min_value max_value strict_min strict_max
expect_column_values_to_be_in_set: column* mostly value_set*
expect_column_values_to_be_in_type_list: column* mostly type_list
expect_column_values_to_be_null: column* mostly
expect_column_values_to_be_of_type: column* mostly type_*
expect_column_values_to_be_unique: column* mostly
expect_column_values_to_match_regex: column* mostly regex
expect_column_values_to_match_regex_list: column* mostly regex_list* match_on
expect_column_values_to_match_strftime_format: column* mostly strftime_format*
expect_column_values_to_not_be_in_set: column* mostly value_set*
expect_column_values_to_not_be_null: column* mostly
expect_column_values_to_not_be_outliers: column* mostly method multiplier
expect_column_values_to_not_match_regex: column* mostly regex*
expect_column_values_to_not_match_regex_list: column* mostly regex_list*
expect_compound_columns_to_be_unique: column_list* mostly ignore_row_if
expect_multicolumn_sum_to_equal: column_list* mostly ignore_row_if sum_total*
expect_multicolumn_values_to_be_equal: column_list* mostly ignore_row_if
expect_select_column_values_to_be_unique_within_record: column_list* mostly ignore_row_if
expect_table_column_count_to_be_between: min_value max_value
expect_table_column_count_to_equal: value*
expect_table_columns_to_match_ordered_list: column_list
expect_table_columns_to_match_set: column_set exact_match
expect_table_row_count_to_be_between: min_value max_value strict_min strict_max
expect_table_row_count_to_equal: value*
"""
"""Name of each expectation to its arguments; `*` marks a required one."""

_NUMBER: dict[str, Any] = {"type": "number"}
_BOUND = {"type": ["number", "null"]}
_FLAG = {"type": "boolean"}
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_COLUMN = {"type": "string", "minLength": 1, "format": "column"}
_QUANTILES = {
    "quantiles": {"type": "array", "items": _NUMBER},
    "value_ranges": {"type": "array", "items": {"type": "array", "items": _BOUND}},
}
_ARGUMENTS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("column", "column_A", "column_B"), _COLUMN),
    "column_list": {"type": "array", "items": _COLUMN, "minItems": 1},
    "column_set": _TEXTS,
    "mostly": {**_NUMBER, "minimum": 0, "maximum": 1},
    **dict.fromkeys(("min_value", "max_value"), _BOUND),
    **dict.fromkeys(("value", "sum_total", "threshold", "multiplier", "internal_weight_holdout", "tail_weight_holdout"), _NUMBER),
    **dict.fromkeys(("strict_min", "strict_max", "ties_okay", "or_equal", "double_sided", "exact_match", "bucketize_data"), _FLAG),
    "allow_relative_error": _FLAG,
    "column_index": {"type": "integer"},
    "value_set": {"type": "array", "minItems": 1},
    "value_pairs_set": {"type": "array", "items": {"type": "array", "minItems": 2, "maxItems": 2}, "minItems": 1},
    **dict.fromkeys(("regex", "strftime_format", "type_"), _TEXT),
    "regex_list": {**_TEXTS, "minItems": 1},
    "type_list": {**_TEXTS, "minItems": 1},
    "match_on": {"enum": ["any", "all"]},
    "method": {"enum": ["iqr", "std"]},
    "ignore_row_if": {
        "enum": ["all_values_are_missing", "any_value_is_missing", "never", "both_values_are_missing", "either_value_is_missing", "neither"]
    },
    "partition_object": {"type": "object"},
    "quantile_ranges": {"type": "object", "properties": _QUANTILES, "required": list(_QUANTILES), "additionalProperties": False},
}
"""Name of each argument to its JSON Schema."""


def _run(*_: object, **__: object) -> Outcome:
    raise TypeError("Great Expectations runs its own expectations")


def _rules() -> Iterator[Rule]:
    for line in _TABLE.strip().splitlines():
        name, _, rest = line.partition(":")
        arguments = rest.split()
        names = [argument.rstrip("*") for argument in arguments]
        required = tuple(argument.rstrip("*") for argument in arguments if argument.endswith("*"))
        summary = f"Great Expectations: {name.removeprefix('expect_').replace('_', ' ')}."
        parameters = {argument: _ARGUMENTS[argument] for argument in names}
        yield Rule(name, summary, (), _run, parameters, required, GROUP, of_great_expectations=True)


EXPECTATIONS: dict[str, Rule] = {rule.name: rule for rule in _rules()}
"""Name to rule, without the columns that it reads: these depend on the arguments."""


def expectation(name: str, kwargs: Mapping[str, Any]) -> Rule:
    """Return the rule of an expectation with the columns that its arguments name.

    >>> expectation("expect_column_values_to_be_between", {"column": "patient.age"}).columns
    ('patient',)
    """
    return replace(EXPECTATIONS[name], columns=tuple(dict.fromkeys(column.partition(".")[0] for _, column in columns_read(name, kwargs))))


def columns_read(name: str, kwargs: Mapping[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    """Return the columns whose cells an expectation reads, each after its path in the arguments; none where it looks at the table."""
    if name == "expect_column_to_exist" or name.startswith("expect_table_"):
        return []
    found: list[tuple[tuple[str | int, ...], str]] = []
    for key, value in kwargs.items():
        if _ARGUMENTS[key] is _COLUMN:
            found.append(((key,), value))
        elif key == "column_list":
            found += [((key, i), column) for i, column in enumerate(value)]
    return found
