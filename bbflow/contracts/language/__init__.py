"""The language of data contracts: JSON Schema, columns, mappings, embedded tests, explanation and drafts."""
