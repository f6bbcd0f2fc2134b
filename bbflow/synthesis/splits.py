"""Which split an item belongs to: a hash of its question and the graph's salt, whatever the seed of a run.

Closed-book tasks hold out questions, paths, option sets and template families; the facts themselves may be trained on as
statements.
"""

from __future__ import annotations

import hashlib

from bbflow.records import Split
from bbflow.synthesis.items import Item

FRACTIONS: tuple[tuple[Split, float], ...] = (("train", 0.7), ("validation", 0.1), ("test", 0.2))


def split_of(key: str, salt: str) -> Split:
    """Returns the split of a question.

    Args:
        key: `Item.question_key`.
        salt: The graph's salt.

    >>> split_of("a", "s") == split_of("a", "s")
    True
    """
    place = int.from_bytes(hashlib.sha256(f"{salt}/{key}".encode()).digest()[:8], "big") / 2**64
    for split, fraction in FRACTIONS:
        if place < fraction:
            return split
        place -= fraction
    return FRACTIONS[-1][0]


def item_split(item: Item, salt: str) -> Split:
    """Returns the split of an item."""
    return split_of(item.question_key, salt)
