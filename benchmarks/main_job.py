"""The main job beside supervised fine-tuning for the same time: `recipes/grpo.yaml` and `recipes/sft.yaml` from the same policy.

For each seed: GRPO as the recipe says; then SFT on the same training examples, stopped after the seconds that GRPO trained. Both are
scored on the same test split before and after. The last line is JSON.

Run: python benchmarks/main_job.py [SEED ...]   (default 7; about ten minutes a seed on two CPU cores)
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]


def fit(recipe: str, seed: int, folder: Path, *more: str) -> dict:
    """Runs a recipe in a folder of its own; returns its report, with the seconds of the whole command."""
    command = [sys.executable, "-m", "bbflow.cli.main", "fit", "--config", str(ROOT / "recipes" / recipe), f"--seed_everything={seed}"]
    start = time.perf_counter()
    subprocess.run([*command, f"--trainer.default_root_dir={folder}", *more], check=True, cwd=ROOT)
    report = json.loads(next(folder.rglob("report/report.json")).read_text())
    return report | {"wall_seconds": time.perf_counter() - start}


def main(*seeds: int) -> None:
    results = []
    for seed in seeds or (7,):
        with tempfile.TemporaryDirectory() as name:
            grpo = fit("grpo.yaml", seed, Path(name) / "grpo")
            limit = str(timedelta(seconds=round(grpo["cost"]["training_seconds"])))
            days = f"00:0{limit}" if limit[1] == ":" else f"00:{limit}"  # Lightning wants DD:HH:MM:SS
            same = [
                "--data.init_args.train_size=6000",
                "--trainer.max_steps=-1",
                f"--trainer.max_time={days}",
                "--model.init_args.optimizer.schedule=constant",
            ]
            sft = fit("sft.yaml", seed, Path(name) / "sft", *same)
        for method, report in (("GRPO", grpo), ("SFT continued", sft)):
            rows = {k: (c["before"]["score"], c["after"]["score"], c["verdict"]) for k, c in report["capabilities"].items()}
            change = report["integration"]["difference"]
            print(f"seed {seed} {method:14} {report['wall_seconds']:.0f} s, training {report['cost']['training_seconds']:.0f} s")
            for capability, (before, after, verdict) in rows.items():
                print(f"    {capability:12} {before:.3f} -> {after:.3f}  {after - before:+.3f}  {verdict}")
            print(f"    integration  {change['estimate']:+.3f}, 95% lower bound {change['lower']:+.3f}; run {report['verdict']}")
            results.append({
                "seed": seed, "method": method, "wall_seconds": round(report["wall_seconds"]), "capabilities": rows, "integration": report["integration"],
                "training_seconds": round(report["cost"]["training_seconds"]), "verdict": report["verdict"],
            })  # fmt: skip
    print(json.dumps({"runs": results}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
