"""Instruction following with many types of constraints, up to three at once."""

from __future__ import annotations

import random
from typing import ClassVar

from bbflow.synthesis.constraints.base import ConstraintWriter
from bbflow.synthesis.constraints.multi_answer import MANY_CONSTRAINTS
from bbflow.synthesis.items.item import Item
from bbflow.synthesis.tasks.constrained_answer import ConstrainedAnswer


class InstructedAnswer(ConstrainedAnswer):
    """Ask for one or more names under constraints of seventeen types, drawn evenly.

    Args:
        choice: Share of the questions for one name that offer options.
        max_count: Largest number of names; one name is as frequent as all larger numbers together.
        max_demands: Largest number of constraints of one question.
        num_options: Number of options, if any.
        chain: Share of the references for one name that state it as a fact in a sentence; the others give bare names.
    """

    name: ClassVar[str] = "instructed_answer"
    writers: ClassVar[tuple[ConstraintWriter, ...]] = MANY_CONSTRAINTS

    def __init__(self, choice: float = 0.25, max_count: int = 3, max_demands: int = 3, num_options: int = 4, chain: float = 0.0) -> None:
        super().__init__(choice, max_count, max_demands, num_options, chain)

    def propose(self, rng: random.Random) -> Item | None:
        """Draw a question and its constraints, without names whose commas or length would violate one."""
        item = super().propose(rng)
        if item is None:
            return None
        names = [self.graph.name_of(node) for edge in item.edges for node in (edge[0], edge[2])]
        if any("," in name or "*" in name or len(name.split()) > 5 for name in names):
            return None
        return item
