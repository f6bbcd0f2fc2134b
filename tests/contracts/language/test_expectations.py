"""The closed set of Great Expectations' own expectations, and how contracts name them."""

import inspect

import pytest
from contract_samples import quality

from bbflow.contracts import RULES, load_contract
from bbflow.contracts.language.expectations import EXPECTATIONS, columns_read
from bbflow.errors import InputError

AGE = {"column": "patient.age", "min_value": 0, "max_value": 120}
PATIENT = {"name": "patient", "logicalType": "object", "properties": [{"name": "age", "logicalType": "integer"}]}


def test_the_set_is_that_of_the_installed_release():
    """All core expectations that Great Expectations documents for pandas, with all arguments that hold no code."""
    import great_expectations.expectations.core as core
    from great_expectations.expectations.expectation import Expectation

    common = {*Expectation.__fields__, "batch_id", "library_metadata", "row_condition", "condition_parser"}
    installed = {}
    for each in vars(core).values():
        if inspect.isclass(each) and issubclass(each, Expectation) and "Pandas" in (each.__doc__ or ""):
            fields = {name: field.required for name, field in each.__fields__.items() if name not in common}
            if each is core.ExpectColumnKLDivergenceToBeLessThan:  # it inherits two bounds that it does not read
                fields = {name: required for name, required in fields.items() if name not in ("min_value", "max_value")}
            installed[each.expectation_type] = fields
    assert {rule.name: {key: key in rule.required for key in rule.parameters} for rule in EXPECTATIONS.values()} == installed


def test_no_name_is_taken_twice_and_none_takes_code():
    assert not EXPECTATIONS.keys() & RULES.keys()
    arguments = {key for rule in EXPECTATIONS.values() for key in rule.parameters}
    assert not arguments & {"row_condition", "condition_parser", "unexpected_rows_query", "base_query"}
    assert "unexpected_rows_expectation" not in EXPECTATIONS


@pytest.mark.parametrize(
    ("rule", "kwargs", "message"),
    [
        ("expect_column_values_to_be_betwen", AGE, "cannot be 'expect_column_values_to_be_betwen' (did you mean 'expect_column_values_to_be_between'?)"),
        ("expect_column_values_to_be_between", {**AGE, "maxvalue": 3}, "unknown key 'maxvalue' in 'schema[0].quality[0].implementation.kwargs' (did you mean 'max_value'?)"),
        ("expect_column_values_to_be_between", {**AGE, "max_value": "many"}, "kwargs.max_value' must be a number or null, not 'many'"),
        ("expect_column_values_to_be_between", {"min_value": 0}, "'schema[0].quality[0].implementation.kwargs' lacks 'column'"),
        ("expect_column_values_to_be_between", {**AGE, "mostly": 2}, "kwargs.mostly' must be at most 1, not 2"),
        ("expect_column_values_to_be_between", {**AGE, "row_condition": "1 == 1"}, "unknown key 'row_condition'"),
        ("unexpected_rows_expectation", {}, "cannot be 'unexpected_rows_expectation'"),
    ],
)  # fmt: skip
def test_mistakes_have_a_place_and_a_suggestion(write_contract, rule, kwargs, message):
    path = write_contract(quality(rule, "age", kwargs=kwargs))
    with pytest.raises(InputError) as error:
        load_contract(path)
    found = [str(problem) for problem in error.value.problems]
    assert any(message in each for each in found), found
    assert all(each.startswith(f"{path}:") and each.split(":")[1].isdigit() for each in found)


def test_a_misspelt_property_of_a_declared_object_is_found_before_data_are_read(write_contract):
    rule = quality("expect_column_values_to_be_between", "age", kwargs={**AGE, "column": "patient.aeg"})
    with pytest.raises(InputError, match=r"'patient' has no declared property 'aeg' \(did you mean 'age'\?\)"):
        load_contract(write_contract(rule, columns=[PATIENT]))


def test_the_columns_of_an_expectation_are_read_from_its_arguments(write_contract):
    rules = [
        quality("expect_column_values_to_be_between", "age", kwargs=AGE),
        quality("expect_compound_columns_to_be_unique", "pair", kwargs={"column_list": ["task", "answer", "patient.age"]}),
        quality("expect_column_to_exist", "there", kwargs={"column": "task"}),
    ]
    assert [rule.rule.columns for rule in load_contract(write_contract(*rules)).rules] == [("patient",), ("task", "answer", "patient"), ()]
    assert columns_read("expect_table_columns_to_match_set", {"column_set": ["a"]}) == []
