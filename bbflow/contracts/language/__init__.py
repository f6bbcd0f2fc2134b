"""The language of contracts: JSON Schema, validation with line and column, former names, column mapping, tests, explanations, drafts.

`expectations` is the closed set of Great Expectations' own expectations; `declared_columns` is the check of declared columns.
"""
