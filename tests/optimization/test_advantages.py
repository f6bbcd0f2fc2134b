import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bbflow.optimization import GDPO, MOGRPO, CovarianceTargeted, SumThenNormalize

NAN = math.nan
ROOT = math.sqrt(0.5)


def tensors(**rewards):
    return {name: torch.tensor(row, dtype=torch.float64) for name, row in rewards.items()}


def test_decoupled_by_hand():
    # group 1: a = [0, 1] -> -+ROOT, b = [1, 1] -> 0; group 2: a = [1, 0] -> +-ROOT, b = [0, .5] -> -+ROOT (the width of b does not matter)
    result = GDPO()(tensors(a=[0, 1, 1, 0], b=[1, 1, 0, 0.5]), 2, {"a": 1.0, "b": 0.5})
    summed = [-ROOT, ROOT, 0.5 * ROOT, -0.5 * ROOT]
    scale = math.sqrt(sum(s * s for s in summed) / 4)
    assert result.combined_N.tolist() == pytest.approx([s / scale for s in summed])
    assert result.alive_KG.tolist() == [[True, True], [False, True]]


def test_sum_then_normalize_by_hand():
    result = SumThenNormalize()(tensors(a=[0, 1, 1], b=[0.3, 0.3, 0.0]), 3, {"a": 1.0, "b": 2.0})
    total = torch.tensor([0.6, 1.6, 1.0], dtype=torch.float64)
    assert result.combined_N.tolist() == pytest.approx(((total - total.mean()) / total.std()).tolist())


def test_the_sum_hides_what_the_decoupled_one_keeps():
    # the first two completions have the same sum, but the first has what only one of four has: 1.5 - 0.866 against -0.5 + 0.866
    rewards, weights = tensors(a=[1, 0, 0, 0], b=[0, 1, 1, 0]), {"a": 1.0, "b": 1.0}
    by_sum, decoupled = SumThenNormalize()(rewards, 4, weights).combined_N, GDPO()(rewards, 4, weights).combined_N
    assert by_sum[0] == by_sum[1]
    assert float(decoupled[0] / decoupled[1]) == pytest.approx((1.5 - math.sqrt(0.75)) / (math.sqrt(0.75) - 0.5))


def test_variance_weighted_by_hand():
    result = MOGRPO()(tensors(a=[0, 1, 1, 0], b=[1, 1, 0, 0.5]), 2, {"a": 1.0, "b": 0.5})
    assert result.combined_N.tolist() == pytest.approx([-ROOT, ROOT, 0.5 * ROOT, -0.5 * ROOT])


def test_variance_weighting_gives_every_capability_the_same_correlation():
    torch.manual_seed(0)
    rewards = {"a": torch.rand(4000, dtype=torch.float64), "b": 0.01 * torch.rand(4000, dtype=torch.float64)}
    by_sum, weighted = (kind()(rewards, 8, {"a": 1.0, "b": 1.0}).combined_N for kind in (SumThenNormalize, MOGRPO))

    def correlations(signal):
        return [float(torch.corrcoef(torch.stack([row, signal]))[0, 1]) for row in rewards.values()]

    wide, narrow = correlations(weighted)
    assert wide == pytest.approx(narrow, abs=0.02)
    assert narrow > 0.6
    assert correlations(by_sum)[1] < 0.05  # the narrow reward is not heard in the sum


def test_covariance_targeting_lifts_the_outvoted_capability_and_no_other():
    rewards, weights = tensors(a=[0, 0, 1, 1], b=[1, 1, 0, 0.8], c=[0, 1, 0, 1]), {"a": 3.0, "b": 1.0, "c": 1.0}
    plain, targeted = MOGRPO()(rewards, 4, weights), CovarianceTargeted()(rewards, 4, weights)
    assert float(plain.parts_KN[1] @ plain.combined_N) < -0.1
    assert float(plain.parts_KN[1] @ targeted.combined_N) == pytest.approx(0, abs=1e-12)
    factors = targeted.parts_KN.norm(dim=1) / plain.parts_KN.norm(dim=1)
    assert factors[0] == pytest.approx(factors[2])
    assert factors[1] > factors[0]


def test_without_conflict_covariance_targeting_is_the_decoupled_advantage():
    rewards, weights = tensors(a=[0, 0.5, 1, 1], b=[0.2, 0.5, 0.6, 0.3]), {"a": 1.0, "b": 0.5}
    torch.testing.assert_close(*(kind()(rewards, 4, weights).combined_N for kind in (CovarianceTargeted, GDPO)))


def test_capabilities_that_oppose_each_other_everywhere_leave_nothing():
    rewards = tensors(a=[0, 1, 0.5, 0.1], b=[1, 0, 0.5, 0.9])
    assert CovarianceTargeted()(rewards, 4, {"a": 1.0, "b": 3.0}).combined_N.tolist() == [0.0] * 4


def test_a_capability_without_weight_is_not_protected_and_keeps_no_group_alive():
    rewards = tensors(a=[0, 1, 1, 1], b=[1, 0, 0, 1])
    alone = CovarianceTargeted()(rewards, 2, {"a": 1.0, "b": 0.0})
    torch.testing.assert_close(alone.combined_N, GDPO()(rewards, 2, {"a": 1.0, "b": 0.0}).combined_N)
    assert alone.alive_KG.tolist() == [[True, False], [True, True]]
    assert alone.alive_G.tolist() == [True, False]


