"""What a graph answers is remembered as long as the graph lives, since many rows ask the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, ref

from bbflow.graph.knowledge_graph import KnowledgeGraph

T = TypeVar("T")
_MOST = 100_000
"""So many answers are kept; then all are forgotten."""


def memoize_per_graph(function: Callable[..., T]) -> Callable[..., T]:
    """Remembers what a function of a graph and of hashable arguments returned; what it returns must not be changed."""
    answers: WeakKeyDictionary[KnowledgeGraph, dict[Hashable, T]] = WeakKeyDictionary()
    last: list[Any] = [lambda: None, {}]  # the graph that was asked last, weakly, and its answers: nearly always the same one

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
