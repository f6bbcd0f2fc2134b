"""Reader of OBO ontologies (https://owlcollab.github.io/oboformat/doc/obo-syntax.html), such as HPO, Mondo, DOID, GO and Uberon.

Lines are parsed by `obonet` (the `hpo` extra); this reader adds the line number to every problem, and derives the kind of a
term from its prefix or namespace by the mapping `obo`. Relations that are not in the mapping, and edges into other
ontologies, are left out and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.graph.readers.graph_builder import GraphBuilder
from bbflow.graph.readers.lines import lines
from bbflow.graph.readers.mapping import Mapping, Relation

_READ = {"id", "name", "namespace", "synonym", "is_a", "relationship", "is_obsolete"}
_HEADER = {"data-version", "ontology", "default-namespace", "property_value"}
_SYNONYM = re.compile(r'"((?:[^"\\]|\\.)*)"\s+(EXACT|BROAD|NARROW|RELATED)')


@dataclass
class Stanza:
    """A block of an OBO file: its type (`Term`, `Typedef`, `Instance`, or empty for the header), and its tags with their lines."""

    type: str
    line: int
    tags: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def first(self, tag: str) -> str:
        """Return the first value of a tag, or an empty text."""
        return self.tags[tag][0][0] if tag in self.tags else ""


def read(path: Path, draft: GraphBuilder, mapping: Mapping) -> KnowledgeGraph:
    """Read an OBO file."""
    draft.merge = True
    header = collect(path, draft, mapping, f"obo:{path.name}")
    ontology = header.first("ontology").removesuffix(".obo") or path.name.split(".")[0]
    told = {
        parts[0].split(":")[-1].split("/")[-1]: " ".join(parts[1:])
        for value, _ in header.tags.get("property_value", ())
        if (parts := _quoted(value))
    }
    about = {"about": told.get("title", ""), "licence": told.get("license", told.get("rights", ""))}
    return draft.build(ontology, release(header), {**{k: v for k, v in about.items() if v}, **mapping.card})


def collect(path: Path, draft: GraphBuilder, mapping: Mapping, source: str) -> Stanza:
    """Add the terms and relations of an OBO file to a draft; return the header.

    Args:
        path: OBO file.
        draft: Builder that receives them.
        mapping: Kinds by prefix or namespace, predicates by relation.
        source: Prefix of the source of each edge; `@release#line` is appended.
    """
    header: Stanza | None = None
    edges: list[tuple[str, str, str, int]] = []
    prefixes: set[str] = set()
    unknown: dict[str, tuple[int, int]] = {}
    dropped: set[str] = set()
    for stanza in stanzas(path, draft):
        if stanza.type == "":
            header = stanza
        if stanza.type != "Term":
            continue
        term, name = mapping.curie(stanza.first("id")), _plain(stanza.first("name"))
        if stanza.first("is_obsolete") == "true":
            draft.left_out["obsolete term"] += 1
            continue
        if not term or not name:
            what = f"a term without {'name' if term else 'id'}"
            draft.malformed(what, f"{path}:{stanza.line}", "is the file cut off here?" if term else "")
            continue
        prefix = term.split(":")[0]
        kind, known = _kind(mapping, prefix, stanza.first("namespace") or (header.first("default-namespace") if header else ""))
        if not known:
            first, count = unknown.get(prefix, (stanza.line, 0))
            unknown[prefix] = (first, count + 1)
            dropped.add(term)
            continue
        if kind is None:
            draft.left_out["term of a kind that the mapping leaves out"] += 1
            dropped.add(term)
            continue
        prefixes.add(prefix)
        draft.node(Node(term, kind, name, tuple(_synonyms(stanza, name))), path, stanza.line)
        edges += [(term, "is_a", value, line) for value, line in stanza.tags.get("is_a", ())]
        for value, line in stanza.tags.get("relationship", ()):
            relation, _, target = value.partition(" ")
            if target:
                edges.append((term, relation, target.split(" ")[0], line))
            else:
                draft.malformed("a relationship is a relation and a term", f"{path}:{line}")
    for prefix, (line, count) in unknown.items():
        hint = f"add `kinds: {{{prefix}: ...}}` to a mapping that extends 'obo'; null leaves such terms out"
        draft.malformed(
            f"no kind is known for terms '{prefix}:...' ({count:,} terms)", f"{path}:{line}", hint, "terms of an unknown prefix", count
        )
    header = header or Stanza("", 1)
    _relate(edges, path, draft, mapping, f"{source}@{release(header)}", prefixes, dropped)
    return header


def stanzas(path: Path, draft: GraphBuilder) -> Iterator[Stanza]:
    """Yield the blocks of an OBO file, the header first.

    Raises:
        InputError: obonet is not installed, or the file is not an OBO file.
    """
    try:
        from obonet.read import parse_tag_line
    except ImportError:
        raise InputError(
            Problem("OBO files are read with obonet, which is not installed", str(path), "pip install 'bbflow[hpo]'")
        ) from None
    stanza = Stanza("", 1)
    wanted = _HEADER
    for number, line in lines(path):
        if number == 1 and not re.match(r"[\w-]+:|\[|!|$", line):
            raise InputError(Problem("this is no OBO file: it starts with neither a tag nor a stanza", f"{path}:1"))
        if line.startswith("["):
            yield stanza
            stanza = Stanza(line.strip().strip("[]"), number)
            wanted = _READ
            continue
        tag, colon, _ = line.partition(":")
        if tag in wanted and colon:
            try:
                value = parse_tag_line(line).value or ""
            except ValueError:
                draft.malformed("not a tag and its value", f"{path}:{number}")
                continue
            stanza.tags.setdefault(tag, []).append((value, number))
        elif not colon and line.strip() and not line.startswith("!"):
            draft.malformed(f"not a tag and its value: '{line[:60]}'", f"{path}:{number}", reason="not a tag and its value")
    yield stanza


def release(header: Stanza) -> str:
    """Return the release of an ontology: the date in its data-version, or the whole data-version.

    >>> release(Stanza("", 1, {"data-version": [("hp/releases/2025-01-16", 2)]}))
    '2025-01-16'
    """
    said = header.first("data-version")
    date = re.search(r"\d{4}-\d{2}-\d{2}", said)
    return date[0] if date else said or "0"


def _relate(
    edges: list[tuple[str, str, str, int]],
    path: Path,
    draft: GraphBuilder,
    mapping: Mapping,
    source: str,
    prefixes: set[str],
    dropped: set[str],
) -> None:
    for term, word, raw, line in edges:
        target = mapping.curie(raw)
        try:
            relation: Relation | None = mapping.relation(word)
        except KeyError:
            relation = None
        if relation is None:
            draft.left_out[f"relation '{word}'"] += 1
        elif target in dropped or target.split(":")[0] not in prefixes:
            draft.left_out["edge to a term that is left out, or of another ontology"] += 1
        else:
            ends = (target, term) if relation.inverse else (term, target)
            edge = Edge(ends[0], relation.predicate, ends[1], f"{source}#{line}", mapping.verified, dict(relation.attributes))
            draft.edge(edge, path, line)


def _kind(mapping: Mapping, prefix: str, namespace: str) -> tuple[str | None, bool]:
    for word in (f"{prefix}/{namespace}", prefix):
        if word in mapping.kinds:
            return mapping.kinds[word], True
    return None, False


def _synonyms(stanza: Stanza, name: str) -> Iterator[str]:
    """Yield exact synonyms only; a broader or related synonym may be the name of another term."""
    seen = {name}
    for value, _ in stanza.tags.get("synonym", ()):
        match = _SYNONYM.match(value)
        if match and match[2] == "EXACT" and (text := _plain(match[1])) not in seen:
            seen.add(text)
            yield text


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text) if "\\" in text else text


def _quoted(value: str) -> list[str]:
    """Split a property_value into its name and text: `dc:title "A title" xsd:string` or `terms:license https://...`."""
    match = re.match(r'(\S+)\s+(?:"((?:[^"\\]|\\.)*)"|(\S+))', value)
    return [match[1], _plain(match[2] or match[3] or "")] if match else []
