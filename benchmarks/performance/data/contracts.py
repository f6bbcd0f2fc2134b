# ruff: noqa: ANN001, ANN201
"""Cost of data contracts: 100,000 rows under 20 rules, beside the same checks in pandera, and the stale check of a receipt.

    python benchmarks/performance/data/contracts.py [--rows 100000] [--workers 2] [--all] [--no-pandera]

Every row is a patient with a varied response of at least 60 words (`contract_rows.py`). The rules are all that look things up in the graph or
read the text: doses and red flags, privacy, language, refusals and contamination among them; `--all` takes the other eight of the contract and its
declared columns as well. pandera (extra `bench`) runs the very same functions as element-wise checks, in one process, as it does. Memory is the
peak of this process, the rows and Great Expectations included, and of its workers.
"""

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
from contract_rows import make_rows

from bbflow.contracts import Row, check_receipt, load_contract, validate, write_receipt
from bbflow.contracts.contract import Contract
from bbflow.graph import ClinicalPack

ROOT = Path(__file__).parents[3]
LEFT_OUT = {"needs-no-caution", "text-needs-no-caution", "task-fields", "workflow-in-order", "no-split-leakage", "no-duplicates",
            "benign-twin-present", "balanced-capabilities", "balanced-letters", "balanced-lengths"}  # fmt: skip
"""Of the 30 rules of the contract these read neither the graph nor the text, or set aside the cautions that the rows hold; left out to make 20."""


def timed(function):
    """Returns clock seconds, processor seconds of this process and those it started, and the result."""
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    result = function()
    return time.perf_counter() - wall, sum(os.times()[:4]) - cpu, result


class PeakMemory(threading.Thread):
    """Looks ten times a second at how much this process and those it started hold (Linux)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.gigabytes, self.done = 0.0, threading.Event()

    def run(self):
        """Keeps the largest sum."""
        while not self.done.wait(0.1):
            self.gigabytes = max(self.gigabytes, sum(map(resident, [os.getpid(), *children()])))


def resident(pid):
    """Returns the gigabytes that a process holds; 0 for one that has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 1e9


def children():
    """Returns the processes that this one started."""
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def by_pandera(contract: Contract, rows, graph):
    """The same rules as element-wise checks of a pandera schema over a column of rows."""
    import pandera.pandas as pa

    frame = pd.DataFrame({"row": pd.Series([Row(i, row) for i, row in enumerate(rows)], dtype=object)})
    single = [r for r in contract.rules if r.rule.group not in ("data set",) and r.rule.name not in ("no_split_leakage",)]
    whole = [r for r in contract.rules if r not in single]
    checks = [pa.Check(lambda row, r=r: not r.rule.run([row], graph, **r.kwargs).findings, element_wise=True, name=r.id) for r in single]
    tables = [pa.Check(lambda column, r=r: not r.rule.run(list(column), graph, **r.kwargs).findings, name=r.id) for r in whole]
    pa.DataFrameSchema({"row": pa.Column(object, [*checks, *tables])}).validate(frame, lazy=True)


def main():
    """Prints a table and, last, one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--no-pandera", action="store_true")
    arguments = parser.parse_args()
    graph = ClinicalPack().load()
    full = load_contract(ROOT / "data_contracts" / "clinical_training.odcs.yaml")
    kept = tuple(r for r in full.rules if r.id not in LEFT_OUT)
    contract = full if arguments.all else Contract(**{**vars(full), "rules": kept, "columns": ()})
    rows = make_rows(graph, arguments.rows)
    words = [len(row["response"].split()) for row in rows]
    import bbflow.contracts.integrations.great_expectations  # noqa: F401  (loading Great Expectations is no part of the figure)

    before, memory = resident(os.getpid()), PeakMemory()
    memory.start()
    wall, cpu, verdict = timed(lambda: validate(contract, rows, graph, arguments.workers))
    memory.done.set()
    failed = [reason for reason in verdict.refusals if "balanced" not in reason]
    assert not failed, failed
    assert not verdict.quarantine
    assert all(r.evaluated == len(rows) for r in verdict.results if r.id not in LEFT_OUT)
    out = {"rows": len(rows), "rules": len(contract.rules), "fewest_words": min(words), "distinct_responses": len({row["response"] for row in rows}),
           "workers": arguments.workers, "seconds": round(wall, 2), "cpu_seconds": round(cpu, 2), "gb_before": round(before, 3), "peak_gb": round(memory.gigabytes, 3),
    }  # fmt: skip
    if not arguments.no_pandera:
        wall_p, cpu_p, _ = timed(lambda: by_pandera(contract, rows, graph))
        out |= {
            "pandera_seconds": round(wall_p, 2),
            "pandera_cpu_seconds": round(cpu_p, 2),
            "ratio": round(wall / wall_p, 2),
            "ratio_cpu": round(cpu / cpu_p, 2),
        }
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "train.parquet")
        data.write_bytes(random.Random(0).randbytes(20_000_000))
        few = validate(contract, rows[:50], graph)
        write_receipt(Path(folder, "receipt.json"), few, [data], graph)
        times = [timed(lambda: check_receipt(Path(folder, "receipt.json"), contract.path, [data], graph))[:2] for _ in range(9)]
    out["stale_check_ms_20mb"] = round(1000 * sorted(t[0] for t in times)[4], 1)
    out["stale_check_cpu_ms_20mb"] = round(1000 * sorted(t[1] for t in times)[4], 1)
    for key, value in out.items():
        print(f"{key:>24} {value}")
    print(json.dumps(out))


if __name__ == "__main__":
    sys.exit(main())
