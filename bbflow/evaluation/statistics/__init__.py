"""Statistics on held-out items.

| module | content |
|---|---|
| `clustered` | means over clusters of items, their paired differences, with intervals and bounds |
| `multiple_testing` | Holm's adjustment of p-values |
| `integration_score` | the mean null-corrected score over capabilities, with bootstrap intervals |
| `proportions` | the exact upper limit of a rate of independent items (Clopper-Pearson) |
| `joint_success` | items that all their capabilities score as right |
| `unsafe_advice` | exact upper limit of the rate of unsafe advice |

A new statistic is a function on arrays in a file of its own, tested against a published value or by simulation
(`tests/evaluation/statistics/test_simulation.py`); it imports no torch.
"""
