"""Compares the pack with five small packages and writes the result into the documentation.

    python -m benchmarks.maintenance.crosscheck_small_datasets [--write docs/clinical-pack.md]

`mapping/small_datasets.yaml` says what was decided about each difference; a difference without a decision is an error.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.maximum_dose import maximum_doses
from benchmarks.maintenance import build_clinical_pack as build
from benchmarks.maintenance import small_datasets as small
from benchmarks.maintenance.crosscheck_clinical_pack import between

SECTION = "small data sets"
TABLE = "small_datasets"


class Decisions:
    """The decisions of `mapping/small_datasets.yaml`, and which of them were asked for."""

    def __init__(self) -> None:
        self.table = build.mapping(TABLE)
        self.open: list[str] = []

    def of(self, kind: str, what: str) -> str:
        """Returns the decision about a difference, and notes that one is missing."""
        if what not in self.table[kind]:
            self.open.append(f"{kind}: {what}")
        return str(self.table[kind].get(what, ""))


def drug_of(graph: KnowledgeGraph, name: str) -> str | None:
    """Returns the drug of the pack with a name."""
    node = graph.resolve(name)
    return node if node is not None and graph.node(node).kind == "Drug" else None


def interactions(graph: KnowledgeGraph, decisions: Decisions) -> tuple[dict[str, Counter[str]], list[str]]:
    """Compares interactions in pairs of drugs that the pack has: counts by package, and a row of Markdown for each difference."""
    said: dict[tuple[str, str], dict[str, str]] = {}
    for pair in small.pairs():
        one, other = drug_of(graph, pair.one), drug_of(graph, pair.other)
        if one and other and one != other:
            first, second = sorted((one, other))
            said.setdefault((first, second), {})[pair.package] = pair.severity
    counts: dict[str, Counter[str]] = {}
    rows = []
    for (one, other), by in sorted(said.items()):
        edge = graph.edge(one, "interacts_with", other)
        ours = edge.attributes["severity"] if edge else "none"
        differs = {p: s for p, s in by.items() if ours == "none" or (ours == "major") != (s in small.STRONG)}
        for package in by:
            counts.setdefault(package, Counter())["different" if package in differs else "alike"] += 1
        if differs:
            name = f"{graph.name_of(one)} + {graph.name_of(other)}"
            theirs = ", ".join(f"{severity} ({package})" for package, severity in differs.items())
            rows.append(f"| {name} | {ours} | {theirs} | {decisions.of('interactions', name)} |")
    return counts, rows


def maxima(graph: KnowledgeGraph, decisions: Decisions) -> tuple[dict[str, Counter[str]], list[str]]:
    """Compares daily maxima: alike is one that is the pack's main figure."""
    counts: dict[str, Counter[str]] = {}
    rows = []
    for package, name, most in small.daily_maxima():
        figures = [one for one in maximum_doses(graph, drug_of(graph, name) or "") if one.main]
        if not figures:
            continue
        alike = any(float(one.daily) == most for one in figures)
        counts.setdefault(package, Counter())["alike" if alike else "different"] += 1
        if not alike:
            ours = ", ".join(f"{float(one.daily):g} mg" for one in figures)
            rows.append(f"| {name}, maximum a day | {ours} | {most:g} mg ({package}) | {decisions.of('maxima', name)} |")
    return counts, rows


def contraindications(graph: KnowledgeGraph, decisions: Decisions) -> tuple[Counter[str], list[str]]:
    """Compares the contraindications of drugdose that name a condition of the pack."""
    counts: Counter[str] = Counter()
    rows = []
    for name, words in small.contraindications():
        drug, node = drug_of(graph, name), decisions.table["conditions"].get(words)
        if drug is None or node is None:
            continue
        ours = next((p for p in ("contraindicated_in", "caution_in") if graph.has(drug, p, node)), "none").removesuffix("_in")
        counts["alike" if ours == "contraindicated" else "different"] += 1
        if ours != "contraindicated":
            what = f"{name} - {words}"
            rows.append(f"| {what} | {ours} | contraindicated (drugdose) | {decisions.of('contraindications', what)} |")
    return counts, rows


def report(graph: KnowledgeGraph) -> str:
    """Writes the comparison as Markdown.

    Raises:
        InputError: A package is not installed, or nobody decided about a difference.
    """
    decisions = Decisions()
    pair_counts, pair_rows = interactions(graph, decisions)
    dose_counts, dose_rows = maxima(graph, decisions)
    against, against_rows = contraindications(graph, decisions)
    if decisions.open:
        raise InputError(Problem(f"no decision about {'; '.join(decisions.open)}", f"{TABLE}.yaml"))
    lines = [
        "Written by `python -m benchmarks.maintenance.crosscheck_small_datasets --write docs/clinical-pack.md`. Counted are pairs, doses and",
        "conditions that both sides know; alike is major there and here, or less than that there and here.", "",
        "| package | licence | facts | alike | different |", "|---|---|---|---:|---:|",
    ]  # fmt: skip
    for facts, by in (("interactions", pair_counts), ("maximum doses", dose_counts), ("contraindications", {"drugdose": against})):
        lines += [f"| {p} | {small.PACKAGES[p][0]} | {facts} | {c['alike']} | {c['different']} |" for p, c in sorted(by.items())]
    lines += ["", "| what | the pack | the package | decided for |", "|---|---|---|---|", *pair_rows, *dose_rows, *against_rows, ""]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Prints the report, or writes it between the markers of a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="Markdown file that holds the markers")
    options = parser.parse_args(arguments)
    try:
        found = report(build.whole())
        if options.write is None:
            print(found)
            return 0
        page = between(options.write.read_text(encoding="utf-8"), SECTION, found, str(options.write))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    options.write.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
