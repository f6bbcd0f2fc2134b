"""The ablation: what each part of capability-aware GRPO is worth, from one policy, on one test split, seeds 11 to 15.

Every arm is a recipe of `recipes/` with files of `recipes/ablation/parts/` laid over it. The arm `gdpo` is `recipes/grpo.yaml` as it stands, the
main job. The arms of GRPO sample the same number of completions in the same number of steps (`rewards_alone` and what is laid over it: more, among
themselves the same); `sft_same_steps` learns from the references of the same batches by the same optimiser and samples nothing; `sft_same_time` is
stopped after the seconds that `gdpo` trained with the same seed. What stands in the file of results has run already and is not run again, so that
the command can be stopped and repeated. Nothing is chosen by the test split.

Run: python benchmarks/research/ablation.py [--arms A ...] [--seeds S ...] [--results runs/ablation/results.json] [--show] [-- FURTHER OPTIONS OF bbflow fit]
About five minutes an arm and seed on two CPU cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np

from bbflow.io.atomic import atomic_write

ROOT = Path(__file__).parents[2]
ABLATION = ROOT / "recipes" / "ablation" / "parts"
ARMS = {
    "sft": ("sft.yaml",),
    "gdpo": ("grpo.yaml", "gdpo.yaml"),
    "sft_same_time": ("sft.yaml",),
    "sft_same_steps": ("sft.yaml", "sft_same_steps.yaml"),
    "sampling_alone": ("grpo.yaml", "sampling_alone.yaml"),
    "sum_then_normalize": ("grpo.yaml", "sum_then_normalize.yaml"),
    "gdpo_upgrad": ("grpo.yaml", "gdpo_upgrad.yaml"),
    "gdpo_minnorm": ("grpo.yaml", "gdpo_minnorm.yaml"),
    "hybrid": ("grpo.yaml", "hybrid.yaml"),
    "rewards_alone": ("grpo.yaml", "rewards_alone.yaml"),
    "rewards_alone_sum": ("grpo.yaml", "rewards_alone.yaml", "sum_then_normalize.yaml"),
    "rewards_alone_upgrad": ("grpo.yaml", "rewards_alone.yaml", "gdpo_upgrad.yaml"),
    "rewards_alone_minnorm": ("grpo.yaml", "rewards_alone.yaml", "gdpo_minnorm.yaml"),
}
"""Arm to recipe and what is laid over it; `sft_same_time` comes after `gdpo`, whose time it takes."""


def run(arm: str, seed: int, results: dict[str, dict], options: list[str]) -> dict:
    """Runs an arm unless its result is there; returns the result: scores, verdicts and seconds."""
    key = f"{arm}/{seed}"
    if key in results:
        return results[key]
    recipe, *overlays = ARMS[arm]
    command = [sys.executable, "-m", "bbflow.cli.main", "fit", "--config", str(ROOT / "recipes" / recipe)]
    for overlay in overlays:
        command += ["--config", str(ABLATION / overlay)]
    command += [f"--seed_everything={seed}", *options]
    if arm == "sft_same_time":
        command += same_time(run("gdpo", seed, results, options)["training_seconds"])
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run([*command, f"--trainer.default_root_dir={folder}"], check=True, cwd=ROOT)
        wall = time.perf_counter() - start
        report = json.loads(next(Path(folder).rglob("report/report.json")).read_text())
    kept = ("n", "before", "after", "difference", "verdict")
    results[key] = {
        "wall_seconds": round(wall),
        "training_seconds": round(report["cost"]["training_seconds"]),
        "tokens_generated": report["cost"].get("tokens_generated", 0),
        "capabilities": {name: {k: c[k] for k in kept} for name, c in report["capabilities"].items()},
        "integration": report["integration"],
        "verdict": report["verdict"],
    }
    return results[key]


def same_time(seconds: int) -> list[str]:
    """Options that stop SFT after so many seconds of training."""
    hours = timedelta(seconds=max(1, seconds))
    return ["--trainer.max_steps=-1", f"--trainer.max_time=00:{str(hours).zfill(8)}", "--model.init_args.optimizer.schedule=constant"]


def interval(values: list[float]) -> str:
    """Mean over seeds with Student's 95% interval; of one seed the value alone."""
    from scipy import stats

    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:+.3f}"
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return f"{mean:+.3f} ± {half:.3f}"


