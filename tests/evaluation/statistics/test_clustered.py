import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from bbflow.evaluation.statistics.clustered import (
    cluster_totals,
    cluster_variance,
    paired_difference,
    paired_differences,
    restricted_discordance,
    score_interval,
)

scores = st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=4, max_size=40)


def correlated_changes(rng, clusters, size, worse, better, correlation):
    """Changes of -1, 0 and 1 with exactly these shares; two items of a cluster share their draw with probability `correlation`."""
    sizes = rng.integers(max(1, size // 2), size + size // 2 + 1, size=clusters)
    labels = np.repeat(np.arange(clusters), sizes)
    shared = rng.random(len(labels)) < np.sqrt(correlation)
    draw = np.where(shared, rng.random(clusters)[labels], rng.random(len(labels)))
    return (draw < worse).astype(float), ((draw >= worse) & (draw < worse + better)).astype(float), labels


class TestClusterVariance:
    def test_single_items_are_the_textbook_variance_of_a_mean(self):
        values = np.array([0.0, 1.0, 1.0, 0.5, 0.25])
        assert cluster_variance(*cluster_totals(values, list("abcde"))) == pytest.approx(values.var(ddof=1) / 5)

    def test_unequal_clusters_by_hand(self):
        # totals 2, 0, 1 of sizes 2, 1, 1: mean 3/4; without x 1/2, without y 1, without z 2/3: shifts 1/4, 1/4, 1/12
        totals, sizes = cluster_totals([1, 1, 0, 1], ["x", "x", "y", "z"])
        assert cluster_variance(totals, sizes) == pytest.approx(2 / 3 * (2 / 16 + 1 / 144))

    def test_matches_a_simulation_of_whole_clusters(self):
        rng = np.random.default_rng(3)
        means, variances = [], []
        for _ in range(2000):
            worse, _, labels = correlated_changes(rng, 60, 6, 0.4, 0.0, 0.3)
            means.append(worse.mean())
            variances.append(cluster_variance(*cluster_totals(worse, labels)))
        assert np.mean(variances) == pytest.approx(np.var(means), rel=0.1)

    def test_refuses_what_is_no_number(self):
        with pytest.raises(ValueError, match="finite"):
            cluster_totals([np.nan], ["a"])
        with pytest.raises(ValueError, match="do not match"):
            cluster_totals([1.0, 2.0], ["a"])


class TestScoreInterval:
    def test_many_single_items_are_wilson(self):
        values = [1.0] * 700 + [0.0] * 1300
        wilson = stats.binomtest(700, 2000).proportion_ci(method="wilson")
        assert score_interval(values, range(2000)) == pytest.approx((wilson.low, wilson.high), abs=2e-4)

    def test_copies_of_an_item_in_its_cluster_add_nothing(self):
        values = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]
        assert score_interval(np.repeat(values, 7), np.repeat(range(10), 7)) == pytest.approx(score_interval(values, range(10)))

    def test_all_right_is_not_certainty(self):
        low, high = score_interval([1.0] * 400, np.repeat(range(40), 10))
        assert high == 1.0
        t = stats.t.ppf(0.975, 39)
        assert low == pytest.approx(1 / (1 + t * t / 40))  # Wilson's lower bound of 40 out of 40

    def test_one_cluster_tells_nothing(self):
        assert score_interval([1.0, 0.0], ["a", "a"]) == (0.0, 1.0)

    @pytest.mark.parametrize("correlation", [0.0, 0.3])
    def test_covers(self, correlation):
        rng = np.random.default_rng(8)
        hits = 0
        for _ in range(1000):
            right, _, labels = correlated_changes(rng, 50, 8, 0.7, 0.0, correlation)
            low, high = score_interval(right, labels)
            hits += low <= 0.7 <= high
        assert 0.93 <= hits / 1000 <= 0.985


def tango_statistic(delta, gains, losses, n):
    """Score statistic by numerical maximum likelihood, independent of the closed form."""

    def minus_log_likelihood(loss_share):
        gain_share = loss_share + delta
        return -(gains * np.log(gain_share) + losses * np.log(loss_share) + (n - gains - losses) * np.log(1 - gain_share - loss_share))

    edge = 1e-9
    found = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(max(0.0, -delta) + edge, (1 - delta) / 2 - edge), method="bounded", options={"xatol": 1e-12}
    )
    discordant = 2 * found.x + delta
    return ((gains - losses) / n - delta) / np.sqrt((discordant - delta**2) / n)


