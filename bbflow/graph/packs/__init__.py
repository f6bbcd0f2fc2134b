"""Graphs that ship with bbflow."""
