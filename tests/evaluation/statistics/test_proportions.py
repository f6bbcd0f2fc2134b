import pytest
from scipy import stats

from bbflow.evaluation.statistics.proportions import exact_upper


@pytest.mark.parametrize(("events", "n"), [(0, 40), (3, 40), (39, 40), (40, 40)])
def test_the_limit_is_that_of_scipy(events, n):
    assert exact_upper(events, n) == pytest.approx(stats.binomtest(events, n, alternative="less").proportion_ci().high)


@pytest.mark.parametrize(("events", "n"), [(-1, 40), (41, 40), (0, 0)])
def test_what_is_no_count_is_refused(events, n):
    with pytest.raises(ValueError, match="is no count"):
        exact_upper(events, n)
