"""Is the answer right? Domain knowledge, whatever the form it is asked in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example
from bbflow.rewards.base import Reward, Score
from bbflow.rewards.extraction import LETTER_ONLY, chosen_option, mentioned_option, mentions


class GraphReward(Reward):
    """Shared by rewards that look names up in the graph."""

    graph: KnowledgeGraph

    def prepare(self, graph: KnowledgeGraph | None) -> None:
        """Keeps the graph.

        Raises:
            InputError: There is none.
        """
        if graph is None:
            raise InputError(Problem(f"{type(self).__name__} needs the graph that the examples come from"))
        self.graph = graph


class CorrectAnswer(GraphReward):
    """1 where the answer is right, else 0.

    A question with options wants the right one, by letter or text. An open question wants as many right names as its proof
    has answers, and not a single wrong one; the entity that the question itself names counts neither way.

    | question | completion | score |
    |---|---|---|
    | options warfarin, aspirin; gold aspirin | `Answer: aspirin` | 1 |
    | the same | `Answer: B` | 1 |
    | the same | `Answer: A) aspirin` | 0 |
    | the same | `Answer: aspirin. Answer: warfarin` | 0 |
    | name one drug for gout | `allopurinol` | 1 |
    | the same | `allopurinol, aspirin` | 0 |
    """

    requires: ClassVar[tuple[str, ...]] = ("answer",)

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Scores each completion 0 or 1."""
        return [float(self.is_right(example, text)) for example, text in zip(examples, completions, strict=True)]

    def is_right(self, example: Example, completion: str) -> bool:
        """Tells whether one completion answers its example."""
        if example.options is not None:
            index = chosen_option(example, completion) if not _is_free_form(example) else mentioned_option(example, completion)
            return index is not None and example.options[index] == example.answer
        right = {self.graph.resolve(name) for name in (example.accepted or [example.answer])}
        asked = {node for node in example.entities[:1] if node not in right}
        named = [node for node in mentions(self.graph, completion) if node not in asked]
        wanted = len(example.edges) if len(example.accepted) > 1 else 1
        return len(set(named)) == len(named) == wanted and right.issuperset(named)


def _is_free_form(example: Example) -> bool:
    """Tells whether the demanded form leaves no room for an `Answer:` mark, so that the one option it names is the answer."""
    return bool(example.constraints) and all(c["type"] != LETTER_ONLY for c in example.constraints)
