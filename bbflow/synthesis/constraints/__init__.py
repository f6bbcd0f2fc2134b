"""Constraints on the form of an answer."""
