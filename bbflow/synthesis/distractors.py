"""Wrong options that only knowledge can tell from the right one.

They are drawn from the answers that the same metapath gives elsewhere in the graph, as often as it gives them, so an
option's popularity says little about whether it is right; none of them answers the question.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence


def draw(pool: Sequence[str], right: Collection[str], count: int, rng: random.Random) -> list[str] | None:
    """Draws distinct wrong options.

    Args:
        pool: Answers of the metapath over the whole graph, repeated as often as they occur.
        right: Everything that answers the question.
        count: How many to draw.
        rng: Source of randomness.

    Returns:
        The options, or None where the pool does not hold enough.
    """
    chosen: list[str] = []
    for _ in range(20 * count):
        candidate = pool[rng.randrange(len(pool))]
        if candidate not in right and candidate not in chosen:
            chosen.append(candidate)
            if len(chosen) == count:
                return chosen
    return None
