"""Recipes: parsing, diagnostics, relative paths."""
