"""Kinds of questions other than walks and prescriptions, one file each.

A question says what is asked and how the graph alone decides it. To add one, copy `differential.py` together with its task,
`bbflow/synthesis/tasks/clinical/differential.py`, and add templates to `bbflow/synthesis/rendering/templates/cases.yaml`.
"""
