"""Doses in a text, piece by piece: numbers, units, tablets and frequencies."""
