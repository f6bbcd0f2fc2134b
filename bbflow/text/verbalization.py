"""Edges as plain statements: written as a sentence, and read back."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.graph.memo import memoize_per_graph
from bbflow.graph.ontology import PREDICATES
from bbflow.io.yaml import read_yaml
from bbflow.records import Triple


def verbalize(graph: KnowledgeGraph, edge: Triple, about: str | None = None) -> str:
    """Write an edge as a sentence without its full stop.

    Args:
        graph: Gives the names.
        edge: The triple.
        about: Node to begin with; the subject where None.
    """
    subject, predicate, obj = edge
    words = PREDICATES[predicate]
    if about is not None and about != subject:
        return f"{graph.name_of(obj)} {words.inverse} {graph.name_of(subject)}"
    return f"{graph.name_of(subject)} {words.phrase} {graph.name_of(obj)}"


@cache
def _phrases() -> tuple[re.Pattern[str], dict[str, tuple[str, bool]]]:
    """Return a pattern of all phrases, longest first, and the meaning of each: its predicate, and whether the subject comes first."""
    meaning: dict[str, tuple[str, bool]] = {}
    for name, wordings in _other_phrases().items():
        meaning |= {fold(phrase): (name, False) for phrase in wordings["inverse"]}
        meaning |= {fold(phrase): (name, True) for phrase in wordings["phrase"]}
    for name, predicate in PREDICATES.items():
        meaning[fold(predicate.inverse)] = (name, False)
        meaning[fold(predicate.phrase)] = (name, True)
    longest = sorted(meaning, key=len, reverse=True)
    return re.compile(rf"^(.+?) ({'|'.join(map(re.escape, longest))}) (.+)$"), meaning


@cache
def _connectives() -> re.Pattern[str]:
    words = sorted(read_yaml(PHRASES_FILE).data["connectives"], key=len, reverse=True)
    return re.compile(rf"^(?:(?:{'|'.join(map(re.escape, words))}|step [0-9]+|fact [0-9]+) (?:, )?)+")


def _other_phrases() -> dict[str, dict[str, list[str]]]:
    """Return the phrases of `statement_phrases.yaml`.

    Raises:
        InputError: The file names a relation that the ontology does not know, or does not give both lists.
    """
    file = read_yaml(PHRASES_FILE)
    problems = [
        Problem(f"'{name}' must be a relation of the ontology with the lists 'phrase' and 'inverse'", file.where("relations", name))
        for name, wordings in file.data["relations"].items()
        if name not in PREDICATES or not isinstance(wordings, dict) or not all(isinstance(wordings.get(k), list) for k in _SIDES)
    ]
    if problems:
        raise InputError(*problems)
    phrases: dict[str, dict[str, list[str]]] = file.data["relations"]
    return phrases


def parse(graph: KnowledgeGraph, text: str) -> list[Triple | None]:
    """Read the statements of a text.

    A sentence is one statement, or several that `and` or commas join; it may begin with a number or a connective, and with `it` for the
    subject of the statement before.

    Returns:
        For each sentence its triples, whether or not they are edges of the graph; None for a sentence that is no statement or
        names something that the graph does not know.

    >>> from bbflow.testing import GRAPH
    >>> parse(GRAPH, "1. Propranolol must not be used in asthma, and it treats hypertension.")
    [('drug:propranolol', 'contraindicated_in', 'disease:asthma'), ('drug:propranolol', 'treats', 'disease:hypertension')]
    >>> parse(GRAPH, "It is false that propranolol treats asthma.")
    [None]
    """
    triples: list[Triple | None] = []
    for sentence in _SENTENCE_END.split(_NUMBER.sub("", text)):
        if not fold(sentence):
            continue
        before = next((triple for triple in reversed(triples) if triple is not None), None)
        triples += statements(graph, sentence, before) or [None]
    return triples


def statements(graph: KnowledgeGraph, sentence: str, before: Triple | None = None) -> list[Triple]:
    """Return the triples of one sentence; none if any part of it is no statement.

    Args:
        graph: The graph.
        sentence: The sentence.
        before: The statement before it, to which a pronoun refers.
    """
    return _statements(graph, sentence, before if before is not None and _PRONOUN.search(sentence) else None)


_SIDES = ("phrase", "inverse")
PHRASES_FILE = Path(__file__).with_name("statement_phrases.yaml")
_SENTENCE_END = re.compile(r"\.(?:\s|$)|\n|;")
_NUMBER = re.compile(r"(?m)^\s*(?:[-*\u2022]\s+)?\(?[0-9]{1,2}[.)]\s+|\([0-9]{1,2}\)\s*")
_PRONOUN = re.compile(r"\b(?:it|which|this|that)\b", re.IGNORECASE)
_WORDS = re.compile(r"[a-z0-9%]+|,")
_JOINTS = re.compile(r" (?:, and|, which|and|,) ")
_ITEMS = re.compile(r" (?:, and|, or|and|,) ")


@memoize_per_graph
def _statements(graph: KnowledgeGraph, sentence: str, before: Triple | None) -> list[Triple]:
    """Return the triples of a sentence; none if any part of it is no statement."""
    words = " ".join(_WORDS.findall(_NUMBER.sub("", sentence).casefold())).strip(" ,")
    if whole := _statement(graph, words, before):
        return whole
    found: list[Triple] = []
    rest = ""
    here = 0
    for joint in [*_JOINTS.finditer(words), None]:
        end = len(words) if joint is None else joint.start()
        rest = f"{rest}{words[here:end]}" if rest else words[here:end]
        part = _statement(graph, rest, found[-1] if found else before)
        if part:
            found += part
            rest = ""
        if joint is not None:
            here = joint.start() if rest else joint.end()
            rest = rest or ("which " if "which" in joint[0] else "")
    return [] if rest.strip() else found


def _statement(graph: KnowledgeGraph, words: str, before: Triple | None) -> list[Triple]:
    """Return the triples of a statement, several where a list of names follows the phrase."""
    stripped = _connectives().sub("", words)
    return _stated(graph, words, before) or (_stated(graph, stripped, before) if stripped != words else [])


def _stated(graph: KnowledgeGraph, words: str, before: Triple | None) -> list[Triple]:
    pattern, meaning = _phrases()
    match = pattern.match(words)
    if match is None:
        return []
    predicate, forward = meaning[match[2]]
    last = _resolved(graph, match[3])
    lasts: list[str | None] = [last] if last is not None else [_resolved(graph, item) for item in _ITEMS.split(match[3])]
    for first in _subjects(graph, match[1], before, predicate, forward, lasts):
        if first is not None and None not in lasts:
            return [(first, predicate, node) if forward else (node, predicate, first) for node in lasts if node is not None]
    return []


def _subjects(
    graph: KnowledgeGraph, name: str, before: Triple | None, predicate: str, forward: bool, lasts: list[str | None]
) -> list[str | None]:
    """Return what a name before a phrase can mean; a pronoun means an end of the statement before, of which the true one comes first."""
    if name not in ("it", "which", "this", "that") or before is None:
        return [_resolved(graph, name)]
    ends = [before[2], before[0]] if name == "which" else [before[0], before[2]]
    fits = [e for e in ends if any(n is not None and graph.has(*((e, predicate, n) if forward else (n, predicate, e))) for n in lasts)]
    return [*fits, *ends]


def _resolved(graph: KnowledgeGraph, name: str) -> str | None:
    plain = name.replace(" ,", "").strip()
    return graph.resolve(plain) or graph.resolve(re.sub(r"^(?:a|an|the) ", "", plain))
