"""How evenly the held-out items of a recipe are spread over entities: clusters that count, with a cap and without.

The effective number of clusters is n² / Σ size², as the certificate's bounds use it.

Run: python benchmarks/research/spread.py [--config recipes/grpo.yaml] [--caps 16 20 24 30]
About 40 seconds on two CPU cores.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from bbflow.cli.training import load_data
from bbflow.data import KnowledgeGraphData
from bbflow.records import Example
from bbflow.synthesis.curation import Curation
from bbflow.synthesis.pipeline import generate


def spread(examples: list[Example]) -> dict[str, dict[str, float]]:
    """Items, clusters and effective clusters of every capability."""
    found = {}
    for name in dict.fromkeys(name for e in examples for name in e.capabilities):
        sizes = Counter(e.cluster for e in examples if name in e.capabilities)
        items = sum(sizes.values())
        effective = items**2 / sum(size**2 for size in sizes.values())
        five = sum(size for _, size in sizes.most_common(5))
        found[name] = {"items": items, "clusters": len(sizes), "effective": round(effective, 1), "in_the_largest_five": five}
    return found


def main() -> None:
    """Prints a line for each cap, and all as JSON on the last line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, default=Path(__file__).parents[2] / "recipes" / "grpo.yaml")
    parser.add_argument("--caps", type=int, nargs="+", default=[16, 20, 24, 30])
    arguments = parser.parse_args()
    data = load_data(arguments.config)
    assert isinstance(data, KnowledgeGraphData)
    sizes = {"train": 0, "validation": 0, "test": data.sizes["test"]}
    results = {}
    for cap in (None, *arguments.caps):
        curation = None if cap is None else Curation(balance_letters=False, held_out_per_cluster=cap)
        made = generate(data.graph, data.tasks, sizes, data.mix, 0, stage=data.stage, curation=curation, held_out_mix=data.held_out_mix)
        results[str(cap)] = spread(made.examples["test"])
        print(cap, results[str(cap)])
    print(json.dumps(results))


if __name__ == "__main__":
    main()
