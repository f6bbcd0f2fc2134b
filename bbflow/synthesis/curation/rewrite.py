"""Rewriting as a stage of curation."""

from __future__ import annotations

from collections.abc import Sequence

from bbflow.errors import Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example
from bbflow.synthesis.curation.base import CurationStage, unknown_splits
from bbflow.synthesis.rewriting.base import Rewriter, rewrite


class Rewrite(CurationStage):
    """Paraphrase questions; a paraphrase that is not faithful is discarded and the first wording kept.

    Args:
        rewriter: Source of paraphrases.
        splits: Splits to rewrite.
    """

    def __init__(self, rewriter: Rewriter, splits: list[str] | None = None) -> None:
        self.rewriter, self.splits = rewriter, splits or ["train"]

    def problems(self, where: str) -> list[Problem]:
        """List unknown splits and the mistakes in the settings of the rewriter."""
        return [*unknown_splits(self.splits, where), *self.rewriter.problems(f"{where}.rewriter")]

    def prepare(self, graph: KnowledgeGraph) -> None:
        """Keep the graph, whose names are used to compare texts."""
        self.graph = graph

    def __call__(self, examples: Sequence[Example], seed: int) -> list[Example | str]:
        """Rewrite the examples of the chosen splits."""
        chosen = [e for e in examples if e.split in self.splits]
        again = iter(rewrite(self.graph, self.rewriter, chosen, seed))
        return [next(again) if e.split in self.splits else e for e in examples]
