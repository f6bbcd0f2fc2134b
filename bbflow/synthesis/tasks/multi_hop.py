"""Multi-hop reasoning: two edges that meet in an entity that the question does not name."""

from __future__ import annotations

import random
from typing import ClassVar

from bbflow.synthesis.items.item import Item
from bbflow.synthesis.items.proof_paths import unique_path
from bbflow.synthesis.tasks.base import WalkTask


class MultiHop(WalkTask):
    """Ask across two edges; domain knowledge decides the answer, reasoning is judged on the written chain.

    Args:
        num_options: Number of options.
        chain: Share of the references that write the reasoning; the others give the answer alone, as many collected demonstrations do.
    """

    name: ClassVar[str] = "multi_hop"
    needs = "two edges in a row, such as treats and then diagnosed_by or has_phenotype"
    capabilities: ClassVar[tuple[str, ...]] = ("reasoning", "domain")
    fields: ClassVar[frozenset[str]] = frozenset({"options", "edges", "entities"})
    always_choice = True
    metapaths = (
        (("treats", True), ("diagnosed_by", True)),
        (("treats", True), ("has_phenotype", True)),
        (("has_phenotype", False), ("diagnosed_by", True)),
        (("has_phenotype", False), ("contraindicated_in", False)),
        (("contraindicated_in", True), ("diagnosed_by", True)),
    )

    def __init__(self, num_options: int = 4, chain: float = 1.0) -> None:
        self.num_options, self.chain = num_options, chain

    def propose(self, rng: random.Random) -> Item | None:
        """Draw a two-edge question whose answer has a single path."""
        walk = self.draw_walk(rng)
        gold = rng.choice(self.in_order[walk])
        edges = unique_path(self.graph, walk, gold)
        wrong = self.wrong_options(walk, gold, self.num_options - 1, rng)
        if edges is None or wrong is None:
            return None
        options = [gold, *wrong]
        rng.shuffle(options)
        chain = self.chain >= 1 or rng.random() < self.chain
        return Item(self.name, self.capabilities, walk, gold, edges, walk.start, options=tuple(options), chain=chain, level=3)
