"""Benchmarks from files that the user provides: multiple choice, instruction following, safety pairs. Nothing is downloaded.

| module | content |
|---|---|
| `formats` | recognition and reading of the formats, one function each |
| `metrics` | accuracy of options, IFEval accuracies, accuracy of safety pairs |
| `likelihood` | options ranked by their likelihood |
| `answering` | answers of a policy, generated or by likelihood |

A new format is one function in `formats` and its entries in the tables `_SIGNS` (columns that identify it) and `_READERS`.
"""
