"""How long a user waits before anything happens: help, a mistake in a recipe, and the first training step.

Run: python benchmarks/performance/training/startup.py [--runs 5]. Medians in seconds of whole processes; the last line is JSON.

`import lightning` alone is the floor of every command that trains. `a mistake` is a recipe with one misspelt key, refused with exit code 2.
`first update` is `bbflow fit --config recipes/grpo.yaml` from an empty folder until its first update is made (13,400 questions drawn, proved and
checked by the contract, the untrained policy evaluated on the 3,200 of the test split), and the same again, the data taken from the cache.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]
CALLBACK = """
import os
from lightning.pytorch import Callback

class Leaves(Callback):
    def on_train_batch_end(self, *_):
        os._exit(0)
"""
GRPO = ["fit", "--config", str(ROOT / "recipes" / "grpo.yaml")]


def seconds(command: list[str], expected: int = 0, folder: Path = ROOT) -> float:
    """Of a process in a folder that must end with this code."""
    start = time.perf_counter()
    code = subprocess.run([sys.executable, *command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    if code != expected:
        raise SystemExit(f"{' '.join(command)} ended with {code}, not {expected}")
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args()
    bbflow = ["-m", "bbflow.cli.main"]
    ways = {
        "python alone": (["-c", "pass"], 0),
        "import lightning": (["-c", "import lightning"], 0),
        "bbflow --help": ([*bbflow, "--help"], 0),
        "a mistake": ([*bbflow, *GRPO, "--model.init_args.kl_coeficient=0.1"], 2),
    }
    taken: dict[str, list[float]] = {}
    for _ in range(chosen.runs):
        for name, (command, code) in ways.items():
            taken.setdefault(name, []).append(seconds(command, code))
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "leaves.py").write_text(CALLBACK)
            one_step = [*bbflow, *GRPO, "--trainer.callbacks+=leaves.Leaves", f"--trainer.default_root_dir={folder}"]
            for name in ("first update, everything made", "first update, data cached"):
                taken.setdefault(name, []).append(seconds(one_step, 0, Path(folder)))
    median = {name: statistics.median(values) for name, values in taken.items()}
    for name, value in median.items():
        print(f"{name:30} {value:6.2f} s")
    print(json.dumps(median))


if __name__ == "__main__":
    main()
