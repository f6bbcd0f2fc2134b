"""The ablation: what each part of capability-aware GRPO is worth, from one policy, on one test split, seeds 11 to 15.

Every arm is a recipe of `recipes/` with a file of `recipes/ablation/parts/` laid over it. The arms of GRPO sample the same number of completions
in the same number of steps; `sft_same_time` is stopped after the seconds that the arm `gdpo` trained with the same seed. What has run
already is not run again, so that the command can be stopped and repeated. Nothing is chosen by the test split.

Run: python benchmarks/ablation.py [--arms A ...] [--seeds S ...] [--out runs/ablation] [-- FURTHER OPTIONS OF bbflow fit]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
ABLATION = ROOT / "recipes" / "ablation" / "parts"
ARMS = {
    "sft": ("sft.yaml", None),
    "gdpo": ("grpo.yaml", "gdpo.yaml"),
    "sft_same_time": ("sft.yaml", None),
    "sum_then_normalize": ("grpo.yaml", "sum_then_normalize.yaml"),
    "gdpo_upgrad": ("grpo.yaml", "gdpo_upgrad.yaml"),
    "gdpo_minnorm": ("grpo.yaml", "gdpo_minnorm.yaml"),
    "hybrid": ("grpo.yaml", "hybrid.yaml"),
}
"""Arm to recipe and overlay; `sft_same_time` comes after `gdpo`, whose time it takes."""


def report_of(folder: Path) -> dict | None:
    """The report of a finished run; None where it has not finished."""
    found = sorted(folder.rglob("report/report.json"))
    return json.loads(found[-1].read_text()) if found else None


def run(arm: str, seed: int, out: Path, options: list[str]) -> dict:
    """Runs an arm unless its report is there; returns the report."""
    folder = out / arm / f"seed_{seed}"
    if (report := report_of(folder)) is not None:
        return report
    recipe, overlay = ARMS[arm]
    command = [sys.executable, "-m", "bbflow.cli.main", "fit", "--config", str(ROOT / "recipes" / recipe)]
    command += ["--config", str(ABLATION / overlay)] if overlay else []
    command += [f"--seed_everything={seed}", f"--trainer.default_root_dir={folder}", *options]
    if arm == "sft_same_time":
        command += same_time(run("gdpo", seed, out, options))
    subprocess.run(command, check=True, cwd=ROOT)
    report = report_of(folder)
    assert report is not None
    return report


def same_time(gdpo: dict) -> list[str]:
    """Options that stop SFT after the seconds that an arm of GRPO trained."""
    hours = timedelta(seconds=max(1, round(gdpo["cost"]["training_seconds"])))
    return ["--trainer.max_steps=-1", f"--trainer.max_time=00:{str(hours).zfill(8)}", "--model.init_args.optimizer.schedule=constant"]


def interval(values: list[float]) -> str:
    """Mean over seeds with Student's 95% interval; of one seed the value alone."""
    from scipy import stats

    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:+.3f}"
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return f"{mean:+.3f} ± {half:.3f}"


def table(reports: dict[str, dict[int, dict]]) -> str:
    """Markdown: one row per arm, the change of each capability and of the integration score, mean over seeds with 95% interval."""
    first = next(iter(next(iter(reports.values())).values()))
    names = list(first["capabilities"])
    lines = [f"| arm | seeds | {' | '.join(names)} | integration | certified | training, s |", "|---" * (len(names) + 5) + "|"]
    for arm, by_seed in reports.items():
        runs = list(by_seed.values())
        cells = [interval([r["capabilities"][n]["difference"]["estimate"] for r in runs]) for n in names]
        cells.append(interval([r["integration"]["difference"]["estimate"] for r in runs]))
        certified = f"{sum(r['verdict'] == 'certified' for r in runs)} of {len(runs)}"
        seconds = f"{np.mean([r['cost']['training_seconds'] for r in runs]):.0f}"
        lines.append(f"| {arm} | {', '.join(map(str, by_seed))} | {' | '.join(cells)} | {certified} | {seconds} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[11, 12, 13, 14, 15])
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "ablation")
    own = sys.argv[1:]
    cut = own.index("--") if "--" in own else len(own)
    chosen = parser.parse_args(own[:cut])
    reports: dict[str, dict[int, dict]] = {arm: {} for arm in chosen.arms}
    for seed in chosen.seeds:  # seed by seed, so that a stopped ablation has whole rows
        for arm in chosen.arms:
            reports[arm][seed] = run(arm, seed, chosen.out.resolve(), own[cut + 1 :])
    text = table(reports)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
