"""Statistics on held-out items.

| module | content |
|---|---|
| `clustered` | differences of means over clusters of items, their bounds, Holm's adjustment, the integration score |
| `proportions` | Wilson, Clopper-Pearson and Tango intervals of independent items |
| `joint_success` | items that all their capabilities score as right |
| `unsafe_advice` | exact upper limit of the rate of unsafe advice |

A new statistic is a function on arrays in a file of its own, tested against a published value or by simulation
(`tests/evaluation/statistics/test_simulation.py`); it imports no torch.
"""
