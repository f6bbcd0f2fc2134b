"""Which split an item belongs to: a hash of its question and the graph's salt, whatever the seed of a run.

Closed-book tasks hold out questions, paths, option sets and template families; the facts themselves may be trained on as
statements.

The training questions are divided once more, by a hash of their own: some are for pretraining, and some are kept back for the
alignment that follows, so that what is rewarded there is knowledge and not the memory of a question.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from bbflow.records import Split
from bbflow.synthesis.items.item import Item, Question, question_key

TrainingStage = Literal["all", "pretraining", "alignment"]
PRETRAINING = 0.65
"""Share of the training questions that pretraining may ask."""

FRACTIONS: tuple[tuple[Split, float], ...] = (("train", 0.7), ("validation", 0.1), ("test", 0.2))

OF_ENTITIES: tuple[tuple[Split, float], ...] = (("train", 0.55), ("validation", 0.2), ("test", 0.25))
"""Shares of the entities where the prompt tells the facts. A held-out question needs both of its ends in its split, so that its share of
the questions is about the square; with the shares above, a small graph would have no validation question at all."""


def split_of(key: str, salt: str, fractions: tuple[tuple[Split, float], ...] = FRACTIONS) -> Split:
    """Returns the split of a question.

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
    """Returns the split of an item: of its question, or of its cluster where the prompt tells the facts.

    None is for an open-book item whose start and answer belong to different splits: it is used in neither.
    """
    if not item.evidence:
        return split_of(item.question_key, salt)
    split = entity_split(item.cluster, salt)
    return split if item.gold == item.cluster or entity_split(item.gold, salt) == split else None


def entity_split(entity: str, salt: str) -> Split:
    """Returns the split that an entity belongs to wherever facts are told in the prompt."""
    return split_of(f"entity/{entity}", salt, OF_ENTITIES)


def question_split(question: Question, salt: str) -> Split:
    """Returns the split of a question before there is an item."""
    return split_of(question_key(question), salt)


def in_stage(item: Item, salt: str, stage: TrainingStage) -> bool:
    """Tells whether a training question belongs to a stage of training; "all" takes every one."""
    return stage == "all" or (_place(f"{salt}/stage/{item.question_key}") < PRETRAINING) == (stage == "pretraining")


def _place(text: str) -> float:
    """Maps a text evenly to [0, 1)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
