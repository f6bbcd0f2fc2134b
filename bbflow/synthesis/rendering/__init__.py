"""Rendering: from a symbolic item to text."""