@given(
    st.integers(2, 5), st.integers(2, 4), st.integers(1, 4), st.integers(0, 2**31),
    st.lists(st.floats(0.01, 100), min_size=5, max_size=5), st.floats(0, 0.5),
)  # fmt: skip
def test_no_capability_is_anti_correlated_with_the_targeted_signal(capabilities, size, groups, seed, weights, absent):
    """And the three conditions of Karush, Kuhn and Tucker hold, so that it is the nearest such signal."""
    source = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, 4, (capabilities, size * groups), generator=source).double() / 3
    rows[torch.rand(rows.shape, generator=source) < absent] = NAN
    names = "abcde"[:capabilities]
    rewards, weights = dict(zip(names, rows, strict=True)), dict(zip(names, weights[:capabilities], strict=True))
    plain, result = MOGRPO()(rewards, size, weights), CovarianceTargeted()(rewards, size, weights)
    signal, z_KN = result.combined_N, plain.parts_KN
    lengths = z_KN.norm(dim=1).clamp(min=1e-12)
    cosines = z_KN @ signal / (lengths * max(1e-12, float(signal.norm())))
    assert (cosines >= -1e-9).all()
    if signal.abs().max() > 0:
        factors = result.parts_KN.norm(dim=1) / lengths
        heard = z_KN.norm(dim=1) > 0
        lowest = factors[heard].min()  # one over the scale of the batch, unless every factor rose
        assert all(cosine < 1e-6 for cosine, factor, on in zip(cosines, factors, heard, strict=True) if on and factor > lowest * (1 + 1e-6))


def test_float_residue_is_no_signal():
    result = GDPO()(tensors(a=[0.1 + 0.2, 0.3, 0.3]), 3, {"a": 1.0})
    assert result.combined_N.tolist() == [0, 0, 0]
    assert not result.alive_KG.any()


@pytest.mark.parametrize("kind", [GDPO, SumThenNormalize, MOGRPO, CovarianceTargeted])
def test_one_capability_a_silent_one_and_groups_of_one(kind):
    one = kind()(tensors(a=[0, 1, 1, 0]), 4, {"a": 2.0})
    assert one.parts_KN.shape == (1, 4)
    assert one.combined_N[1] == one.combined_N[2] == -one.combined_N[0] > 0
    silent = kind()(tensors(a=[0, 1, 1, 0], b=[NAN] * 4), 4, {"a": 2.0, "b": 1.0})
    torch.testing.assert_close(silent.combined_N, one.combined_N)
    assert silent.parts_KN[1].tolist() == [0.0] * 4
    assert silent.alive_KG.tolist() == [[True], [False]]
    alone = kind()(tensors(a=[0, 1], b=[1, NAN]), 1, {"a": 1.0, "b": 1.0})
    assert alone.combined_N.tolist() == [0.0, 0.0]
    assert not alone.alive_G.any()


def test_names_must_match():
    with pytest.raises(ValueError, match="weights for"):
        GDPO()(tensors(a=[0, 1]), 2, {"a": 1.0, "b": 1.0})


def test_infinite_rewards_and_ragged_groups_are_refused():
    with pytest.raises(ValueError, match="infinite"):
        GDPO()(tensors(a=[0, math.inf]), 2, {"a": 1.0})
    with pytest.raises(ValueError, match="groups of 2"):
        GDPO()(tensors(a=[0, 1, 0]), 2, {"a": 1.0})


KINDS = [GDPO, SumThenNormalize, MOGRPO, CovarianceTargeted]
score = st.one_of(st.floats(0, 1), st.just(NAN), st.sampled_from([0.0, 1.0]))


@given(
    st.integers(1, 4).flatmap(lambda g: st.tuples(st.just(g), st.lists(st.tuples(score, score), min_size=g, max_size=3 * g))),
    st.floats(0, 10), st.sampled_from(KINDS),
)  # fmt: skip
def test_properties(groups, weight, kind):
    size, rows = groups
    rows = rows[: len(rows) // size * size]
    rewards = tensors(a=[r[0] for r in rows], b=[r[1] for r in rows])
    result = kind()(rewards, size, {"a": 1.0, "b": weight})
    parts, combined = result.parts_KN, result.combined_N
    assert torch.isfinite(parts).all()
    torch.testing.assert_close(combined, parts[0] + weight * parts[1])
    assert torch.equal(combined, result.weights_K @ parts)
    for name, part in zip("ab", parts, strict=True):
        assert (part[rewards[name].isnan()] == 0).all()
        assert part.unflatten(0, (-1, size)).sum(1).abs().max() < 1e-6 * max(1, part.abs().max())
    if kind in (GDPO, CovarianceTargeted) and combined.abs().max() > 0:
        assert combined.square().mean().sqrt() == pytest.approx(1)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.floats(0.01, 1))
def test_decoupled_ignores_the_width_of_a_reward(row, width):
    reward = torch.tensor(row, dtype=torch.float64)
    if (reward * width).std() < 1e-4:
        return
    other = torch.tensor([0.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    wide, narrow = (GDPO()({"a": r, "b": other}, 4, {"a": 1.0, "b": 1.0}).combined_N for r in (reward, reward * width))
    torch.testing.assert_close(wide, narrow)
