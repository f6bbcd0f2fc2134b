"""What the metrics of the main job pay for completions by an author who knew neither the rewards nor their cues.

    python benchmarks/research/independent_completions.py [--list adversarial|honest]

`independent_completions/` holds records of the main job's test split and, for each, completions that a fair grader must not pay in full
(adversarial) or must pay in full (honest), each with the reason. A label is one author's judgement: some adversarial ones rest on clinical
knowledge that the graph does not have. The last line is JSON: paid in full and judged, by kind and capability.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from bbflow.cli.commands.evaluation_inputs import load_capabilities
from bbflow.data import read_examples
from bbflow.graph import ClinicalPack

HERE = Path(__file__).parent / "independent_completions"
CAPABILITIES = Path(__file__).parents[2] / "recipes" / "parts" / "capabilities" / "clinical.yaml"


def main() -> None:
    """Print a table; with `--list` also the completions on which a metric and the author disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", choices=("adversarial", "honest"), help="print what is paid, or what is not")
    listed = parser.parse_args().list
    graph = ClinicalPack(core=True).load()
    capabilities = load_capabilities(str(CAPABILITIES))
    for capability in capabilities.values():
        capability.prepare(graph)
    records = {example.example_id: example for example in read_examples(HERE / "records.jsonl")}
    judged, paid = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for line in (HERE / "completions.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        example, kind = records[entry["example_id"]], entry["kind"]
        for name, capability in capabilities.items():
            score = capability.measure(name, [example], [entry["completion"]])[0] if name in example.capabilities else None
            if score is None:
                continue
            judged[kind, name] += 1
            paid[kind, name] += score >= 1
            if kind == listed and (score >= 1) == (kind == "adversarial"):
                print(f"{name} {score:g} ({entry['why']}): {entry['completion']}")
    print("| kind | capability | paid in full | judged |\n|---|---|---|---|")
    for kind, name in sorted(judged):
        print(f"| {kind} | {name} | {paid[kind, name]} | {judged[kind, name]} |")
    print(json.dumps({f"{kind}/{name}": [paid[kind, name], judged[kind, name]] for kind, name in sorted(judged)}))


if __name__ == "__main__":
    main()
