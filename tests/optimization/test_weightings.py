import itertools
import math

import numpy as np
import pytest
import torch
import torchjd.aggregation as oracle
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from torchjd.linalg import DualConeProjector

from bbflow.optimization.weightings import IMTLG, MGDA, PCGrad, UPGrad, WeightedSum, Weighting, stationarity

ALL = [WeightedSum, UPGrad, MGDA, IMTLG, PCGrad]
ONES = torch.ones(2)


class Enumerated(DualConeProjector):
    """The quadratic program that TorchJD documents, solved by trying every active set (its own solver, quadprog, is under the GPL)."""

    def __call__(self, U, G):
        return torch.stack([self.one(u.numpy(), G.numpy()) for u in U.reshape(-1, len(G))]).reshape(U.shape)

    def one(self, u, G):
        best = None
        for active in itertools.product([False, True], repeat=len(u)):
            bound = np.array(active)
            v = u.astype(np.float64).copy()
            if not bound.all():
                v[~bound] = np.linalg.lstsq(G[np.ix_(~bound, ~bound)], -G[np.ix_(~bound, bound)] @ u[bound], rcond=None)[0]
            if (v >= u - 1e-12).all() and (best is None or v @ G @ v < best @ G @ best):
                best = v
        return torch.from_numpy(best)


def exact_upgrad(preferences=None):
    return oracle.UPGrad(preferences, Enumerated())


