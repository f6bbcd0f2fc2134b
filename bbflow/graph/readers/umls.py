"""Reader of UMLS Rich Release Format: MRSTY.RRF (semantic types), MRREL.RRF (relations), MRCONSO.RRF (names).

Format: UMLS Reference Manual, chapter 3, https://www.ncbi.nlm.nih.gov/books/NBK9685/. Each field of a row ends in `|`. A
row of MRREL reads from right to left: CUI2 has the relation RELA (or REL, if RELA is empty) to CUI1. Only names of concepts
joined by a kept relation are stored, so a large MRCONSO takes time, not memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.graph.ontology import PREDICATES
from bbflow.graph.readers.graph_builder import GraphBuilder
from bbflow.graph.readers.lines import lines
from bbflow.graph.readers.mapping import Mapping

FIELDS = {
    "MRSTY.RRF": ("CUI", "TUI", "STN", "STY", "ATUI", "CVF"),
    "MRREL.RRF": (
        "CUI1", "AUI1", "STYPE1", "REL", "CUI2", "AUI2", "STYPE2", "RELA", "RUI", "SRUI", "SAB", "SL", "RG", "DIR", "SUPPRESS", "CVF",
    ),
    "MRCONSO.RRF": (
        "CUI", "LAT", "TS", "LUI", "STT", "SUI", "ISPREF", "AUI", "SAUI", "SCUI", "SDUI", "SAB", "TTY", "CODE", "STR", "SRL", "SUPPRESS",
        "CVF",
    ),
}  # fmt: skip
"""File name to the names of its fields."""

_SYNONYMS = 20


def read(path: Path, draft: GraphBuilder, mapping: Mapping) -> KnowledgeGraph:
    """Read a folder with the three files."""
    missing = [name for name in FIELDS if not (path / name).is_file()]
    if missing:
        raise InputError(*(Problem(f"there is no {name} in the folder", str(path)) for name in missing))
    draft.merge = True
    kinds = _kinds(path, draft, mapping)
    edges = list(_relations(path, draft, mapping, kinds))
    joined = {end for edge, _ in edges for end in (edge.subject, edge.object)}
    _names(path, draft, mapping, kinds, joined)
    for edge, line in edges:
        draft.edge(edge, path / "MRREL.RRF", line, either_way=PREDICATES[edge.predicate].symmetric)
    return draft.build(mapping.name, mapping.version, mapping.card)


def _rows(path: Path, name: str, draft: GraphBuilder) -> Iterator[tuple[int, list[str]]]:
    width = len(FIELDS[name])
    for number, line in lines(path / name):
        row = line.split("|")
        if len(row) == width + 1 and not row[-1]:
            yield number, row
        else:
            what = f"{len(row) - 1} fields where {name} has {width}, each ended by '|'"
            draft.malformed(what, f"{path / name}:{number}", reason=f"wrong number of fields in {name}")


def _kinds(path: Path, draft: GraphBuilder, mapping: Mapping) -> dict[str, str]:
    """Return the kind of each concept: that of its first semantic type that the mapping keeps."""
    kinds: dict[str, str] = {}
    for _, row in _rows(path, "MRSTY.RRF", draft):
        kind = mapping.kinds.get(row[3])
        if kind is not None:
            kinds.setdefault(row[0], kind)
    return kinds


def _relations(path: Path, draft: GraphBuilder, mapping: Mapping, kinds: dict[str, str]) -> Iterator[tuple[Edge, int]]:
    template = mapping.source.replace("{version}", mapping.version).replace("{name}", mapping.name).replace("{file}", "MRREL.RRF")
    for number, row in _rows(path, "MRREL.RRF", draft):
        first, rel, second, rela, vocabulary, suppress = row[0], row[3], row[4], row[7], row[10], row[14]
        word = rela or rel
        try:
            relation = mapping.relation(word)
        except KeyError:
            relation = None
        if suppress not in ("N", ""):
            draft.left_out["suppressed relation"] += 1
        elif mapping.sources is not None and vocabulary not in mapping.sources:
            draft.left_out[f"relations of {vocabulary}"] += 1
        elif relation is None:
            draft.left_out[f"relation '{word}'"] += 1
        elif first not in kinds or second not in kinds or first == second:
            draft.left_out["relation of a concept of a kind that the mapping leaves out"] += 1
        else:
            subject, obj = (first, second) if relation.inverse else (second, first)
            if PREDICATES[relation.predicate].fits(kinds[subject], kinds[obj]):
                source = template.replace("{row}", str(number))
                more = {**relation.attributes, "vocabulary": vocabulary}
                yield Edge(f"UMLS:{subject}", relation.predicate, f"UMLS:{obj}", source, mapping.verified, more), number
            else:
                draft.left_out[f"relation '{word}' between kinds that {relation.predicate} does not join"] += 1


def _names(path: Path, draft: GraphBuilder, mapping: Mapping, kinds: dict[str, str], joined: set[str]) -> None:
    """Add the joined concepts with their preferred names (TS=P, STT=PF, ISPREF=Y, as far as present) and other names."""
    best: dict[str, tuple[int, int, str]] = {}
    others: dict[str, dict[str, None]] = {}
    for number, row in _rows(path, "MRCONSO.RRF", draft):
        node = f"UMLS:{row[0]}"
        if node not in joined or row[1] not in mapping.languages or row[16] not in ("N", ""):
            continue
        rank = 4 * (row[2] == "P") + 2 * (row[4] == "PF") + (row[6] == "Y")
        if node not in best or rank > best[node][0]:
            best[node] = (rank, number, row[14])
        names = others.setdefault(node, {})
        if len(names) <= _SYNONYMS:
            names[row[14]] = None
    for node, (_, number, name) in best.items():
        synonyms = tuple(other for other in others[node] if other != name)[:_SYNONYMS]
        draft.node(Node(node, kinds[node.removeprefix("UMLS:")], name, synonyms), path / "MRCONSO.RRF", number)
