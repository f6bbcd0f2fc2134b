"""Hybrid rewards against rules alone: GRPO from the bundled policy by `recipes/hybrid.yaml`, and by the rules of the same capabilities.

    python benchmarks/research/hybrid.py --reward-model runs/reward/version_0/reward_model

Both arms of a seed see the same prompts in the same order and are judged by the same rules on the same test questions. Reported: the difference
(hybrid minus rules) of the integration score and of each capability after the run, with a t interval over seeds; last line JSON. The runs are
left under the folder that `--out` names.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path
from typing import Any

import yaml

from bbflow.cli.main import main as bbflow

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reward-model", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[31, 32, 33])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--test", type=int, default=1640)
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--out", default="runs/hybrid-benchmark")
    arguments = parser.parse_args()
    model = Path(arguments.reward_model).resolve()
    pairs = []
    for seed in arguments.seeds:
        shared = [f"--seed_everything={seed}", f"--data.init_args.seed={seed}", f"--trainer.max_steps={arguments.steps}",
                  f"--trainer.val_check_interval={arguments.steps}", f"--data.init_args.train_size={arguments.train}",
                  "--data.init_args.validation_size=40", f"--data.init_args.test_size={arguments.test}"]  # fmt: skip
        scores = {arm: run(Path(arguments.out) / f"{arm}-{seed}", recipe(model, arm == "hybrid"), shared) for arm in ("hybrid", "rules")}
        pairs.append(scores)
        print(json.dumps({"seed": seed, **scores}), flush=True)
    gains = [{key: pair["hybrid"][key] - pair["rules"][key] for key in pair["rules"]} for pair in pairs]
    print(json.dumps({"difference": {key: interval([gain[key] for gain in gains]) for key in gains[0]}}))


def recipe(model: Path, learned: bool) -> dict[str, Any]:
    """The hybrid recipe without its watch, and without what is learned where only rules shall pay."""
    made = yaml.safe_load((RECIPES / "hybrid.yaml").read_text())
    made["vars"] = {"reward_model": str(model)}
    del made["trainer"]["callbacks"]
    made["data"]["init_args"]["contract"] = str(RECIPES.parent / "data_contracts" / "clinical_qa.odcs.yaml")
    for capability in made["model"]["init_args"]["capabilities"].values():
        if not learned:
            capability["rewards"].pop("learned", None)
            capability.get("mix", {}).pop("learned", None)
    return made


def run(folder: Path, recipe: dict[str, Any], overrides: list[str]) -> dict[str, float]:
    """Trains in a folder of its own; returns the scores after the run."""
    folder.mkdir(parents=True, exist_ok=True)
    home = Path.cwd()
    os.chdir(folder)
    try:
        Path("recipe.yaml").write_text(yaml.safe_dump(recipe))
        if bbflow(["fit", "--config", "recipe.yaml", *overrides]) != 0:
            raise SystemExit(f"the run in {folder} failed")
        report = json.loads(max(Path("runs").rglob("report.json"), key=lambda p: p.stat().st_mtime).read_text())
    finally:
        os.chdir(home)
    return {"integration": report["integration"]["after"]["score"], **{k: v["after"]["score"] for k, v in report["capabilities"].items()}}


def interval(values: list[float]) -> dict[str, float | list[float]]:
    """Mean and t interval of 95%."""
    from scipy import stats

    mean, n = statistics.mean(values), len(values)
    half = statistics.stdev(values) / n**0.5 * float(stats.t.ppf(0.975, n - 1)) if n > 1 else float("nan")
    return {"mean": mean, "ci": [mean - half, mean + half]}


if __name__ == "__main__":
    main()
