"""A constructed conflict: what one update rule costs a capability, and another does not, where everything is known exactly.

A softmax policy over 12 completions for each of 4 prompts, its logits linear in 20 parameters. The rewards of two capabilities are made so
that at the start their true gradients have cosine -0.5 and lengths 1 to 4. Objectives and gradients are enumerated, not sampled. The same
start is trained by the plain weighted sum and by bbflow's weightings, with the length of every update held equal; or, with `--sampled G`, with
gradients estimated from G completions per prompt, while the objectives are still enumerated.

Run: python benchmarks/research/conflict.py [--sampled G] [--figure FILE]. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bbflow.optimization.update_geometry import cosines
from bbflow.optimization.weightings import MGDA, UPGrad, WeightedSum, Weighting

PROMPTS, COMPLETIONS, PARAMETERS = 4, 12, 20
COSINE, RATIO = -0.5, 4.0
SEEDS = range(5)
RULES: dict[str, Weighting] = {"weighted sum": WeightedSum(), "exact UPGrad": UPGrad(), "min-norm": MGDA()}


@dataclass(frozen=True)
class Problem:
    """A policy pi(y | x) = softmax(features theta), and the rewards of K capabilities for every completion."""

    features_XYD: Tensor
    rewards_KXY: Tensor
    start_D: Tensor

    def probabilities(self, theta_D: Tensor) -> Tensor:
        """Of each completion given its prompt."""
        return (self.features_XYD @ theta_D).softmax(1)

    def objectives(self, theta_D: Tensor) -> Tensor:
        """Expected reward of each capability, prompts weighed equally; within [0, 1]."""
        return (self.rewards_KXY * self.probabilities(theta_D)).sum(2).mean(1)

    def jacobian(self, theta_D: Tensor) -> Tensor:
        """Gradients of the objectives, exact: the sum over completions of pi r (f - mean f)."""
        pi_XY = self.probabilities(theta_D)
        centred_XYD = self.features_XYD - (pi_XY[:, :, None] * self.features_XYD).sum(1, keepdim=True)
        return torch.einsum("kxy,xy,xyd->kd", self.rewards_KXY, pi_XY, centred_XYD) / len(pi_XY)

    def sampled_jacobian(self, theta_D: Tensor, group: int, generator: torch.Generator) -> Tensor:
        """The same from `group` completions per prompt, rewards less the mean of their group, n - 1."""
        pi_XY = self.probabilities(theta_D)
        centred_XYD = self.features_XYD - (pi_XY[:, :, None] * self.features_XYD).sum(1, keepdim=True)
        drawn_XG = torch.multinomial(pi_XY, group, replacement=True, generator=generator)
        rewards_KXG = torch.stack([r.gather(1, drawn_XG) for r in self.rewards_KXY])
        advantages_KXG = (rewards_KXG - rewards_KXG.mean(2, keepdim=True)) / (group - 1)
        scores_XGD = centred_XYD.gather(1, drawn_XG[:, :, None].expand(-1, -1, PARAMETERS))
        return torch.einsum("kxg,xgd->kd", advantages_KXG, scores_XGD) / len(pi_XY)


def conflict(seed: int, cosine: float = COSINE, ratio: float = RATIO) -> Problem:
    """Builds a problem whose two true gradients have this cosine and these lengths at the start.

    The gradient is linear in the rewards and blind to their mean: the second capability's rewards are a mix of the first's and of others that
    are independent of them, then both are moved and scaled into [0, 1].
    """
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(PROMPTS, COMPLETIONS, PARAMETERS, generator=generator, dtype=torch.float64)
    start = 0.1 * torch.randn(PARAMETERS, generator=generator, dtype=torch.float64)
    first, other = torch.rand(2, PROMPTS, COMPLETIONS, generator=generator, dtype=torch.float64)

    def gradient(rewards: Tensor) -> Tensor:
        return Problem(features, rewards[None], start).jacobian(start)[0]

    a, b = gradient(first), gradient(other)
    along = b @ a / (a @ a)
    across = (b - along * a).norm()
    second = cosine * first / a.norm() + (1 - cosine**2) ** 0.5 * (other - along * first) / across
    second = (second - second.min()) / (second.max() - second.min())
    scale = torch.stack([gradient(second).norm() / a.norm() / ratio, torch.ones_like(across)])
    scale = (scale / scale.max())[:, None, None]
    return Problem(features, 0.5 + scale * (torch.stack([first, second]) - 0.5), start)


def train(problem: Problem, rule: Weighting, steps: int = 60, length: float = 0.02, group: int | None = None, seed: int = 0) -> Tensor:
    """Trains with updates of equal length, so that rules differ by direction alone; returns the enumerated objectives, [steps + 1, K]."""
    theta, generator = problem.start_D, torch.Generator().manual_seed(seed)
    preferences, path = torch.ones(len(problem.rewards_KXY)), [problem.objectives(problem.start_D)]
    for _ in range(steps):
        jacobian = problem.jacobian(theta) if group is None else problem.sampled_jacobian(theta, group, generator)
        direction = jacobian.T @ rule(jacobian @ jacobian.T, preferences)
        theta = theta + length * direction / direction.norm().clamp(min=1e-12)
        path.append(problem.objectives(theta))
    return torch.stack(path)


def study(group: int | None) -> dict[str, Tensor]:
    """Change of both objectives since the start by rule, [seeds, steps + 1, K]."""
    return {
        name: torch.stack([(path := train(conflict(seed), rule, group=group, seed=seed)) - path[0] for seed in SEEDS])
        for name, rule in RULES.items()
    }


def draw(changes: dict[str, Tensor]) -> str:
    """One panel per capability as SVG: seeds thin, their mean thick."""
    from bbflow.reporting.charts.line_chart import Line, line_chart
    from bbflow.reporting.charts.svg import BLUE, GREEN, VERMILLION

    panels = []
    for k, title in enumerate(("short gradient: change of the objective", "long gradient: change of the objective")):
        lines = []
        for (name, change_STK), color in zip(changes.items(), (VERMILLION, BLUE, GREEN), strict=True):
            steps = list(range(change_STK.shape[1]))
            lines += [Line(name, steps, one.tolist(), color, faint=True) for one in change_STK[:, :, k]]
            lines.append(Line(name, steps, change_STK[:, :, k].mean(0).tolist(), color))
        place = f'<svg x="{k * 360 + 10}" y="26" width="340" height="190" '
        panels.append(f'<text x="{k * 360 + 50}" y="18" font-weight="600">{title}</text>')
        panels.append(str(line_chart(title, lines)).replace("<svg ", place, 1))
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 222" font-family="sans-serif" font-size="12">'
    return head + '<rect width="720" height="222" fill="#fff"/>' + "".join(panels) + "</svg>\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sampled", type=int, metavar="G", help="estimate gradients from G completions per prompt")
    parser.add_argument("--figure", type=Path, help="write the figure here")
    options = parser.parse_args()
    starts = [problem.jacobian(problem.start_D) for problem in map(conflict, SEEDS)]
    print("cosine at the start:", [round(float(cosines(j @ j.T)[0, 1]), 3) for j in starts])
    print("ratio of lengths:   ", [round(float(j[1].norm() / j[0].norm()), 3) for j in starts])
    changes = study(options.sampled)
    result = {}
    for name, change_STK in changes.items():
        lowest_SK, end_SK = change_STK.amin(1), change_STK[:, -1]
        fell_SK = change_STK.diff(dim=1) < 0
        print(f"{name:13} lowest {_row(lowest_SK[:, 0])}   end {_row(end_SK[:, 0])} | {_row(end_SK[:, 1])}")
        result[name] = {
            "seeds_below_start": int((lowest_SK < 0).any(1).sum()),
            "share_of_steps_that_lower_one": round(float(fell_SK.any(2).double().mean()), 4),
            "end": [round(x, 4) for x in end_SK.mean(0).tolist()],
        }
    if options.figure:
        options.figure.write_text(draw(changes), encoding="utf-8")
    print(json.dumps({"gradients": f"{options.sampled} completions per prompt" if options.sampled else "exact"} | result))


def _row(values: Tensor) -> str:
    return " ".join(f"{value:+.4f}" for value in values.tolist())


if __name__ == "__main__":
    main()
