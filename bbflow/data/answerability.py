"""Answerability: drop questions that a policy never answers right in k tries, as Source2Synth does (arXiv 2409.08239)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bbflow.errors import Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example
from bbflow.rewards.correctness import CorrectAnswer
from bbflow.synthesis.curation.base import CurationStage, unknown_splits
from bbflow.synthesis.rewriting.policy_sampler import PolicySampler


class Answerability(CurationStage):
    """Ask a policy each question several times and grade its difficulty by the rate of right answers.

    An example is kept if at least one try is right. Its `level` becomes 1 if every try is right, and one more for each wrong try,
    so that the hardest question that is still answerable has level `tries`.

    Args:
        policy: `tiny`, a folder or a Hub id.
        tries: Tries for each question, k.
        drop_easy: Also drop questions that every try answers right.
        drop_unanswered: Drop questions that no try answers right; false keeps and grades them as the hardest.
        temperature: Sampling temperature.
        max_new_tokens: Longest answer.
        batch_size: Questions of one batch.
        splits: Splits to grade; held-out splits should not depend on a policy.
    """

    def __init__(
        self,
        policy: str,
        tries: int = 4,
        drop_easy: bool = False,
        drop_unanswered: bool = True,
        temperature: float = 1.0,
        max_new_tokens: int = 96,
        batch_size: int = 32,
        splits: list[str] | None = None,
    ) -> None:
        self.tries, self.drop_easy, self.drop_unanswered = tries, drop_easy, drop_unanswered
        self.splits = splits or ["train"]
        self._sampler = PolicySampler(policy, tries, temperature, max_new_tokens, batch_size)

    def problems(self, where: str) -> list[Problem]:
        """List unknown splits, and sampling settings that yield no answer."""
        return [*unknown_splits(self.splits, where), *self._sampler.problems(where)]

    def prepare(self, graph: KnowledgeGraph) -> None:
        """Keep the graph, from which answers are judged."""
        self.judge = CorrectAnswer()
        self.judge.prepare(graph)

    def __call__(self, examples: Sequence[Example], seed: int) -> list[Example | str]:
        """Sample answers, judge them and grade each example."""
        chosen = [e for e in examples if e.split in self.splits]
        texts = iter(self._sampler([e.messages for e in chosen], seed))
        return [self._graded(e, next(texts)) if e.split in self.splits else e for e in examples]

    def _graded(self, example: Example, completions: Sequence[str]) -> Example | str:
        right = sum(bool(score) for score in self.judge([example] * len(completions), completions))
        if right == 0 and self.drop_unanswered:
            return f"not answered in {self.tries} tries"
        if right == self.tries and self.drop_easy:
            return f"answered in each of {self.tries} tries"
        return replace(example, level=self.tries - right + 1)
