import math

import numpy as np
import pytest
import torch
from scipy import stats

from bbflow.optimization.unbiased_interference import Interference, corrected_cosines, mean_error, p_positive, symmetric
from bbflow.optimization.update_geometry import UpdateGeometry, cosines


def pair(cosine, ratio=1.0, width=400):
    """Two rows of lengths 1 and `ratio` with a given cosine."""
    rows = torch.zeros(2, width, dtype=torch.float64)
    rows[0, 0] = 1
    rows[1, 0], rows[1, 1] = ratio * cosine, ratio * math.sqrt(1 - cosine**2)
    return rows


def halves(rows, noise, steps, seed):
    """Both halves' rows of each step: the truth plus noise of `noise` times its length; [2, T, K, D]."""
    generator = torch.Generator().manual_seed(seed)
    random = torch.randn(2, steps, *rows.shape, generator=generator, dtype=torch.float64) / math.sqrt(rows.shape[1])
    return rows + noise * rows.norm(dim=1)[:, None] * random


def geometry(a, b, weights=(1.0, 1.0), **changes):
    whole = (a + b) / 2
    weights_K = torch.tensor(weights, dtype=torch.float64)
    fields = {
        "names": ("a", "b"),
        "gramian_KK": whole @ whole.T,
        "preferences_K": torch.ones(2),
        "weights_K": weights_K,
        "mode": "factored",
    }
    return UpdateGeometry(**fields | {"cross_KK": a @ b.T} | changes)


def run(rows, noise, steps=300, seed=0):
    seen = Interference()
    a, b = halves(rows, noise, steps, seed)
    for i in range(steps):
        seen.add(geometry(a[i], b[i]))
    return seen


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ratio", [1.0, 4.0])
def test_noise_three_times_the_signal(seed, ratio):
    """A true cosine of -0.6 is read as -0.11 by the usual estimator, and as -0.6 from the two halves."""
    rows = pair(-0.6, ratio)
    a, b = halves(rows, 3.0, 400, seed)
    whole = (a + b) / 2
    usual = torch.stack([cosines(one @ one.T)[0, 1] for one in whole]).mean()
    assert -0.14 < float(usual) < -0.08
    found, error = corrected_cosines(a @ b.mT)
    assert float(found[0, 1]) == pytest.approx(-0.6, abs=0.12)
    assert abs(float(found[0, 1]) + 0.6) < 4 * float(error[0, 1])
    assert 0.01 < float(error[0, 1]) < 0.08


def test_the_error_says_how_far_estimates_scatter():
    drawn = (halves(pair(-0.6), 2.0, 60, seed) for seed in range(100))
    estimates, errors = zip(*(corrected_cosines(a @ b.mT) for a, b in drawn), strict=True)
    scatter = float(torch.stack(estimates)[:, 0, 1].std())
    assert float(torch.stack(errors)[:, 0, 1].mean()) == pytest.approx(scatter, rel=0.3)


def test_division_after_averaging_is_what_corrects():
    """Dividing step by step would not do: single denominators come near 0 or below."""
    a, b = halves(pair(-0.6), 3.0, 400, 0)
    products = a @ b.mT
    stepwise = (products[:, 0, 1] / (products[:, 0, 0] * products[:, 1, 1]).abs().sqrt()).mean()
    assert abs(float(stepwise) + 0.6) > 0.15


