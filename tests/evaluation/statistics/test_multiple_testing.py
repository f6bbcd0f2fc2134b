from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbflow.evaluation.statistics.multiple_testing import holm


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_holm_is_the_closed_test_over_bonferroni(values):
    names = [str(i) for i in range(len(values))]
    p = dict(zip(names, values, strict=True))
    subsets = [s for size in range(1, len(names) + 1) for s in combinations(names, size)]
    expected = {n: max(min(1.0, len(s) * min(p[m] for m in s)) for s in subsets if n in s) for n in names}
    assert holm(p) == pytest.approx(expected)


def test_all_zero_and_none():
    assert holm({"a": 0.0, "b": 0.0}) == {"a": 0.0, "b": 0.0}
    assert holm({}) == {}
