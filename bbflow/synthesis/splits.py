"""Splits: a hash of an item's question and the graph's salt, independent of the seed of a run.

Closed-book tasks hold out questions, paths, option sets and template families; the facts themselves may be trained on as
statements.

The training questions are divided once more, by a separate hash: some are for pretraining, the others are reserved for the
alignment that follows, so that alignment rewards knowledge and not the memory of a question.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from bbflow.records import Split
from bbflow.synthesis.items.item import Item, Question, question_key

TrainingStage = Literal["all", "pretraining", "alignment"]
PRETRAINING = 0.65
"""Share of the training questions that pretraining uses."""

FRACTIONS: tuple[tuple[Split, float], ...] = (("train", 0.7), ("validation", 0.1), ("test", 0.2))

OF_ENTITIES: tuple[tuple[Split, float], ...] = (("train", 0.55), ("validation", 0.2), ("test", 0.25))
"""Shares of the entities of open-book questions. A held-out question needs both of its ends in its split, so that its share of
the questions is about the square; with the shares above, a small graph would have no validation question at all."""


def split_of(key: str, salt: str, fractions: tuple[tuple[Split, float], ...] = FRACTIONS) -> Split:
    """Return the split of a question.

    Args:
        key: `Item.question_key`.
        salt: The graph's salt.
        fractions: Share of each split.

    >>> split_of("a", "s") == split_of("a", "s")
    True
    """
    place = _place(f"{salt}/{key}")
    for split, fraction in fractions:
        if place < fraction:
            return split
        place -= fraction
    return fractions[-1][0]


def item_split(item: Item, salt: str) -> Split | None:
    """Return the split of an item: of its question, or of its cluster for an open-book item.

    None for an open-book item whose start and answer belong to different splits; it is used in neither.
    """
    if not item.evidence:
        return split_of(item.question_key, salt)
    split = entity_split(item.cluster, salt)
    return split if item.gold == item.cluster or entity_split(item.gold, salt) == split else None


def entity_split(entity: str, salt: str) -> Split:
    """Return the split of an entity in open-book questions."""
    return split_of(f"entity/{entity}", salt, OF_ENTITIES)


def question_split(question: Question, salt: str) -> Split:
    """Return the split of a question before an item is built."""
    return split_of(question_key(question), salt)


def in_stage(item: Item, salt: str, stage: TrainingStage) -> bool:
    """Return whether a training question belongs to a stage of training; every one belongs to "all"."""
    return stage == "all" or (_place(f"{salt}/stage/{item.question_key}") < PRETRAINING) == (stage == "pretraining")


def _place(text: str) -> float:
    """Map a text uniformly to [0, 1)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
