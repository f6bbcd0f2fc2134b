"""Edges as plain statements: written as a sentence, and read back."""

from __future__ import annotations

import re
from functools import cache

from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.graph.ontology import PREDICATES
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
    for name, predicate in PREDICATES.items():
        meaning[fold(predicate.inverse)] = (name, False)
        meaning[fold(predicate.phrase)] = (name, True)
    longest = sorted(meaning, key=len, reverse=True)
    return re.compile(rf"^(.+?) ({'|'.join(map(re.escape, longest))}) (.+)$"), meaning


def parse(graph: KnowledgeGraph, text: str) -> list[Triple | None]:
    """Read the statements of a text, one a sentence.

    Returns:
        For each sentence its triple, whether or not it is an edge of the graph; None for a sentence that is no statement or
        names something that the graph does not know.
    """
    pattern, meaning = _phrases()
    triples: list[Triple | None] = []
    for sentence in re.split(r"\.(?:\s|$)|\n|;", text):
        folded = fold(sentence)
        if not folded:
            continue
        match = pattern.match(folded)
        first, second = (graph.resolve(match[1]), graph.resolve(match[3])) if match else (None, None)
        if match is None or first is None or second is None:
            triples.append(None)
            continue
        predicate, forward = meaning[match[2]]
        triples.append((first, predicate, second) if forward else (second, predicate, first))
    return triples
