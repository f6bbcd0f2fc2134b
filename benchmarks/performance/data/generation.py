"""How many accepted examples per second one process makes, and two: solver, rendering and curation included.

Run: python benchmarks/performance/data/generation.py [EXAMPLES] [clinical|hpo|workers] [--profile]. Curation drops near duplicates and what a benchmark
file asks, and balances letters; rewriters and answerability are off. First the default mix of ClinicalPack, and those of its tasks that
HPO can be asked (`hpo` extra), held against the target of 2,000; then every family by itself. Indexing the graph is not counted.
Medians of three runs, of wall time. `--profile` prints instead where the time of the default mix goes. The last line is JSON.
"""

import cProfile
import json
import pstats
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bbflow.graph import ClinicalPack, HumanPhenotypeOntology, KnowledgeGraph
from bbflow.synthesis import tasks as families
from bbflow.synthesis.attempts import StreamSpec
from bbflow.synthesis.curation import Curation
from bbflow.synthesis.pipeline import generate_stream
from bbflow.synthesis.selection import Plan
from bbflow.synthesis.tasks.base import Task

TARGET = 2000
DEFAULT = ("FactRecall", "MultiHop", "ConstrainedAnswer", "TreatmentChoice")
OTHERS = (
    "MetapathQuestion", "OpenBook", "DifferentialFromFindings", "InteractionCheck", "DoseCalculation", "ClinicalWorkflow",
    "InstructedAnswer", "UnsafeRequest", "JointCase", "Statement",
)  # fmt: skip

ON_HPO = (
    ("FactRecall", "ConstrainedAnswer"),
    ("FactRecall", "ConstrainedAnswer", "MetapathQuestion", "DifferentialFromFindings"),
    ("FactRecall",),
    ("MetapathQuestion",),
    ("DifferentialFromFindings",),
)


def made(graph: KnowledgeGraph, task: Task, examples: int, seed: int, curation: Curation) -> int:
    """Makes training examples of one indexed task; returns how many there are."""
    found, _ = generate_stream(StreamSpec(graph, task.name, task, "train", examples, seed, curation=curation))
    return len(found)


def rate(graph: KnowledgeGraph, names: tuple[str, ...], examples: int, curation: Curation) -> float:
    """Accepted examples per second of a mix in equal parts."""
    tasks = [getattr(families, name)() for name in names]
    Plan(graph, {task.name: task for task in tasks}, {}, {}, 0).prepare()
    assert graph.sha256
    seconds, count = [], 0
    for seed in range(3):
        start = time.perf_counter()
        count = sum(made(graph, task, examples // len(tasks), seed, curation) for task in tasks)
        seconds.append(time.perf_counter() - start)
    return count / statistics.median(seconds)


_READY: dict[str, tuple[KnowledgeGraph, list[Task]]] = {}


def _ready(_: int) -> None:
    graph = ClinicalPack().load()
    tasks = [getattr(families, name)() for name in DEFAULT]
    Plan(graph, {task.name: task for task in tasks}, {}, {}, 0).prepare()
    _READY["clinical"] = (graph, tasks)


def _work(part: tuple[int, int]) -> int:
    seed, examples = part
    graph, tasks = _READY["clinical"]
    return sum(made(graph, task, examples // len(tasks), seed, Curation(near_duplicates=0.95)) for task in tasks)


def speedup(examples: int) -> float:
    """How much faster two processes make four parts than one does, median of five pairs; starting them is not counted."""
    ratios = []
    for _ in range(5):
        took = {}
        for workers in (1, 2):
            with ProcessPoolExecutor(workers) as pool:
                list(pool.map(_work_ready, range(4 * workers)))
                start = time.perf_counter()
                list(pool.map(_work, [(seed, examples) for seed in range(4)]))
                took[workers] = time.perf_counter() - start
        ratios.append(took[1] / took[2])
    return statistics.median(ratios)


def _work_ready(number: int) -> None:
    if not _READY:
        _ready(number)
    time.sleep(0.5)  # lets the other process take its share


def main(examples: int = 8000, only: str | None = None, profile: bool = False) -> None:
    with tempfile.TemporaryDirectory() as folder:
        benchmark = Path(folder, "questions.txt")
        benchmark.write_text("Which of the following drugs is the treatment of choice in a patient with newly found high blood pressure?\n")
        curation = Curation(near_duplicates=0.95, benchmarks=[str(benchmark)])
        clinical = ClinicalPack().load()
        if profile:
            profiler = cProfile.Profile()
            profiler.runcall(rate, clinical, DEFAULT, examples, curation)
            pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
            return
        wanted = [(clinical, "clinical", names) for names in (DEFAULT, *((name,) for name in (*DEFAULT, *OTHERS)))]
        if only in (None, "hpo"):
            hpo = HumanPhenotypeOntology().load()
            wanted += [(hpo, "hpo", names) for names in ON_HPO]
        rates = {}
        for graph, name, names in wanted:
            if only in (None, name):
                value = rate(graph, names, examples, curation)
                rates[f"{name}: {', '.join(names)}"] = round(value)
                below = "" if value >= TARGET else f"  (below {TARGET:,})"
                print(f"{name:9} {', '.join(names):64} {value:7,.0f} per second{below}", flush=True)
    faster = speedup(examples) if only in (None, "workers") else None
    if faster is not None:
        print(f"two processes make {faster:.2f} times as many as one")
    print(json.dumps({"examples_per_second": rates, "two_processes": faster}))


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    main(*numbers, only=next((name for name in ("clinical", "hpo", "workers") if name in sys.argv), None), profile="--profile" in sys.argv)
