"""Memoization per graph: results are kept as long as the graph exists, since many rows look up the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, ref

from bbflow.graph.knowledge_graph import KnowledgeGraph

T = TypeVar("T")
_MOST = 100_000
"""Maximum number of results; beyond it the memo is cleared."""


def memoize_per_graph(function: Callable[..., T]) -> Callable[..., T]:
    """Memoize a function of a graph and of hashable arguments; its results must not be modified."""
    answers: WeakKeyDictionary[KnowledgeGraph, dict[Hashable, T]] = WeakKeyDictionary()
    last: list[Any] = [lambda: None, {}]  # weak reference to the last graph, and its results: nearly all calls are for one graph

    @wraps(function)
    def ask(graph: KnowledgeGraph, *arguments: Any) -> T:
        asked, known = last
        if asked() is not graph:
            known = answers.setdefault(graph, {})
            last[:] = ref(graph), known
        try:
            answer: T = known[arguments]
        except KeyError:
            if len(known) >= _MOST:
                known.clear()
            answer = known[arguments] = function(graph, *arguments)
        return answer

    return ask
