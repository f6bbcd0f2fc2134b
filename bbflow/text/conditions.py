"""The conditions of a graph that a text names in other words than the graph: abbreviations, patterns and measurements.

The words are in `bbflow/text/lexicon/patient_cues.yaml`. English only.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.text.doses.numbers import gap, number
from bbflow.text.entity_linking import NameIndex, entity_linker
from bbflow.text.lexicon.patient_cues import Measurement, patient_cues
from bbflow.text.normalization import name_key
from bbflow.text.tokenization import TokenizedText

_KINDS = ("Disease", "PhenotypicFeature", "PhysiologicalState", "RenalFunction")
_COPULAS = frozenset("is of at was now noted around about approx today still level read reads".split())  # noqa: SIM905
"""Words between a measurement and its number."""
_TERM = (4, 42)
"""Weeks of a pregnancy that are written as a part of forty: "26/40"."""


class _Conditions(NamedTuple):
    """The phrases and measurements that mean a condition of a graph.

    Attributes:
        phrases: The phrases.
        nodes: Spelling of a phrase to the condition, and whether it can mean nothing else.
        measurements: First word of a measurement to its other words, the measurement and the condition.
        pregnancy: The pregnancy of the graph; None if it has none.
    """

    phrases: NameIndex
    nodes: dict[str, tuple[str, bool]]
    measurements: dict[str, list[tuple[list[str], Measurement, str]]]
    pregnancy: str | None


@memoize_per_graph
def _conditions(graph: KnowledgeGraph) -> _Conditions:
    cues, linker = patient_cues(), entity_linker(graph)

    def node_of(names: Sequence[str]) -> str | None:
        return next((node for node in (linker.resolve(name, _KINDS) for name in names) if node), None)

    nodes: dict[str, tuple[str, bool]] = {}
    known: list[str] = []
    for phrases, clear in ((cues.names, True), (cues.unclear_names, False)):
        for phrase, names in phrases.items():
            node, key = node_of(names), name_key(phrase)
            if node is not None and node not in linker.nodes.get(key, ()):
                nodes.setdefault(key, (node, clear))
                known.append(phrase)
    measurements: dict[str, list[tuple[list[str], Measurement, str]]] = {}
    for measurement in cues.measurements:
        node = node_of(measurement.conditions)
        for words in map(str.split, measurement.words):
            if node is not None:
                measurements.setdefault(words[0], []).append((words[1:], measurement, node))
    return _Conditions(NameIndex.of(known), nodes, measurements, node_of(["pregnancy"]))


def conditions_named(text: TokenizedText, graph: KnowledgeGraph) -> Iterator[tuple[str, int, int, bool]]:
    """Yield the conditions that a text names in other words than the graph: node, first word, word after the last, whether it is clear.

    >>> from bbflow.testing import GRAPH
    >>> list(conditions_named(TokenizedText("A known asthmatic"), GRAPH))
    [('disease:asthma', 2, 3, True)]
    """
    known, words = _conditions(graph), text.words
    staged = list(_patterns(text, graph)) if not patient_cues().trigger.isdisjoint(words) else []
    covered = {i for _, first, last, _ in staged for i in range(first, last)}
    starts = [i for i, word in enumerate(words) if word in known.phrases.longest]
    for mention in known.phrases.mentions(text, starts) if starts else ():
        node, clear = known.nodes["".join(words[mention.first : mention.last])]
        if clear or mention.first not in covered:  # "stage 2 CKD" is no unclear "CKD"
            yield node, mention.first, mention.last, clear
    yield from _measured(text, known)
    yield from ((found, first, last, clear) for found, first, last, clear in staged if found is not None)


def _measured(text: TokenizedText, known: _Conditions) -> Iterator[tuple[str, int, int, bool]]:
    """Yield the conditions that a measurement or the week of a pregnancy means."""
    words = text.words
    for i in [i for i, word in enumerate(words) if word in known.measurements or word == "40"]:
        for rest, measurement, node in known.measurements.get(words[i], ()):
            if words[i + 1 : i + 1 + len(rest)] == rest and _is_met(text, i + 1 + len(rest), measurement):
                yield node, i, i + 2 + len(rest), not measurement.unclear
        if words[i] == "40" and i and known.pregnancy is not None and _is_of_term(words[i - 1]) and gap(text, i - 1) == "/":
            yield known.pregnancy, i - 1, i + 1, True


def _is_of_term(word: str) -> bool:
    return word.isdecimal() and _TERM[0] <= int(word) <= _TERM[1]


def _is_met(text: TokenizedText, at: int, measurement: Measurement) -> bool:
    """Return whether the number behind the words of a measurement means its condition."""
    end = text.sentence(at - 1)[1]
    while at < end and text.words[at] in _COPULAS:
        at += 1
    value = number(text.words[at]) if at < end else None
    low, high = measurement.between
    return value is not None and low <= value <= high and (value > measurement.above or value < measurement.below)


def _patterns(text: TokenizedText, graph: KnowledgeGraph) -> Iterator[tuple[str | None, int, int, bool]]:
    """Yield the matches of patterns: the condition (None where the graph has none), the first word, the one after the last, is it clear."""
    joined, linker = " ".join(text.words), entity_linker(graph)
    starts = list(itertools.accumulate((len(word) + 1 for word in text.words), initial=0))
    for pattern, names, clear in patient_cues().patterns:
        for match in pattern.finditer(joined):
            node = next((n for n in (linker.resolve(name, _KINDS) for name in names) if n), None)
            yield node, bisect_right(starts, match.start()) - 1, bisect_right(starts, match.end() - 1), clear
