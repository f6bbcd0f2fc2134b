"""How much memory `bbflow generate` needs however many examples it writes: a million by default, as shards, the contract included.

Run: python benchmarks/streaming.py [EXAMPLES] [WORKERS] [FOLDER]. The examples are those of recipes/sft.yaml on the whole ClinicalPack.
Memory is the resident memory of all processes together, looked at four times a second; pages that they share count in each. Where a
FOLDER is named, a run that was killed goes on there. The last line is JSON.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 2000
"""Megabytes that a run has to stay under."""
RECIPE = Path(__file__).parents[1] / "recipes" / "sft.yaml"


def resident(pid: int) -> float:
    """Returns the resident memory of a process and all that it started, in megabytes; 0 where it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * 4096 / 1e6 + sum(resident(int(child)) for child in children)


def main(examples: int = 1_000_000, workers: int = 1, folder: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as made:
        out = Path(folder or made, "examples")
        command = [str(Path(sys.executable).with_name("bbflow")), "generate", "--config", str(RECIPE), "--graph", "clinical"]
        command += ["--out", str(out), "--num", str(examples), "--shard_rows", "50000", "--workers", str(workers)]
        start, peak = time.perf_counter(), 0.0
        process = subprocess.Popen(command)
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(0.25)
        seconds = time.perf_counter() - start
        size = sum(file.stat().st_size for file in out.glob("*.parquet")) / 1e6
    print(f"{examples:,} examples, {size:,.0f} MB, in {seconds:,.0f} s; at most {peak:,.0f} MB of memory (limit {LIMIT:,})")
    print(json.dumps({"code": process.returncode, "seconds": seconds, "peak_mb": peak, "files_mb": size, "workers": workers}))
    sys.exit(process.returncode or peak > LIMIT)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:])
