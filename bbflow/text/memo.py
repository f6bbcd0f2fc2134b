"""A bounded memo for functions that read single words or characters: texts are many, their pieces few."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class BoundedMemo(dict[Key, Value]):
    """Results of a function by its argument, computed at the first look-up.

    A look-up is a plain look-up in a dictionary, several times cheaper than a call of `functools.lru_cache`, and
    `map(memo.__getitem__, words)` runs without Python code for known words. All results are dropped when `limit` of them are held.

    >>> lengths = BoundedMemo(len, limit=2)
    >>> [lengths[word] for word in ("a", "bc", "a", "def")], dict(lengths)
    ([1, 2, 1, 3], {'def': 3})

    Args:
        function: A function of one hashable argument, without side effects.
        limit: The number of results held at most.
    """

    __slots__ = ("function", "limit")

    def __init__(self, function: Callable[[Key], Value], limit: int = 100_000) -> None:
        super().__init__()
        self.function = function
        self.limit = limit

    def __missing__(self, key: Key) -> Value:
        if len(self) >= self.limit:
            self.clear()
        value = self[key] = self.function(key)
        return value
