"""How much memory `bbflow generate` needs however many examples it writes: a million by default, as shards, the contract included.

Run: python benchmarks/performance/data/streaming.py [EXAMPLES] [WORKERS] [FOLDER]   (extra `hpo`). Four families are asked of the Human Phenotype Ontology, which
has so many questions; ClinicalPack does not (about 46,000 choices of a treatment, for one).
Memory is that of all processes together, four times a second; a page that several share counts once (proportional set size). Where a
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
RECIPE = """
data:
  class_path: KnowledgeGraphData
  init_args:
    graph: {{class_path: HumanPhenotypeOntology}}
    contract: {contract}
    tasks:
      fact_recall: {{class_path: FactRecall}}
      constrained_answer: {{class_path: ConstrainedAnswer}}
      metapath: {{class_path: MetapathQuestion}}
      differential: {{class_path: DifferentialFromFindings}}
    train_size: 9700
    validation_size: 100
    test_size: 200
"""


def resident(pid: int) -> float:
    """Returns the memory of a process and all that it started, in megabytes; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError, StopIteration):
        return 0.0
    return kilobytes * 1024 / 1e6 + sum(resident(int(child)) for child in children)


def main(examples: int = 1_000_000, workers: int = 1, folder: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as made:
        out = Path(folder or made, "examples")
        recipe = Path(made, "recipe.yaml")
        recipe.write_text(RECIPE.format(contract=Path(__file__).parents[3] / "data_contracts" / "clinical_qa.odcs.yaml"))
        command = [str(Path(sys.executable).with_name("bbflow")), "generate", "--config", str(recipe)]
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