def table(results: dict[str, dict[int, dict]]) -> str:
    """Markdown: one row per arm, the change of each capability and of the integration score, mean over seeds with 95% interval."""
    first = next(iter(next(iter(results.values())).values()))
    names = list(first["capabilities"])
    lines = [f"| arm | seeds | {' | '.join(names)} | integration | certified | training, s |", "|---" * (len(names) + 5) + "|"]
    for arm, by_seed in results.items():
        runs = list(by_seed.values())
        cells = [interval([r["capabilities"][n]["difference"]["estimate"] for r in runs]) for n in names]
        cells.append(interval([r["integration"]["difference"]["estimate"] for r in runs]))
        certified = f"{sum(r['verdict'] == 'certified' for r in runs)} of {len(runs)}"
        seconds = f"{np.mean([r['training_seconds'] for r in runs]):.0f}"
        lines.append(f"| {arm} | {', '.join(map(str, by_seed))} | {' | '.join(cells)} | {certified} | {seconds} |")
    return "\n".join(lines)


def paired_table(results: dict[str, dict[int, dict]], base: str = "gdpo") -> str:
    """Markdown: what an arm's scores after the run have above those of `base` on the same seeds, mean over seeds with 95% interval."""
    first = next(iter(results[base].values()))
    names = list(first["capabilities"])
    lines = [f"| arm, less {base} | seeds | {' | '.join(names)} | integration |", "|---" * (len(names) + 3) + "|"]
    for arm, by_seed in results.items():
        seeds = [seed for seed in by_seed if seed in results[base]]
        if arm == base or len(seeds) < 2:
            continue
        pairs = [(by_seed[seed], results[base][seed]) for seed in seeds]
        cells = [
            interval(
                [
                    one["capabilities"][n]["difference"]["estimate"] - other["capabilities"][n]["difference"]["estimate"]
                    for one, other in pairs
                ]
            )
            for n in names
        ]
        cells.append(
            interval(
                [one["integration"]["difference"]["estimate"] - other["integration"]["difference"]["estimate"] for one, other in pairs]
            )
        )
        lines.append(f"| {arm} | {', '.join(map(str, seeds))} | {' | '.join(cells)} |")
    return "\n".join(lines)


def by_seed_table(results: dict[str, dict[int, dict]]) -> str:
    """Markdown: one row per seed and arm, every score before and after, with the verdicts."""
    first = next(iter(next(iter(results.values())).values()))
    names = list(first["capabilities"])
    head = f"| seed | arm | wall, training | {' | '.join(names)} | integration, change [95% lower bound] | verdict |"
    lines = [head, "|---" * (len(names) + 5) + "|"]
    for seed in sorted({seed for by_seed in results.values() for seed in by_seed}):
        for arm, by_seed in results.items():
            if (r := by_seed.get(seed)) is None:
                continue
            cells = [
                f"{c['before']['score']:.3f} → {c['after']['score']:.3f} ({c['difference']['estimate']:+.3f}, {c['verdict']})"
                for c in r["capabilities"].values()
            ]
            change = r["integration"]["difference"]
            cells.append(f"{change['estimate']:+.3f} [{change['lower']:+.3f}]")
            lines.append(f"| {seed} | {arm} | {r['wall_seconds']} s, {r['training_seconds']} s | {' | '.join(cells)} | {r['verdict']} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[11, 12, 13, 14, 15])
    parser.add_argument("--show", action="store_true", help="run nothing, print what the file of results holds")
    parser.add_argument("--results", type=Path, default=ROOT / "runs" / "ablation" / "results.json")
    own = sys.argv[1:]
    cut = own.index("--") if "--" in own else len(own)
    chosen = parser.parse_args(own[:cut])
    results: dict[str, dict] = json.loads(chosen.results.read_text()) if chosen.results.exists() else {}
    chosen.results.parent.mkdir(parents=True, exist_ok=True)
    for seed in [] if chosen.show else chosen.seeds:  # seed by seed, so that a stopped ablation has whole rows
        for arm in chosen.arms:
            run(arm, seed, results, own[cut + 1 :])
            with atomic_write(chosen.results) as draft:
                draft.write_text(json.dumps(results, indent=1) + "\n")
    shown = {arm: {s: results[f"{arm}/{s}"] for s in chosen.seeds if f"{arm}/{s}" in results} for arm in chosen.arms}
    shown = {arm: by_seed for arm, by_seed in shown.items() if by_seed}
    print(by_seed_table(shown))
    if "gdpo" in shown and len(shown) > 1:
        print(f"\n{paired_table(shown)}")
    print(f"\n{table(shown)}")


if __name__ == "__main__":
    main()
