"""How many accepted examples per second the generator makes from ClinicalPack, by task, solver and rendering included.

Run: python benchmarks/generation.py [EXAMPLES]. The last line is JSON; medians of three runs.
"""

import json
import statistics
import sys
import time

from bbflow.graph import ClinicalPack
from bbflow.synthesis import generate
from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, MultiHop, Statement, TreatmentChoice


def main(examples: int = 8000) -> None:
    graph = ClinicalPack().load()
    rates = {}
    for make in (FactRecall, MultiHop, ConstrainedAnswer, TreatmentChoice, Statement):
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            made = generate(graph, {make.name: make()}, {"train": examples}, {}, seed=0)
            seconds.append(time.perf_counter() - start)
        count = len(made.examples["train"])
        rates[make.name] = round(count / statistics.median(seconds))
        print(f"{make.name:20} {count:6} examples  {rates[make.name]:6} per second")
    print(json.dumps({"examples_per_second": rates}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
