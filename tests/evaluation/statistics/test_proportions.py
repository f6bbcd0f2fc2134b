import numpy as np
import pytest
from scipy import optimize, stats

from bbflow.evaluation.statistics.proportions import exact_lower, exact_split, exact_upper, tango, wilson


def tango_by_likelihood(losses, gains, n, margin):
    """Z with the restricted estimate found by numerical maximum likelihood instead of the closed form."""

    def minus_log_likelihood(gain):
        return -(gains * np.log(gain) + losses * np.log(gain + margin) + (n - gains - losses) * np.log(1 - 2 * gain - margin))

    gain = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(1e-12, (1 - margin) / 2 - 1e-12), method="bounded", options={"xatol": 1e-13}
    ).x
    return (gains - losses + n * margin) / np.sqrt(n * (2 * gain + margin - margin**2))


@pytest.mark.parametrize(("losses", "gains", "n", "margin"), [(5, 8, 100, 0.1), (12, 3, 300, 0.03), (40, 55, 1089, 0.02)])
def test_tango_is_the_likelihood_s(losses, gains, n, margin):
    found = tango(losses, gains, n, margin)
    assert found.z == pytest.approx(tango_by_likelihood(losses, gains, n, margin), abs=1e-4)
    assert found.p_value == pytest.approx(stats.norm.sf(found.z))


@pytest.mark.parametrize(("events", "n"), [(0, 40), (3, 40), (39, 40), (40, 40)])
def test_limits_are_those_of_scipy(events, n):
    assert wilson(events, n) == pytest.approx(tuple(stats.binomtest(events, n).proportion_ci(method="wilson")))
    assert exact_upper(events, n) == pytest.approx(stats.binomtest(events, n, alternative="less").proportion_ci().high)
    assert exact_lower(events, n) == pytest.approx(stats.binomtest(events, n, alternative="greater").proportion_ci().low)


def test_the_exact_split_is_wider_than_the_estimate():
    assert exact_split(5, 8, 100) < 0.03
    with pytest.raises(ValueError, match="no counts"):
        exact_split(60, 60, 100)
