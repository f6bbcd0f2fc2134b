"""Kinds of questions beyond walks and prescriptions, one file each: what is asked, and how the graph alone decides it."""
