import numpy as np
import pytest

from bbflow.evaluation.statistics.integration_score import integration_score, null_corrected


def tables(rng, before, after, clusters=40, size=10):
    """Per capability correlated before and after scores on the same clusters."""
    labels = np.repeat(np.arange(clusters), size)
    mood = rng.normal(0, 0.1, clusters)[labels]
    old, new = {}, {}
    for name in before:
        draw = rng.random(len(labels)) - mood
        old[name] = ((draw < before[name]).astype(float), labels)
        new[name] = ((draw < after[name]).astype(float), labels)
    return old, new


class TestIntegrationScore:
    def test_values_by_hand(self):
        labels = ["a", "a", "b", "b"]
        before = {"x": ([1, 0, 1, 0], labels), "y": ([1, 1, 1, 0], labels)}
        found = integration_score(before, None, {"x": 0.25, "y": 0.5}, draws=50)
        assert found["before"]["score"] == pytest.approx((1 / 3 + 1 / 2) / 2)
        assert found["before"]["minimum"] == pytest.approx(1 / 3)
        assert found["before"]["geometric_mean"] == pytest.approx((1 / 6) ** 0.5)
        assert set(found) == {"before"}

    def test_below_the_null_counts_nothing(self):
        assert null_corrected([0.1, 1.0], [0.3, 1.0]).tolist() == [0.0, 0.0]

    def test_bootstrap_agrees_with_a_loop(self):
        rng = np.random.default_rng(2)
        old, new = tables(rng, {"x": 0.5, "y": 0.6}, {"x": 0.6, "y": 0.7})
        nulls = {"x": 0.25, "y": 0.3}
        found = integration_score(old, new, nulls, draws=4000, seed=1)
        drawn = []
        for _ in range(3000):
            picked = rng.integers(0, 40, 40)
            places = np.concatenate([np.flatnonzero(old["x"][1] == g) for g in picked])
            skill = [
                np.mean([max(0, (table[n][0][places].mean() - nulls[n]) / (1 - nulls[n])) for n in ("x", "y")]) for table in (old, new)
            ]
            drawn.append((skill[0], skill[1] - skill[0]))
        drawn = np.array(drawn)
        assert found["before"]["ci"] == pytest.approx(np.percentile(drawn[:, 0], [2.5, 97.5]), abs=0.012)
        assert found["difference"]["ci"] == pytest.approx(np.percentile(drawn[:, 1], [2.5, 97.5]), abs=0.008)
        assert found["difference"]["lower"] == pytest.approx(np.percentile(drawn[:, 1], 5), abs=0.008)

    def test_resampling_is_joint(self):
        old, _ = tables(np.random.default_rng(4), {"x": 0.5, "y": 0.6}, {"x": 0.5, "y": 0.6})
        found = integration_score(old, old, {"x": 0.2, "y": 0.2}, draws=200)
        assert found["difference"] == {"estimate": 0.0, "lower": 0.0, "upper": 0.0, "ci": [0.0, 0.0]}

    def test_same_seed_same_numbers(self):
        old, new = tables(np.random.default_rng(5), {"x": 0.5}, {"x": 0.6})
        first, second, third = (integration_score(old, new, {"x": 0.2}, draws=300, seed=s) for s in (1, 1, 2))
        assert first == second != third

    def test_a_capability_of_few_clusters_may_be_missing_from_a_draw(self):
        found = integration_score({"x": ([1, 0, 1, 0], list("abcd")), "y": ([1.0], ["a"])}, None, {"x": 0.0, "y": 0.0}, draws=300)
        assert np.isfinite(found["before"]["ci"]).all()


def test_integration_knows_nothing_of_one_cluster():
    table = {"a": ([1.0, 0.0], ["x", "x"])}
    found = integration_score(table, {"a": ([1.0, 1.0], ["x", "x"])}, {"a": 0.0})
    assert found["before"]["ci"] == [0.0, 1.0]
    assert (found["difference"]["lower"], found["difference"]["upper"], found["difference"]["ci"]) == (-1.0, 1.0, [-1.0, 1.0])


def test_integration_where_no_draw_holds_every_capability():
    table = {f"c{i}": ([1.0], [str(i)]) for i in range(60)}
    assert integration_score(table, None, dict.fromkeys(table, 0.0), draws=200)["before"]["ci"] == [0.0, 1.0]
