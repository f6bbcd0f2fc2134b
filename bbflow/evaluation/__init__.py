"""Evaluation: scores of policies and null models, their statistics, and the certificate between two evaluations.

| module or package | content |
|---|---|
| `scoring` | capability metrics of a policy's answers |
| `statistics` | intervals and bounds on held-out items |
| `baselines` | scores of text that answers nothing: null models and adversarial probes |
| `benchmarks` | formats and metrics of benchmark files |
| `certificate` | verdict per capability: improved, preserved, regressed or inconclusive |
| `preregistration` | margins committed to before a run |
| `pair_scores` | accuracy and calibration of reward models on preference pairs |
| `comparison` | differences between runs |
| `interference_summary` | conflicts between capability gradients of a run |
| `answer_cache` | answers kept so that a stopped evaluation can be resumed |
| `verify_report` | recomputation of a report from its items |
"""
