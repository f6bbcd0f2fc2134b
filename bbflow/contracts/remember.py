"""What a graph answers is remembered as long as the graph lives, since many rows ask the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from bbflow.graph.knowledge_graph import KnowledgeGraph

T = TypeVar("T")
_MOST = 100_000
"""So many answers are kept; then all are forgotten."""


def remembered(function: Callable[..., T]) -> Callable[..., T]:
    """Remembers what a function of a graph and of hashable arguments returned; what it returns must not be changed."""
    answers: WeakKeyDictionary[KnowledgeGraph, dict[Hashable, T]] = WeakKeyDictionary()

    @wraps(function)
    def ask(graph: KnowledgeGraph, *arguments: Any) -> T:
        known = answers.get(graph)
        if known is None:
            known = answers[graph] = {}
        try:
            return known[arguments]
        except KeyError:
            if len(known) >= _MOST:
                known.clear()
            return known.setdefault(arguments, function(graph, *arguments))

    return ask
