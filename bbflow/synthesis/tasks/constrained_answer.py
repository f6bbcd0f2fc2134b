"""Instruction following on medical content: names of the graph in a form that a program can check."""

from __future__ import annotations

import random
from typing import ClassVar

from bbflow.synthesis.constraints.base import ConstraintWriter, draw_constraints
from bbflow.synthesis.constraints.single_answer import CONSTRAINT_WRITERS
from bbflow.synthesis.items.item import Item
from bbflow.synthesis.items.proof_paths import unique_path
from bbflow.synthesis.tasks.base import WalkTask


class ConstrainedAnswer(WalkTask):
    """Ask for one or more names under constraints on the form.

    Args:
        choice: Share of the questions for one name that offer options.
        max_count: Largest number of names; one name is as frequent as all larger numbers together.
        max_demands: Largest number of constraints of one question.
        num_options: Number of options, if any.
        chain: Share of the references for one name that state it as a fact in a sentence; the others give bare names.
    """

    name: ClassVar[str] = "constrained_answer"
    needs = "edges such as treats, has_phenotype or has_side_effect"
    capabilities: ClassVar[tuple[str, ...]] = ("instruction", "domain")
    fields: ClassVar[frozenset[str]] = frozenset({"constraints", "edges", "entities"})
    writers: ClassVar[tuple[ConstraintWriter, ...]] = CONSTRAINT_WRITERS
    metapaths = (
        (("treats", False),),
        (("has_phenotype", True),),
        (("has_side_effect", True),),
        (("contraindicated_in", False),),
        (("diagnosed_by", True),),
        (("interacts_with", True),),
        (("subclass_of", False),),
    )

    def __init__(self, choice: float = 0.5, max_count: int = 2, max_demands: int = 2, num_options: int = 4, chain: float = 0.0) -> None:
        self.choice, self.max_count, self.max_demands, self.num_options = choice, max_count, max_demands, num_options
        self.chain = chain

    def propose(self, rng: random.Random) -> Item | None:
        """Draw a question, the number of its answers, and its constraints."""
        walk = self.draw_walk(rng)
        answers = self.in_order[walk]
        most = min(self.max_count, len(answers))
        count = 1 if most == 1 or rng.random() < 0.5 else rng.randint(2, most)
        chosen = rng.sample(answers, count)
        paths = [unique_path(self.graph, walk, answer) for answer in chosen]
        constraints = draw_constraints(self.writers, rng.randint(1, self.max_demands), count, rng)
        edges = tuple(edge for path in paths if path is not None for edge in path)
        if len(edges) < count:
            return None
        accepted, options = answers, None
        if count == 1 and rng.random() < self.choice:
            wrong = self.wrong_options(walk, chosen[0], self.num_options - 1, rng)
            if wrong is None:
                return None
            accepted, offered = (), [chosen[0], *wrong]
            rng.shuffle(offered)
            options = tuple(offered)
        elif not self.sense.can_start(walk, choice=False) or not self.sense.can_be_right(walk, chosen[0], choice=False):
            return None
        return Item(
            self.name, self.capabilities, walk, chosen[0], edges, walk.start,
            accepted=accepted, count=count, options=options, chain=count == 1 and self.chain > 0 and rng.random() < self.chain,
            constraints=constraints, level=count,
        )  # fmt: skip
