"""Baselines: scores of text that answers nothing, which every reported score is compared with.

| module | content |
|---|---|
| `null_models` | random, constant, refusing and options-only answers; the best one corrects the score of a capability |
| `probes` | adversarial completions; a reward must not score them higher than an honest wrong answer |

A new null model is a function in `null_models` and its entry in `NULLS`; a new probe is a function in `probes` and its entry in `PROBES`.
"""
