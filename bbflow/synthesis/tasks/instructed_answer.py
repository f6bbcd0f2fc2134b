"""Instruction following with many types of demands, up to three at once."""

from __future__ import annotations

import random
from typing import ClassVar

from bbflow.synthesis.constraints.base import ConstraintWriter
from bbflow.synthesis.constraints.multi_answer import MANY_CONSTRAINTS
from bbflow.synthesis.items.item import Item
from bbflow.synthesis.tasks.constrained_answer import ConstrainedAnswer


class InstructedAnswer(ConstrainedAnswer):
    """Asks for one or more names under demands of seventeen types, drawn evenly.

    Args:
        choice: Share of the questions for one name that offer options.
        max_count: At most how many names are asked for; one is asked for as often as any larger number together.
        max_demands: At most how many demands one question makes.
        num_options: How many options, where there are any.
        chain: Share of the references for one name that say it in a sentence, as the fact it is; the others give bare names.
    """

    name: ClassVar[str] = "instructed_answer"
    writers: ClassVar[tuple[ConstraintWriter, ...]] = MANY_CONSTRAINTS

    def __init__(self, choice: float = 0.25, max_count: int = 3, max_demands: int = 3, num_options: int = 4, chain: float = 0.0) -> None:
        super().__init__(choice, max_count, max_demands, num_options, chain)

    def propose(self, rng: random.Random) -> Item | None:
        """Draws a question and its demands; none that a name would break by its own comma or length."""
        item = super().propose(rng)
        if item is None:
            return None
        names = [self.graph.name_of(node) for edge in item.edges for node in (edge[0], edge[2])]
        if any("," in name or "*" in name or len(name.split()) > 5 for name in names):
            return None
        return item