class TestPairedDifference:
    @pytest.mark.parametrize(("gains", "losses"), [(30, 12), (5, 40), (18, 18)])
    def test_single_items_give_tango_s_bounds(self, gains, losses):
        n = 3000  # so many that Student's t is normal and the assumed correlation has nothing to act on
        before = np.r_[np.zeros(gains), np.ones(losses), np.zeros(n - gains - losses)]
        after = np.r_[np.ones(gains), np.zeros(losses), np.zeros(n - gains - losses)]
        found = paired_difference(before, after, np.arange(n))
        t = stats.t.ppf(0.95, n - 1)
        assert tango_statistic(found.lower, gains, losses, n) == pytest.approx(t, rel=1e-3)
        assert tango_statistic(found.upper, gains, losses, n) == pytest.approx(-t, rel=1e-3)
        assert found.p_value == pytest.approx(stats.t.sf(tango_statistic(1e-12, gains, losses, n), n - 1), abs=1e-3)

    def test_large_samples_agree_with_the_cluster_robust_t_interval(self):
        rng = np.random.default_rng(0)
        worse, better, labels = correlated_changes(rng, 400, 10, 0.15, 0.2, 0.2)
        found = paired_difference(worse, better, labels)
        spread = np.sqrt(cluster_variance(*cluster_totals(better - worse, labels)))
        t = stats.t.ppf(0.95, 399)
        assert found.estimate == pytest.approx((better - worse).mean())
        assert found.lower == pytest.approx(found.estimate - t * spread, abs=0.1 * spread)
        assert found.upper == pytest.approx(found.estimate + t * spread, abs=0.1 * spread)
        assert found.detectable == pytest.approx((t + stats.t.ppf(0.8, 399)) * spread, rel=0.05)

    def test_graded_scores_agree_with_the_t_interval_too(self):
        rng = np.random.default_rng(1)
        before = rng.random(4000)
        after = np.clip(before + rng.normal(0.02, 0.1, 4000), 0, 1)
        found = paired_difference(before, after, np.repeat(range(400), 10))
        spread = (after - before).std(ddof=1) / np.sqrt(4000)
        assert found.lower == pytest.approx((after - before).mean() - 1.649 * spread, abs=0.3 * spread)

    def test_nothing_changed_is_no_certainty(self):
        same = np.r_[np.ones(250), np.zeros(250)]
        found = paired_difference(same, same, np.repeat(range(50), 10))
        assert -0.03 < found.lower < -0.005
        assert 0.005 < found.upper < 0.03
        assert found.p_value == 0.5
        assert found.detectable > found.estimate - found.lower  # what could not be excluded could not be detected either
        few = paired_difference(same, same, np.repeat(range(10), 50))
        assert few.lower < -0.03  # ten entities cannot vouch for a margin of 0.03

    def test_one_cluster_tells_nothing(self):
        found = paired_difference([0, 0, 0], [1, 1, 1], ["a", "a", "a"])
        assert (found.lower, found.upper, found.p_value) == (-1.0, 1.0, 1.0)

    def test_refuses_scores_out_of_range(self):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            paired_difference([0.0, 2.0], [0.0, 0.0], ["a", "b"])

    @settings(max_examples=60, deadline=None)
    @given(scores, st.data())
    def test_bounds_enclose_and_mirror(self, before, data):
        n = len(before)
        after = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=n, max_size=n))
        labels = data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
        found, mirrored = paired_difference(before, after, labels), paired_difference(after, before, labels)
        assert -1 <= found.lower <= found.estimate + 1e-9
        assert found.estimate - 1e-9 <= found.upper <= 1
        assert (mirrored.lower, mirrored.upper) == pytest.approx((-found.upper, -found.lower))
        order = data.draw(st.permutations(range(n)))
        shuffled = paired_difference(np.array(before)[order], np.array(after)[order], np.array(labels)[order])
        assert shuffled.lower == pytest.approx(found.lower)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 30), st.integers(0, 30))
    def test_p_value_and_lower_bound_agree(self, gains, losses):
        before = np.r_[np.zeros(gains), np.ones(losses), np.zeros(100)]
        after = np.r_[np.ones(gains), np.zeros(losses), np.zeros(100)]
        found = paired_difference(before, after, np.arange(len(before)) % 40)
        assert (found.p_value < 0.05) == (found.lower > 0) or abs(found.p_value - 0.05) < 1e-6


class TestGradedScores:
    def test_a_tiny_loss_does_not_make_the_bound_surer_than_none(self):
        none, tiny = np.zeros(200), np.zeros(200)
        tiny[0] = -0.01
        lower = [paired_difference(-np.minimum(c, 0), np.maximum(c, 0), range(200)).lower for c in (none, tiny)]
        assert lower[1] <= lower[0]

    def test_two_items_prove_nothing(self):
        assert paired_difference([0.1, 0.1], [0.0, 0.0], [0, 1]).lower < -0.5

    def test_rare_whole_losses_behind_many_small_changes(self):
        change = np.random.default_rng(0).choice([-1, -0.1, 0.1, 0], p=[0.03, 0.1, 0.1, 0.77], size=(2000, 400))
        assert np.mean(paired_differences(change, range(400)).lower > -0.03) <= 0.065


@pytest.mark.parametrize(("losses", "gains", "n", "margin"), [(5, 8, 100, 0.1), (12, 3, 300, 0.03), (40, 55, 1089, 0.02)])
def test_the_restricted_estimate_is_that_of_the_likelihood(losses, gains, n, margin):
    """Tango's closed form against numerical maximum likelihood."""

    def minus_log_likelihood(gain):
        return -(gains * np.log(gain) + losses * np.log(gain + margin) + (n - gains - losses) * np.log(1 - 2 * gain - margin))

    bounds = (1e-12, (1 - margin) / 2 - 1e-12)
    gain = optimize.minimize_scalar(minus_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-13}).x
    assert float(restricted_discordance(-margin, gains, losses, n)) == pytest.approx(2 * gain + margin, abs=1e-6)
