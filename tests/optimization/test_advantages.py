import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bbflow.optimization import DecoupledAdvantage, SumThenNormalize

NAN = math.nan
ROOT = math.sqrt(0.5)


def tensors(**rewards):
    return {name: torch.tensor(row, dtype=torch.float64) for name, row in rewards.items()}


def test_decoupled_by_hand():
    # group 1: a = [0, 1] -> -+ROOT, b = [1, 1] -> 0; group 2: a = [1, 0] -> +-ROOT, b = [0, .5] -> -+ROOT (the width of b does not matter)
    result = DecoupledAdvantage()(tensors(a=[0, 1, 1, 0], b=[1, 1, 0, 0.5]), 2, {"a": 1.0, "b": 0.5})
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
    by_sum, decoupled = SumThenNormalize()(rewards, 4, weights).combined_N, DecoupledAdvantage()(rewards, 4, weights).combined_N
    assert by_sum[0] == by_sum[1]
    assert float(decoupled[0] / decoupled[1]) == pytest.approx((1.5 - math.sqrt(0.75)) / (math.sqrt(0.75) - 0.5))


def test_float_residue_is_no_signal():
    result = DecoupledAdvantage()(tensors(a=[0.1 + 0.2, 0.3, 0.3]), 3, {"a": 1.0})
    assert result.combined_N.tolist() == [0, 0, 0]
    assert not result.alive_KG.any()


def test_names_must_match():
    with pytest.raises(ValueError, match="weights for"):
        DecoupledAdvantage()(tensors(a=[0, 1]), 2, {"a": 1.0, "b": 1.0})


def test_infinite_rewards_and_ragged_groups_are_refused():
    with pytest.raises(ValueError, match="infinite"):
        DecoupledAdvantage()(tensors(a=[0, math.inf]), 2, {"a": 1.0})
    with pytest.raises(ValueError, match="groups of 2"):
        DecoupledAdvantage()(tensors(a=[0, 1, 0]), 2, {"a": 1.0})


score = st.one_of(st.floats(0, 1), st.just(NAN), st.sampled_from([0.0, 1.0]))


@given(
    st.integers(1, 4).flatmap(lambda g: st.tuples(st.just(g), st.lists(st.tuples(score, score), min_size=g, max_size=3 * g))),
    st.floats(0, 10), st.sampled_from([DecoupledAdvantage, SumThenNormalize]),
)  # fmt: skip
def test_properties(groups, weight, kind):
    size, rows = groups
    rows = rows[: len(rows) // size * size]
    rewards = tensors(a=[r[0] for r in rows], b=[r[1] for r in rows])
    result = kind()(rewards, size, {"a": 1.0, "b": weight})
    parts, combined = result.parts_KN, result.combined_N
    assert torch.isfinite(parts).all()
    torch.testing.assert_close(combined, parts[0] + weight * parts[1])
    for name, part in zip("ab", parts, strict=True):
        assert (part[rewards[name].isnan()] == 0).all()
        assert part.unflatten(0, (-1, size)).sum(1).abs().max() < 1e-6 * max(1, part.abs().max())
    if kind is DecoupledAdvantage and combined.abs().max() > 0:
        assert combined.square().mean().sqrt() == pytest.approx(1)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.floats(0.01, 1))
def test_decoupled_ignores_the_width_of_a_reward(row, width):
    reward = torch.tensor(row, dtype=torch.float64)
    if (reward * width).std() < 1e-4:
        return
    other = torch.tensor([0.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    wide, narrow = (DecoupledAdvantage()({"a": r, "b": other}, 4, {"a": 1.0, "b": 1.0}).combined_N for r in (reward, reward * width))
    torch.testing.assert_close(wide, narrow)
