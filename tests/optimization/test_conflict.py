import json

import pytest
import torch

from bbflow.optimization.update_geometry import cosines
from bbflow.optimization.weightings import MGDA, UPGrad, WeightedSum


@pytest.mark.parametrize("seed", range(5))
def test_constructed_conflict(bench, seed):
    """True cosine -0.5, lengths 1 to 4, everything enumerated: the sum lowers one capability, the capability-aware updates lower none."""
    problem = bench.conflict(seed)
    jacobian = problem.jacobian(problem.start_D)
    assert float(cosines(jacobian @ jacobian.T)[0, 1]) == pytest.approx(-0.5, abs=0.05)
    assert float(jacobian[1].norm() / jacobian[0].norm()) == pytest.approx(4.0, abs=0.05)
    assert 0 <= float(problem.rewards_KXY.min()) <= float(problem.rewards_KXY.max()) <= 1
    theta = problem.start_D.clone().requires_grad_()
    checked = torch.stack([torch.autograd.grad(o, theta, retain_graph=True)[0] for o in problem.objectives(theta)])
    torch.testing.assert_close(jacobian, checked)
    plain = bench.train(problem, WeightedSum(), steps=40)
    assert float(plain[-1, 0] - plain[0, 0]) < -0.002
    for rule in (UPGrad(), MGDA()):
        path = bench.train(problem, rule, steps=40)
        assert (path.diff(dim=0) > 0).all()  # both capabilities, every step


def test_sampled_gradients_keep_what_exact_ones_promise_in_the_mean(bench):
    def gains(rule):
        paths = torch.stack([bench.train(bench.conflict(seed), rule, 40, group=8, seed=seed) for seed in bench.SEEDS])
        return (paths[:, -1] - paths[:, 0]).mean(0)

    assert float(gains(WeightedSum())[0]) < -0.002
    assert (gains(UPGrad()) > 0.002).all()


def test_the_command_draws_a_figure_and_ends_in_json(bench, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["conflict.py", "--figure", str(tmp_path / "figure.svg")])
    bench.main()
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["weighted sum"]["seeds_below_start"] == 5
    assert result["exact UPGrad"]["seeds_below_start"] == result["min-norm"]["seeds_below_start"] == 0
    assert (tmp_path / "figure.svg").read_text().count("<polyline") == 36
