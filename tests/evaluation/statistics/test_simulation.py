"""Type I error of the certificate by simulation: 20,000 runs at a fixed seed, items correlated within clusters by 0, 0.1 and 0.3."""

import numpy as np
import pytest

from bbflow.evaluation.certificate import ALPHA, certify
from bbflow.evaluation.statistics.clustered import PairedDifference, PairedDifferences, paired_differences

MARGIN = 0.03
BATCH = 500


def labels_of(rng, clusters, size):
    """Clusters of unequal size, half to one and a half times `size`."""
    return np.repeat(np.arange(clusters), rng.integers(max(1, size // 2), size + size // 2 + 1, clusters))


def changes(rng, runs, labels, worse, better, correlation):
    """Changes [runs, N] of -1, 0 and 1 with exactly these shares and exactly this correlation within clusters."""
    shape = (runs, len(labels))
    draw = np.where(rng.random(shape) < np.sqrt(correlation), rng.random((runs, labels.max() + 1))[:, labels], rng.random(shape))
    return (draw >= worse).astype(float) * (draw < worse + better) - (draw < worse)


def simulated(seed, runs, worse, better, correlation, clusters=50, size=10):
    rng = np.random.default_rng(seed)
    labels = labels_of(rng, clusters, size)
    parts = [paired_differences(changes(rng, BATCH, labels, worse, better, correlation), labels) for _ in range(runs // BATCH)]
    return PairedDifferences(*map(np.concatenate, zip(*parts, strict=True)))


def runs_of(found):
    """Turns simulated capabilities into what `certify` takes, run by run."""
    for i in range(len(next(iter(found.values())).lower)):
        yield {name: PairedDifference(*(float(v[i]) for v in d), n=500, clusters=50) for name, d in found.items()}


def wrongly_certified(runs, correlation, worse, better, **sizes):
    """One capability loses exactly its margin, two gain: whoever certifies the run errs."""
    found = {"lost": simulated(1, runs, worse, better, correlation, **sizes)}
    found |= {f"won{k}": simulated(k, runs, 0.03, 0.15, correlation, **sizes) for k in (2, 3)}
    margins = dict.fromkeys(found, MARGIN)
    return np.mean([certify(run, margins).verdict == "certified" for run in runs_of(found)])


def wrongly_improved(runs, correlation, changed, **sizes):
    """Nothing changed in any of four capabilities: whoever names one improved errs."""
    found = {f"same{k}": simulated(10 + k, runs, changed / 2, changed / 2, correlation, **sizes) for k in range(4)}
    margins = dict.fromkeys(found, MARGIN)
    return np.mean(["improved" in certify(run, margins).capabilities.values() for run in runs_of(found)])


@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.3])
def test_type_one_error(correlation):
    """A smaller run of the tests below; the bound leaves room for its noise."""
    runs = 2000
    bound = ALPHA + 2.5 * np.sqrt(ALPHA * (1 - ALPHA) / runs)
    assert wrongly_certified(runs, correlation, 0.065, 0.035) <= bound
    assert wrongly_improved(runs, correlation, 0.1) <= bound


@pytest.mark.parametrize(("clusters", "size", "correlation"), [(50, 10, 0.0), (50, 10, 0.3), (30, 14, 0.3), (100, 5, 0.3)])
@pytest.mark.parametrize(("worse", "better"), [(0.03, 0.0), (0.04, 0.01), (0.08, 0.05), (0.2, 0.17)])
def test_preserved_is_said_wrongly_in_one_of_twenty_runs_at_most(clusters, size, correlation, worse, better):
    lower = simulated(20, 1000, worse, better, correlation, clusters, size).lower
    assert np.mean(lower > -MARGIN) <= ALPHA + 2.5 * np.sqrt(ALPHA * (1 - ALPHA) / 1000)


@pytest.mark.parametrize(("worse", "better", "correlation"), [(0.2, 0.2, 0.1), (0.2, 0.2, 0.3), (0.1, 0.1, 0.3), (0.09, 0.155, 0.05)])
def test_clusters_of_very_unequal_size(worse, better, correlation):
    """A few entities hold most of the items, as the large drugs do in the safety items of the main job."""
    rng = np.random.default_rng(22)
    labels = np.repeat(np.arange(64), [172, 150, 147, 75, 66, 50, 40, 32, *[8] * 26, *[4] * 30])
    lower = [paired_differences(changes(rng, BATCH, labels, worse, better, correlation), labels).lower for _ in range(4)]
    assert np.mean(np.concatenate(lower) > better - worse) <= ALPHA + 2.5 * np.sqrt(ALPHA * (1 - ALPHA) / 2000)


def test_finds_what_is_there():
    assert np.mean(simulated(21, 500, 0.05, 0.15, 0.1).lower > 0) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.3])
@pytest.mark.parametrize(("worse", "better"), [(0.03, 0.0), (0.04, 0.01), (0.065, 0.035), (0.2, 0.17)])
def test_a_capability_exactly_at_its_margin(correlation, worse, better):
    assert wrongly_certified(20_000, correlation, worse, better) <= 0.055


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("changed", [0.02, 0.1, 0.3])
def test_holm_when_nothing_changed(correlation, changed):
    assert wrongly_improved(20_000, correlation, changed) <= 0.055


def test_many_runs_at_once_are_one_run_many_times():
    from bbflow.evaluation.statistics.clustered import paired_difference

    rng = np.random.default_rng(0)
    labels = labels_of(rng, 12, 6)
    change = changes(rng, 5, labels, 0.1, 0.2, 0.2)
    together = paired_differences(change, labels)
    for i, row in enumerate(change):
        alone = paired_difference((row < 0).astype(float), (row > 0).astype(float), labels)
        assert [float(v[i]) for v in together] == pytest.approx([getattr(alone, f) for f in together._fields])
