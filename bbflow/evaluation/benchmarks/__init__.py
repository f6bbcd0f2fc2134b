"""Benchmarks from files that the user has: multiple choice, instruction following, safety pairs. Nothing is downloaded."""