def test_a_length_that_cannot_be_told_from_zero_leaves_the_cosine_undefined():
    rows = pair(0.5)
    rows[1] = 0
    noise = torch.randn(2, 50, 2, 400, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 20
    a, b = rows + noise
    found, error = corrected_cosines(a @ b.mT)
    assert found.isnan().tolist() == [[False, True], [True, True]]
    assert error.isnan().tolist() == [[False, True], [True, True]]
    assert corrected_cosines((a @ b.mT)[:1])[0].isnan().all()  # one step has no error
    assert corrected_cosines(torch.zeros(0, 2, 2))[0].isnan().all()


def test_without_noise_the_cosine_is_exact():
    products = (pair(-0.5, 4.0) @ pair(-0.5, 4.0).T).expand(3, 2, 2)
    found, error = corrected_cosines(products)
    torch.testing.assert_close(found, torch.tensor([[1.0, -0.5], [-0.5, 1.0]], dtype=torch.float64))
    assert float(error.abs().max()) < 1e-9


def test_independent_steps_have_the_usual_error():
    values = np.random.default_rng(0).normal(size=40)
    tensor = torch.from_numpy(values)
    assert float(mean_error(tensor)) >= stats.sem(values) - 1e-12
    alternating = torch.tensor([1.0, -1.0] * 20)  # negative autocorrelation may not narrow it
    assert float(mean_error(alternating)) == pytest.approx(stats.sem(alternating.numpy()))
    independent = torch.from_numpy(np.tile([3.0, 1.0], 2))  # four steps: one lag, negative
    assert float(p_positive(independent)) == pytest.approx(stats.ttest_1samp(independent.numpy(), 0, alternative="greater").pvalue)


@pytest.mark.parametrize(("correlation", "limit"), [(0.0, 0.065), (0.5, 0.12)])
def test_false_alarms(correlation, limit):
    """Of unrelated capabilities, about 5% are called in conflict; where steps depend on one another, far fewer than without correction."""
    draws = np.random.default_rng(0).normal(size=(200, 4000))
    for t in range(1, len(draws)):
        draws[t] = correlation * draws[t - 1] + math.sqrt(1 - correlation**2) * draws[t]
    rate = float((p_positive(torch.from_numpy(draws)) < 0.05).double().mean())
    uncorrected = float((stats.ttest_1samp(draws, 0, alternative="greater").pvalue < 0.05).mean())
    assert rate <= limit
    assert rate >= 0.03
    assert rate <= uncorrected
    if correlation:
        assert uncorrected > 0.15


def test_share_of_the_gradient_that_is_signal():
    assert run(pair(-0.6), 3.0).signal().tolist() == pytest.approx([1 / 5.5] * 2, abs=0.04)  # noise of both halves together: 9 / 2
    assert run(pair(-0.6), 0.0, 3).signal().tolist() == pytest.approx([1.0, 1.0])


def test_stationarity_without_the_noise():
    rows = pair(-0.6)
    truth = math.sqrt(0.2)  # the middle of two unit vectors of cosine -0.6
    seen = run(rows, 3.0)
    assert seen.stationarity() == pytest.approx(truth, abs=0.08)
    assert math.isnan(Interference().stationarity())
    assert run(pair(-1.0), 0.0, 3).stationarity() == pytest.approx(0.0, abs=1e-7)


def test_noise_that_makes_the_mean_indefinite_is_cut_off():
    seen = Interference(("a", "b"), 2, preferences_K=torch.ones(2))
    seen.cross = [torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=torch.float64)] * 2  # eigenvalues 3 and -1: what is left is 1.5 everywhere
    assert seen.stationarity() == pytest.approx(math.sqrt(1.5))


def test_which_half_is_which_does_not_matter():
    cross = run(pair(-0.6), 2.0, 40).last()
    seen, turned = Interference(("a", "b"), 40, cross=list(cross)), Interference(("a", "b"), 40, cross=list(cross.mT))
    assert not torch.equal(cross, cross.mT)
    for one, other in zip(corrected_cosines(cross), corrected_cosines(cross.mT), strict=True):
        torch.testing.assert_close(one, other)
        torch.testing.assert_close(one, one.T)
    torch.testing.assert_close(seen.conflicts(), turned.conflicts(), equal_nan=True)


def test_harm_is_counted_per_update():
    seen, rows = Interference(), pair(-0.5, 4.0)
    seen.add(geometry(rows, rows))
    seen.add(geometry(rows, rows, weights=(3.0, 1.125), applied_K=torch.tensor([0.1, -0.2])))
    assert (seen.harmed, seen.harmed_by_sum) == ([True, False], [True, True])
    assert seen.steps == 2
    assert len(seen.applied) == 1
    assert seen.modes == {"factored": 2}
    assert seen.conflicts()[0, 1] == 1


def test_a_batch_flatters_its_own_update():
    """Lengths 1 and 2, cosine -0.6: the sum lowers the first by 0.2; noise of length 1 in the batch makes that a gain of 0.8."""
    a, b = halves(pair(-0.6, 2.0), math.sqrt(2), 300, 0)
    whole = (a + b) / 2
    assert float((whole @ whole.mT).sum(2)[:, 0].mean()) == pytest.approx(0.8, abs=0.1)
    assert float(symmetric(a @ b.mT).sum(2)[:, 0].mean()) == pytest.approx(-0.2, abs=0.1)


def test_harm_is_judged_in_the_metric_that_the_weights_were_solved_in():
    rows, seen = pair(-0.5, 4.0), Interference()
    seen.add(geometry(rows, rows, metric_KK=torch.eye(2)))
    assert (seen.harmed, seen.harmed_by_sum) == ([False], [False])


def test_unrelated_capabilities_conflict_half_the_time():
    seen = run(pair(0.0), 3.0)
    assert float(seen.conflicts()[0, 1]) == pytest.approx(0.5, abs=0.1)
    assert float(p_positive(-seen.last()[:, 0, 1])) > 0.05
    assert float(p_positive(-run(pair(-0.6), 3.0).last()[:, 0, 1])) < 1e-6


def test_one_capability_no_halves_and_capabilities_without_gradients():
    alone = UpdateGeometry(("a",), torch.ones(1, 1), torch.ones(1), torch.ones(1), "k_backward")
    seen = Interference()
    for _ in range(3):
        seen.add(alone)
    assert not len(seen.last())
    assert seen.signal().isnan().all()
    assert math.isnan(seen.stationarity())
    assert seen.conflicts().isnan().all()
    zero = torch.zeros(2, 5, dtype=torch.float64)
    dead = Interference()
    dead.add(geometry(zero, zero))
    dead.add(geometry(zero, zero))
    assert dead.harmed == [False, False]
    assert math.isnan(dead.stationarity())
    assert dead.conflicts().isnan().all()
    with pytest.raises(ValueError, match="after updates"):
        dead.add(alone)
