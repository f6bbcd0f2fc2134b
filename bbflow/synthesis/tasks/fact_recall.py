"""Fact recall: one edge of the graph as a closed-book question, with options or open."""

from __future__ import annotations

import random
from typing import ClassVar

from bbflow.synthesis.constraints.single_answer import LETTER
from bbflow.synthesis.items.item import Item
from bbflow.synthesis.items.proof_paths import unique_path
from bbflow.synthesis.tasks.base import WalkTask

_WORDED = (
    "treats", "subclass_of", "has_phenotype", "diagnosed_by", "contraindicated_in", "interacts_with", "has_side_effect",
    "has_maximum_daily_dose",
)  # fmt: skip
"""Predicates with templates; larger graphs have more predicates."""


class FactRecall(WalkTask):
    """Ask for the other end of one edge.

    Args:
        choice: Share of questions with options; the others are open.
        letter: Share of the questions with options that ask for the letter alone, which exercises instruction following.
        num_options: Number of options.
        chain: Share of the references to open questions that state the answer as a fact in a sentence; the others give a bare name.
    """

    name: ClassVar[str] = "fact_recall"
    needs = "an edge of a relation that is worded for facts, such as treats or has_phenotype"
    capabilities: ClassVar[tuple[str, ...]] = ("domain", "instruction")
    fields: ClassVar[frozenset[str]] = frozenset({"constraints", "edges", "entities"})
    metapaths = tuple(
        ((predicate, forward),) for predicate in _WORDED for forward in (True, False)
        if (predicate, forward) not in (("interacts_with", False), ("has_maximum_daily_dose", False))
    )  # fmt: skip

    def __init__(self, choice: float = 0.7, letter: float = 0.25, num_options: int = 4, chain: float = 0.0) -> None:
        self.choice, self.letter, self.num_options, self.chain = choice, letter, num_options, chain

    def propose(self, rng: random.Random) -> Item | None:
        """Draw a question about one edge."""
        walk = self.draw_walk(rng)
        gold = rng.choice(self.in_order[walk])
        edges = unique_path(self.graph, walk, gold)
        if edges is None:
            return None
        if rng.random() >= self.choice:
            if not self.sense.can_start(walk, choice=False) or not self.sense.can_be_right(walk, gold, choice=False):
                return None
            chain = self.chain > 0 and rng.random() < self.chain
            return Item(self.name, ("domain",), walk, gold, edges, walk.start, accepted=self.in_order[walk], chain=chain)
        wrong = self.wrong_options(walk, gold, self.num_options - 1, rng)
        if wrong is None:
            return None
        options = [gold, *wrong]
        rng.shuffle(options)
        letter = rng.random() < self.letter
        names = ("domain", "instruction") if letter else ("domain",)
        constraints = (LETTER,) if letter else ()
        return Item(self.name, names, walk, gold, edges, walk.start, options=tuple(options), constraints=constraints, level=2)