def rows(seed, capabilities=4, width=7):
    return torch.randn(capabilities, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gramian(jacobian):
    return jacobian @ jacobian.T


def weights(kind, jacobian, preferences=None, **settings):
    return kind(**settings)(gramian(jacobian), torch.ones(len(jacobian)) if preferences is None else torch.tensor(preferences))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    ("kind", "other"),
    [
        (WeightedSum, oracle.Sum()),
        (UPGrad, exact_upgrad()),
        (IMTLG, oracle.IMTLG()),
    ],
)
def test_torchjd_agrees_up_to_scale(kind, other, seed):
    jacobian = rows(seed)
    ours, theirs = jacobian.T @ weights(kind, jacobian), other(jacobian)
    torch.testing.assert_close(ours / ours.norm(), theirs / theirs.norm(), atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_torchjd_agrees_on_the_minimum_norm(seed):
    jacobian = rows(seed)
    ours = float((jacobian.T @ weights(MGDA, jacobian) / 4).norm())
    theirs = float(oracle.MGDA(epsilon=1e-9, max_iters=1000)(jacobian).norm())  # Frank-Wolfe: it nears the minimum slowly, from above
    assert ours <= theirs + 1e-12
    assert theirs <= 1.01 * ours


def test_torchjd_agrees_on_pcgrad_of_two():
    jacobian = torch.tensor([[1.0, 0.0], [-2.0, math.sqrt(12)]], dtype=torch.float64)
    torch.testing.assert_close(jacobian.T @ weights(PCGrad, jacobian), oracle.PCGrad()(jacobian))


def test_torchjd_agrees_on_preferences_of_upgrad():
    preferences = [1.0, 0.5, 3.0, 0.2]
    jacobian = rows(3)
    theirs = exact_upgrad(torch.tensor(preferences, dtype=torch.float64))(jacobian)
    torch.testing.assert_close(jacobian.T @ weights(UPGrad, jacobian, preferences), theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_upgrad_against_the_projection_written_out(seed):
    jacobian = rows(seed, 3, 4)
    total = np.zeros(4)
    for row in jacobian.numpy():  # the nearest point of the cone {d: J d >= 0}, in the space of the gradients itself
        best = minimize(
            lambda d, row=row: ((d - row) ** 2).sum(), row, jac=lambda d, row=row: 2 * (d - row),
            constraints={"type": "ineq", "fun": lambda d: jacobian.numpy() @ d, "jac": lambda d: jacobian.numpy()},
            options={"ftol": 1e-14, "maxiter": 500}, method="SLSQP",
        )  # fmt: skip
        total += best.x
    torch.testing.assert_close(jacobian.T @ weights(UPGrad, jacobian), torch.from_numpy(total), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_min_norm_against_every_point_of_a_grid(seed):
    jacobian = rows(seed, 3, 2 + seed)
    found = weights(MGDA, jacobian) / 3
    norm = float((jacobian.T @ found).norm())
    grid = [np.array([a, b, 60 - a - b]) / 60 for a, b in itertools.product(range(61), repeat=2) if a + b <= 60]
    best = min(np.linalg.norm(jacobian.numpy().T @ point) for point in grid)
    assert norm <= best + 1e-12
    assert norm >= best - 0.2
    assert stationarity(gramian(jacobian)) == pytest.approx(norm, abs=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_min_norm_with_preferences_against_every_point_of_a_grid(seed):
    """The shortest vector of the hull of g_k / p_k, and gains in the ratio of the preferences or better."""
    preferences = [1.0, 0.5, 2.0]
    jacobian, wanted = rows(seed, 3, 5), torch.tensor(preferences, dtype=torch.float64)
    scaled = (jacobian / wanted[:, None]).numpy()
    found = weights(MGDA, jacobian, preferences)
    assert float(found.sum()) == pytest.approx(sum(preferences))
    update = jacobian.T @ (found / (found * wanted).sum())
    best = min(
        np.linalg.norm(scaled.T @ (np.array([a, b, 60 - a - b]) / 60)) for a, b in itertools.product(range(61), repeat=2) if a + b <= 60
    )
    assert best - 0.2 <= float(update.norm()) <= best + 1e-12
    assert (jacobian @ update >= wanted * (update @ update) - 1e-9).all()


@pytest.mark.parametrize("seed", range(5))
def test_equal_cosine_has_cosines_in_the_ratio_of_the_preferences(seed):
    preferences = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)
    jacobian = rows(seed, 3, 5) * torch.tensor([1e-6, 1.0, 1e6], dtype=torch.float64)[:, None]
    update = jacobian.T @ weights(IMTLG, jacobian, preferences.tolist())
    shares = jacobian @ update / jacobian.norm(dim=1) / preferences
    torch.testing.assert_close(shares / shares[0], torch.ones(3, dtype=torch.float64), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_pcgrad_against_the_projections_written_out(seed):
    """In the space of the gradients, the others in cyclic order."""
    jacobian, preferences = rows(seed, 4, 5), [1.0, 0.5, 2.0, 0.3]
    total = torch.zeros(5, dtype=torch.float64)
    for k, preference in enumerate(preferences):
        part = jacobian[k].clone()
        for step in range(1, 4):
            other = jacobian[(k + step) % 4]
            if part @ other < 0:
                part = part - (part @ other) / (other @ other) * other
        total += preference * part
    torch.testing.assert_close(jacobian.T @ weights(PCGrad, jacobian, preferences), total)


@pytest.mark.parametrize("seed", range(10))
def test_upgrad_at_any_lengths_against_every_active_set(seed):
    """Each projection is scaled by its gradient's length, so that it can be found on unit rows, by trial of all active sets."""
    jacobian, lengths = rows(seed, 4, 6), 10.0 ** (12 * torch.rand(4, generator=torch.Generator().manual_seed(seed)).double() - 6)
    unit = jacobian / jacobian.norm(dim=1, keepdim=True)
    one_by_one = [Enumerated().one(u, (unit @ unit.T).numpy()) for u in np.eye(4)]
    expected = sum(length * one for length, one in zip(lengths, one_by_one, strict=True)) / lengths
    found = weights(UPGrad, unit * lengths[:, None])
    torch.testing.assert_close(found * lengths / lengths.max(), expected * lengths / lengths.max(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", [WeightedSum, UPGrad, MGDA, IMTLG])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_and_order_change_nothing(kind, scale):
    jacobian, preferences, order = rows(8, 4, 5), torch.tensor([1.0, 0.5, 2.0, 0.3]), torch.tensor([2, 0, 3, 1])
    expected = weights(kind, jacobian, preferences.tolist())
    torch.testing.assert_close(weights(kind, scale * jacobian, preferences.tolist()), expected)
    torch.testing.assert_close(weights(kind, jacobian[order], preferences[order].tolist()), expected[order])


def test_optimum_under_orthogonality_depends_on_the_criterion():
    jacobian = torch.diag(torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64))
    for kind, power in ((UPGrad, 0), (IMTLG, 1), (MGDA, 2)):
        expected = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64) ** -power
        torch.testing.assert_close(weights(kind, jacobian), expected * 3 / expected.sum())


def test_opposed_gradients_stand_still_under_min_norm():
    jacobian = torch.tensor([[1.0, 0.0], [-3.0, 0.0]], dtype=torch.float64)
    assert (jacobian.T @ weights(MGDA, jacobian)).norm() < 1e-12
    assert (jacobian.T @ weights(UPGrad, jacobian)).norm() < 1e-12
    assert stationarity(gramian(jacobian)) == 0


@pytest.mark.parametrize("kind", ALL)
def test_edges(kind):
    assert weights(kind, rows(0, 1), [2.0]).tolist() == pytest.approx([2.0])  # K = 1: the plain step
    with_zero = torch.cat([rows(1, 2), torch.zeros(1, 7, dtype=torch.float64)])
    got = weights(kind, with_zero)
    torch.testing.assert_close(got[:2], weights(kind, rows(1, 2)))
    assert float(got[2]) == 0
    assert weights(kind, torch.zeros(3, 4)).tolist() == [0, 0, 0]
    left_out = weights(kind, rows(2, 3), [1.0, 0.0, 2.0])
    assert float(left_out[1]) == 0
    torch.testing.assert_close(left_out[[0, 2]], weights(kind, rows(2, 3)[[0, 2]], [1.0, 2.0]))
    with pytest.raises(ValueError, match="not finite"):
        kind()(torch.full((2, 2), math.nan), ONES)
    with pytest.raises(ValueError, match="0 or more"):
        kind()(torch.eye(2), -ONES)
    with pytest.raises(ValueError, match="shape"):
        kind()(torch.eye(3), ONES)


@pytest.mark.parametrize("kind", ALL)
def test_normalised_rows(kind):
    jacobian = rows(5)
    lengths = jacobian.norm(dim=1)
    common = lengths.square().mean().sqrt()
    unit = jacobian / lengths[:, None] * common
    torch.testing.assert_close(jacobian.T @ weights(kind, jacobian, normalize_rows=True), unit.T @ weights(kind, unit))


def test_one_of_ones_own_is_one_class():
    class First(Weighting):
        def solve(self, gramian, preferences):
            return np.eye(len(preferences))[0]

    assert First()(torch.eye(2), ONES).tolist() == [1.0, 0.0]


scales = st.floats(-6, 6).map(lambda power: 10.0**power)


@st.composite
def jacobians(draw):
    """Rows of lengths 1e-6 to 1e6: independent ones, nearly opposed or nearly equal ones, and fewer dimensions than capabilities."""
    count, width = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    jacobian = rows(draw(st.integers(0, 2**31)), count, width)
    if count > 1 and draw(st.booleans()):
        near = draw(st.sampled_from([0.0, 1e-9, 1e-5, 1e-2]))
        jacobian[1] = draw(st.sampled_from([-1.0, 1.0])) * jacobian[0] + near * jacobian[1]
    if draw(st.booleans()):
        jacobian[draw(st.integers(0, count - 1))] = 0
    lengths = torch.tensor(draw(st.lists(scales, min_size=count, max_size=count)), dtype=torch.float64)
    preferences = draw(st.lists(st.floats(0.01, 100), min_size=count, max_size=count))
    return jacobian * lengths[:, None], preferences


@pytest.mark.parametrize("kind", [UPGrad, MGDA])
@pytest.mark.parametrize("normalize_rows", [False, True])
@given(case=jacobians())
def test_no_capability_falls(kind, normalize_rows, case):
    jacobian, preferences = case
    found = weights(kind, jacobian, preferences, normalize_rows=normalize_rows)
    assert (found >= 0).all()
    lengths = jacobian.norm(dim=1)
    gains = gramian(jacobian) @ found
    assert (gains >= -1e-9 * lengths * (found * lengths).max()).all()


@given(case=jacobians())
def test_min_norm_gains_at_least_its_square(case):
    jacobian, _ = case
    alive = jacobian[jacobian.norm(dim=1) > 0]
    if not len(alive):
        return
    simplex = weights(MGDA, alive) / len(alive)
    update = alive.T @ simplex
    lengths = alive.norm(dim=1)
    assert (alive @ update >= update @ update - 1e-9 * lengths * (simplex * lengths).max()).all()


@given(case=jacobians())
def test_upgrad_is_the_sum_where_nothing_conflicts(case):
    jacobian, preferences = case
    positive = jacobian.abs()
    alive = positive.norm(dim=1) > 0
    torch.testing.assert_close(weights(UPGrad, positive, preferences)[alive], torch.tensor(preferences, dtype=torch.float64)[alive])


@pytest.mark.parametrize("kind", [UPGrad, MGDA])
def test_a_weakened_solver_would_be_caught(kind):
    """The property can fail: the plain sum breaks it on a conflict with unequal lengths."""
    jacobian = torch.tensor([[1.0, 0.0], [-2.0, math.sqrt(12)]], dtype=torch.float64)  # cosine -0.5, lengths 1 and 4
    assert (gramian(jacobian) @ weights(WeightedSum, jacobian))[0] < -0.5
    assert (gramian(jacobian) @ weights(kind, jacobian)).min() >= -1e-9
