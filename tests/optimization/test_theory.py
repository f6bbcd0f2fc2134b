"""The statements of docs/research/theory.md, each as a check that can fail. Numbers in the names are those of the page."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bbflow.optimization.update_geometry import cosines, harmed
from bbflow.optimization.weightings import MGDA, UPGrad, WeightedSum, stationarity

ROOT = Path(__file__).parents[2]
TOWARDS = torch.tensor([[1.0, 0.0], [-0.5, math.sqrt(3) / 2]], dtype=torch.float64)  # 120 degrees apart


seeds = st.integers(0, 2**31 - 1)
sizes = st.tuples(st.integers(1, 6), st.integers(1, 8))
scales = st.floats(-6, 6).map(lambda power: 10.0**power)


def rows(seed, count, width):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def jacobians(draw):
    """Rows of lengths from 1e-6 to 1e6, in general position or with one nearly opposed to another."""
    count, width = draw(sizes)
    jacobian = rows(draw(seeds), count, width)
    if count > 1 and draw(st.booleans()):
        jacobian[1] = -jacobian[0] + draw(st.sampled_from([0.0, 1e-7, 1e-3])) * jacobian[1]
    lengths = draw(st.lists(scales, min_size=count, max_size=count))
    return jacobian * torch.tensor(lengths, dtype=torch.float64)[:, None]


def quadratic(seed, dimensions=5, curvature=None):
    """J(x) = b x - x^T H x / 2, H positive definite, and its largest curvature."""
    root = rows(seed, dimensions, dimensions)
    hessian = root @ root.T if curvature is None else curvature * torch.eye(dimensions, dtype=torch.float64)
    slope = rows(seed + 1, 1, dimensions)[0]
    return lambda x: slope @ x - x @ hessian @ x / 2, lambda x: slope - hessian @ x, float(torch.linalg.eigvalsh(hessian)[-1])


# ---- 1


@given(seed=seeds, step=st.floats(1e-3, 10))
def test_1_lower_bound_of_a_step(seed, step):
    value, gradient, smoothness = quadratic(seed)
    x, d = rows(seed + 2, 2, 5)
    bound = value(x) + step * gradient(x) @ d - smoothness * step**2 * d @ d / 2
    assert value(x + step * d) >= bound - 1e-9 * (1 + abs(bound))


@given(seed=seeds)
def test_1_no_capability_falls_up_to_the_step_that_is_named(seed):
    objectives = [quadratic(seed + 10 * k, dimensions=7) for k in range(3)]
    x = rows(seed + 5, 1, 7)[0]
    jacobian = torch.stack([gradient(x) for _, gradient, _ in objectives])
    d = jacobian.T @ MGDA()(jacobian @ jacobian.T, torch.ones(3))
    step = min(2 * float(g @ d) / (smooth * float(d @ d)) for g, (_, _, smooth) in zip(jacobian, objectives, strict=True))
    for share in (0.1, 0.5, 1.0):
        for value, _, _ in objectives:
            assert value(x + share * step * d) >= value(x) - 1e-9 * (1 + abs(value(x)))


def test_1_the_bound_is_reached():
    value, gradient, smoothness = quadratic(0, curvature=2.0)
    x, d = rows(1, 2, 5)
    assert float(value(x + 0.3 * d)) == pytest.approx(float(value(x) + 0.3 * gradient(x) @ d - smoothness * 0.09 * d @ d / 2))


def test_1_a_right_angle_is_no_protection_against_curvature():
    """J_1 = x, J_2 = y - x^2 / 2: orthogonal gradients at 0, and yet a step for J_1 alone lowers J_2."""
    x = torch.tensor([0.1, 0.0], dtype=torch.float64)
    assert x[1] - x[0] ** 2 / 2 < 0


# ---- 2


@given(seed=seeds)
def test_2_first_order_effect_is_the_gramian_times_the_weights(bench, seed):
    problem = bench.conflict(seed % 50)
    jacobian, weights, step = problem.jacobian(problem.start_D), rows(seed, 1, 2)[0].abs(), 1e-5
    gramian, lengths = jacobian @ jacobian.T, jacobian.norm(dim=1)
    d = jacobian.T @ weights
    measured = (problem.objectives(problem.start_D + step * d) - problem.objectives(problem.start_D - step * d)) / (2 * step)
    torch.testing.assert_close(measured, gramian @ weights, rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(lengths * (cosines(gramian) @ (weights * lengths)), gramian @ weights)


# ---- 3


@given(seed=seeds, count=st.integers(2, 5))
def test_3_no_cross_effect_for_any_weights_means_a_diagonal_gramian(seed, count):
    orthogonal = torch.linalg.qr(rows(seed, 6, count)).Q.T * rows(seed + 1, 1, count)[0].abs()[:, None]
    gramian = orthogonal @ orthogonal.T
    weights = rows(seed + 2, 1, count)[0].abs()
    torch.testing.assert_close(gramian @ weights, gramian.diagonal() * weights)
    other = rows(seed + 3, count, 6)
    tilted = other @ other.T
    j, k = divmod(int((tilted - tilted.diagonal().diag()).abs().argmax()), count)
    assert abs(float((tilted @ torch.eye(count, dtype=torch.float64)[k])[j])) > 0  # weight on k alone moves j


@given(seed=seeds, count=st.integers(2, 5))
def test_3_no_harm_for_any_weights_means_no_negative_entry(seed, count):
    jacobian = rows(seed, count, 4)
    gramian = jacobian.abs() @ jacobian.abs().T
    weights = torch.rand(50, count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert not any(harmed(gramian, w).any() for w in weights)
    gramian = jacobian @ jacobian.T
    for k in (gramian < 0).any(0).nonzero()[:, 0].tolist():
        assert harmed(gramian, torch.eye(count)[k]).any()


def improves_all(jacobian):
    """Whether some d has <g_k, d> > 0 for all k, asked of a linear programme that knows nothing of hulls."""
    from scipy.optimize import linprog

    count, width = jacobian.shape
    cost = np.r_[np.zeros(width), -1.0]
    constraints = np.c_[-jacobian.numpy(), np.ones(count)]
    return -linprog(cost, constraints, np.zeros(count), bounds=[(-1, 1)] * (width + 1)).fun > 1e-9


@given(seed=seeds, shape=sizes)
def test_3_some_update_improves_all_iff_zero_is_outside_the_hull(seed, shape):
    jacobian = rows(seed, *shape)
    assert improves_all(jacobian) == (stationarity(jacobian @ jacobian.T) > 0)


def test_3_the_three_conditions_are_nested_and_differ():
    cases = [torch.tensor([[1.0, 0.0], other], dtype=torch.float64) for other in ([0, 1], [1, 1], [-0.5, 0.866], [-1, 0])]
    assert [float((j @ j.T)[0, 1]) == 0 for j in cases] == [True, False, False, False]
    assert [float((j @ j.T)[0, 1]) >= 0 for j in cases] == [True, True, False, False]
    assert [improves_all(j) for j in cases] == [True, True, True, False]


def test_3_gradients_in_conflict_whose_sum_improves_both():
    """The claim that orthogonality is needed is too strong."""
    gramian = TOWARDS @ TOWARDS.T
    assert float(gramian[0, 1]) == pytest.approx(-0.5)
    assert (gramian @ torch.ones(2, dtype=torch.float64)).tolist() == pytest.approx([0.5, 0.5])


def test_3_weights_of_rewards_do_not_turn_gradients(bench):
    problem = bench.conflict(0)
    jacobian = problem.jacobian(problem.start_D)
    for weights in ([1.0, 1.0], [5.0, 0.1]):
        scaled = torch.tensor(weights, dtype=torch.float64)[:, None] * jacobian
        torch.testing.assert_close(cosines(scaled @ scaled.T), cosines(jacobian @ jacobian.T))


# ---- 4


@given(seed=seeds, count=st.integers(2, 6))
def test_4_cosines_above_the_bound_make_the_sum_of_unit_gradients_safe(seed, count):
    """Random cosines, moved towards 0 until the lowest stands at the bound, are those of some unit vectors again."""
    jacobian = rows(seed, count, 4)
    identity = torch.eye(count, dtype=torch.float64)
    apart = cosines(jacobian @ jacobian.T) - identity
    gramian = identity + apart * min(1.0, -1 / (count - 1) / min(float(apart.min()), -1e-12))
    assert float(torch.linalg.eigvalsh(gramian)[0]) > -1e-9
    assert (gramian @ torch.ones(count, dtype=torch.float64) >= -1e-12).all()


@pytest.mark.parametrize("count", [2, 3, 5])
def test_4_the_bound_is_sharp_at_the_simplex(count):
    """Cosines of exactly -1/(K - 1) cancel; a little below them, K - 1 rows bunched against one, that one falls."""
    simplex = torch.eye(count, dtype=torch.float64) - 1 / count
    simplex = simplex / simplex.norm(dim=1, keepdim=True)
    assert float((simplex @ simplex.sum(0)).abs().max()) < 1e-12
    if count > 2:
        cosine = -1 / (count - 1) - 0.05
        bunch = torch.tensor([[cosine, math.sqrt(1 - cosine**2)]], dtype=torch.float64).expand(count - 1, 2)
        unit = torch.cat([torch.tensor([[1.0, 0.0]], dtype=torch.float64), bunch])
        assert float(unit[0] @ unit.sum(0)) < 0


def test_4_without_equal_lengths_the_bound_is_worthless():
    lengths = torch.tensor([1.0, 4.0], dtype=torch.float64)
    jacobian = TOWARDS * lengths[:, None]  # cosine -0.5, far above -1
    assert harmed(jacobian @ jacobian.T, torch.ones(2)).tolist() == [True, False]


# ---- 5


@given(jacobian=jacobians())
def test_5_every_capability_gains_the_square_of_the_shortest_vector(jacobian):
    lengths = jacobian.norm(dim=1)
    weights = MGDA()(jacobian @ jacobian.T, torch.ones(len(jacobian))) / len(jacobian)
    d = jacobian.T @ weights
    assert (jacobian @ d >= d @ d - 1e-9 * lengths * (weights * lengths).max()).all()


@pytest.mark.parametrize("seed", range(5))
def test_5_min_norm_ascent_lowers_no_capability_and_nears_stationarity_at_the_rate(bench, seed):
    """A softmax policy, exact gradients, L = F^2."""
    problem = bench.conflict(seed)
    smoothness = float(problem.features_XYD.norm(dim=2).max()) ** 2
    theta, step, best = problem.start_D, 1 / smoothness, math.inf
    values = problem.objectives(theta)
    for updates in range(1, 201):
        jacobian = problem.jacobian(theta)
        gramian = jacobian @ jacobian.T
        d = jacobian.T @ MGDA()(gramian, torch.ones(2)) / 2
        assert float(d.norm()) == pytest.approx(stationarity(gramian), abs=1e-9)
        best = min(best, float(d @ d))
        assert best <= 2 / (step * updates)
        theta = theta + step * d
        gains = problem.objectives(theta) - values
        assert (gains >= step * d @ d / 2 - 1e-12).all()  # what the sum in the proof adds up
        values = values + gains


def test_5_a_stationary_point_need_not_be_optimal():
    """J_1 = J_2 = -(x^2 - 1)^2 / 4 at x = 0: stationary, and 1 is better for both."""
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(-((x**2 - 1) ** 2) / 4, x)
    jacobian = slope.expand(2, 1)
    assert stationarity(jacobian @ jacobian.T) == 0
    assert -((0.0 - 1) ** 2) / 4 < -((1.0 - 1) ** 2) / 4


@given(jacobian=jacobians())
def test_5_upgrad_and_min_norm_never_conflict(jacobian):
    for kind in (UPGrad, MGDA):
        weights = kind()(jacobian @ jacobian.T, torch.ones(len(jacobian)))
        assert (weights >= 0).all()
        assert not harmed(jacobian @ jacobian.T, weights).any()


def test_5_zero_violations_in_random_draws():
    """Lengths from 1e-6 to 1e6; the plain sum fails in most of these draws, so they do test something."""
    generator, violations = np.random.default_rng(0), dict.fromkeys((UPGrad, MGDA, WeightedSum), 0)
    for _ in range(500):
        count = int(generator.integers(2, 6))
        jacobian = torch.from_numpy(
            generator.normal(size=(count, int(generator.integers(1, 9)))) * 10 ** generator.uniform(-6, 6, (count, 1))
        )
        gramian = jacobian @ jacobian.T
        for kind in violations:
            violations[kind] += bool(harmed(gramian, kind()(gramian, torch.ones(count))).any())
    assert violations[UPGrad] == violations[MGDA] == 0
    assert violations[WeightedSum] > 250


@given(jacobian=jacobians())
def test_5_upgrad_weights_are_at_least_the_preferences(jacobian):
    assert (UPGrad()(jacobian @ jacobian.T, torch.ones(len(jacobian))) >= 1 - 1e-9).all()


# ---- 6


def test_6_best_weights_of_orthogonal_gradients_depend_on_what_is_wanted():
    lengths = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    gramian = torch.diag(lengths**2)

    def gains(power):
        return gramian @ (lengths**-power)

    assert gains(2).tolist() == pytest.approx([1.0] * 3)  # equal gains
    assert (gains(1) / lengths).tolist() == pytest.approx([1.0] * 3)  # equal cosines with the update
    torch.testing.assert_close(UPGrad()(gramian, torch.ones(3)), torch.ones(3, dtype=torch.float64))
    total, worst = [], []
    for power in (0, 1, 2):  # updates of one length
        gain = gains(power) / (lengths ** (1 - power)).norm()
        total.append(float(gain.sum()))
        worst.append(float(gain.min()))
    assert total[0] == max(total)  # uniform weights: the largest total gain
    assert worst[2] == max(worst)  # min-norm weights: the largest smallest gain


# ---- 7


@given(seed=seeds, noise=st.floats(0.01, 3))
def test_7_noise_costs_at_most_its_length_times_that_of_the_update(seed, noise):
    truth, error = rows(seed, 3, 6), rows(seed + 1, 3, 6)
    error = noise * error / error.norm(dim=1, keepdim=True)
    seen = truth + error
    d = seen.T @ MGDA()(seen @ seen.T, torch.ones(3)) / 3
    assert (truth @ d >= seen @ d - noise * d.norm() - 1e-9).all()
    if d.norm() > noise:
        assert (truth @ d > -1e-9).all()


def test_7_the_loss_is_reached_and_near_stationarity_nothing_is_promised():
    truth, error = torch.tensor([[-0.5, 0.0]], dtype=torch.float64), torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    d = (truth + error)[0]
    assert float((truth + error)[0] @ d) > 0 > float(truth[0] @ d)
    assert float(truth[0] @ d) == pytest.approx(float((truth + error)[0] @ d - error.norm() * d.norm()))


def test_7_noise_shrinks_the_cosine_that_is_read_from_one_batch():
    """-0.6 becomes -0.6 / (1 + 3^2 / 2) = -0.109: noise three times the signal in each half, so 3 / sqrt 2 in the whole."""
    width, steps = 4000, 300
    generator = torch.Generator().manual_seed(0)
    truth = torch.zeros(2, width, dtype=torch.float64)
    truth[0, 0], truth[1, 0], truth[1, 1] = 1.0, -0.6, 0.8
    seen = [truth + 3 / math.sqrt(2 * width) * torch.randn(2, width, generator=generator, dtype=torch.float64) for _ in range(steps)]
    assert float(torch.stack([cosines(one @ one.T)[0, 1] for one in seen]).mean()) == pytest.approx(-0.6 / 5.5, abs=0.005)


def test_7_noise_that_capabilities_share_makes_up_a_cosine():
    """Both gradients come from the same completions: unrelated truths, noise with correlation 0.5, and one batch reads agreement."""
    generator, width = torch.Generator().manual_seed(0), 2000
    truth = torch.zeros(2, width, dtype=torch.float64)
    truth[0, 0] = truth[1, 1] = 1.0

    def half():
        shared, own = (torch.randn(2, width, generator=generator, dtype=torch.float64) / math.sqrt(width) for _ in range(2))
        return truth + 3 * (math.sqrt(0.5) * shared[:1] + math.sqrt(0.5) * own)

    usual, across = [], []
    for _ in range(200):
        a, b = half(), half()
        usual.append(float(cosines((a + b) @ (a + b).T)[0, 1]))
        across.append(float(a[0] @ b[1]))
    assert np.mean(usual) > 0.3
    assert abs(np.mean(across)) < 0.05


# ---- 8


def test_8_adams_metric_turns_a_harmless_update_into_a_harmful_one():
    jacobian = torch.tensor([[1.0, 1.0], [1.0, -0.9]], dtype=torch.float64)
    scale = torch.tensor([0.1, 1.0], dtype=torch.float64)  # 1 / (sqrt v + eps)
    plain, metric = jacobian @ jacobian.T, jacobian @ torch.diag(scale) @ jacobian.T
    weights = torch.tensor([1.0, 0.1], dtype=torch.float64)
    assert not harmed(plain, weights).any()
    assert harmed(metric, weights).tolist() == [False, True]
    assert not harmed(metric, UPGrad()(metric, torch.ones(2))).any()


@given(jacobian=jacobians(), powers=st.lists(st.floats(-3, 3), min_size=8, max_size=8))
def test_8_weights_from_the_metric_protect_the_step_that_is_taken(jacobian, powers):
    scale = torch.tensor([10.0**p for p in powers[: jacobian.shape[1]]], dtype=torch.float64)
    gramian = (jacobian * scale) @ jacobian.T
    for kind in (UPGrad, MGDA):
        weights = kind()(gramian, torch.ones(len(jacobian)))
        effect = jacobian @ (scale * (jacobian.T @ weights))
        lengths = gramian.diagonal().sqrt()
        assert (effect >= -1e-9 * lengths * (weights * lengths).max()).all()


def test_8_momentum_and_decay_void_the_guarantee_and_clipping_keeps_it():
    jacobian = TOWARDS.clone()
    d = jacobian.T @ UPGrad()(jacobian @ jacobian.T, torch.ones(2))
    assert (jacobian @ d > 0).all()
    assert (jacobian @ (d * 0.01) > 0).all()  # a norm clip scales
    remembered = torch.tensor([-2.0, 0.0], dtype=torch.float64)  # a direction that was fine where it was taken
    assert float(jacobian[0] @ (0.1 * d + 0.9 * remembered)) < 0
    theta = 10 * jacobian[0]
    assert float(jacobian[0] @ (d - 0.1 * theta)) < 0  # decay towards 0


# ---- remarks


def test_dividing_by_the_spread_changes_the_objective():
    """For a binary reward of rate p, g / sqrt(p (1 - p)) is the gradient of 2 arcsin sqrt p."""
    logit = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    rate = torch.sigmoid(logit)
    (plain,) = torch.autograd.grad(rate, logit, retain_graph=True)
    (other,) = torch.autograd.grad(2 * torch.asin(torch.sqrt(rate)), logit)
    assert float(other) == pytest.approx(float(plain / torch.sqrt(rate * (1 - rate)).detach()))


def test_gains_of_the_changed_objective_can_be_losses_of_accuracy():
    before, after = np.array([0.5, 0.9]), np.array([0.45, 0.945])  # two prompts
    assert np.arcsin(np.sqrt(after)).sum() > np.arcsin(np.sqrt(before)).sum()
    assert after.mean() < before.mean()


def test_every_statement_of_the_page_names_tests_that_exist():
    page = (ROOT / "docs" / "research" / "theory.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert named >= {name for name in globals() if re.match(r"test_\d", name)}
    assert [name for name in named if f"def {name}(" not in sources] == []
