"""Rewards for correct answers to questions of any form: options, names, decisions, amounts and texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.records import Example
from bbflow.rewards.base import Reward, Score
from bbflow.text.answers.consistency import denied, holds_denial, is_obfuscated, other_answers, strip_explanation
from bbflow.text.answers.extraction import (
    LETTER_ONLY,
    MARKED,
    chosen_option,
    final_answers,
    has_answer_marker,
    mentioned_option,
    retracts_option,
)
from bbflow.text.answers.quantities import DECISIONS, Quantity, decision, quantities, single_quantity
from bbflow.text.entity_linking import mentions, spellings


class GraphReward(Reward):
    """Base class of rewards that look names up in the graph."""

    graph: KnowledgeGraph

    def prepare(self, graph: KnowledgeGraph | None) -> None:
        """Keep the graph.

        Raises:
            InputError: There is none.
        """
        if graph is None:
            raise InputError(Problem(f"{type(self).__name__} needs the graph that the examples come from"))
        self.graph = graph

    def record_problems(self, examples: Sequence[Example]) -> list[Problem]:
        """List the records that cannot be judged, by scoring their own responses."""
        found = []
        for example in examples:
            try:
                self([example], [example.response])
            except InputError as error:
                found += error.problems
        return found


class CorrectAnswer(GraphReward):
    """1 if the answer is right, else 0. Range: 0 or 1; never abstains.

    A question with options requires the right one, by letter or text. An open question requires as many right names as its proof
    has answers, and no wrong one; the entity that the question itself names is ignored. A gold that is no name of the graph is a
    decision (yes, no, maybe), an amount in any unit, or else a text. Two different answers are wrong in any form (`The answer is A.
    Answer: B`, `Answer: B. No, A.`), and so are a denied name and look-alike letters.

    >>> from bbflow.testing import CHOICE, DECISION, DOSE, OPEN, print_scores
    >>> print_scores(CorrectAnswer(), CHOICE, ["Answer: amlodipine", "Answer: B", "Answer: A) amlodipine", "Answer: B. Answer: A"])
    | completion | score |
    |---|---|
    | `Answer: amlodipine` | 1 |
    | `Answer: B` | 1 |
    | `Answer: A) amlodipine` | 0 |
    | `Answer: B. Answer: A` | 0 |
    >>> print_scores(CorrectAnswer(), OPEN, ["Advil for osteoarthritis", "aspirin, warfarin"])
    | completion | score |
    |---|---|
    | `Advil for osteoarthritis` | 1 |
    | `aspirin, warfarin` | 0 |
    >>> print_scores(CorrectAnswer(), DOSE, ["10 mg/kg times 20 kg. Answer: 0.2 g", "Answer: 200 g", "Answer: 200 mg. Answer: 300 mg"])
    | completion | score |
    |---|---|
    | `10 mg/kg times 20 kg. Answer: 0.2 g` | 1 |
    | `Answer: 200 g` | 0 |
    | `Answer: 200 mg. Answer: 300 mg` | 0 |
    >>> print_scores(CorrectAnswer(), DECISION, ["Answer: Maybe.", "yes or maybe"])
    | completion | score |
    |---|---|
    | `Answer: Maybe.` | 1 |
    | `yes or maybe` | 0 |
    """

    requires: ClassVar[tuple[str, ...]] = ("answer",)

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion 0 or 1."""
        return [float(self.is_right(example, text)) for example, text in zip(examples, completions, strict=True)]

    def is_right(self, example: Example, completion: str) -> bool:
        """Return whether a completion answers its example.

        Raises:
            InputError: The record has no answer that a completion could give.
        """
        return self._answers(example, completion) and not is_obfuscated(example, completion)

    def _answers(self, example: Example, completion: str) -> bool:
        if example.options is not None:
            return _chooses(example, example.options, completion)
        golds = example.accepted or [example.answer]
        right = {self.graph.resolve(name) for name in golds}
        if right == {None}:
            return _states(example, golds, completion)
        amounts = [amount for gold in golds if (amount := _whole_amount(gold)) is not None]
        if amounts and _states(example, golds, completion):  # an amount that the graph names, in another unit
            return True
        return not _contradicts(amounts, completion) and self._names_right(example, completion, right)

    def _names_right(self, example: Example, completion: str, right: set[str | None]) -> bool:
        """Return whether a completion names as many right nodes as are wanted, none twice, no other, and denies none of them."""
        asked = {node for node in example.entities[:1] if node not in right}
        named = [node for node in mentions(self.graph, completion) if node not in asked]
        wanted = len(example.edges) if len(example.accepted) > 1 else 1
        if has_answer_marker(completion) and not right.intersection(
            n for text in final_answers(completion) for n in mentions(self.graph, text)
        ):
            return False  # named in the reasoning, and not given as the answer
        if not len(set(named)) == len(named) == wanted or not right.issuperset(named):
            return False
        return not self._denies(example, completion, named)

    def _denies(self, example: Example, completion: str, nodes: Sequence[str]) -> bool:
        """Return whether a completion denies one of the nodes, by any of its names or as it is written there."""
        if not holds_denial(completion):
            return False
        names = [name for node in nodes for name in (self.graph.name_of(node), *self.graph.node(node).synonyms)]
        return denied(example, completion, [*names, *spellings(self.graph, completion, nodes)])


class PartialAnswer(CorrectAnswer):
    """Partial credit: F1 of the given names against the wanted names. Range: [0, 1]; abstains on questions with options.

    An alternative to `CorrectAnswer`, which rewards complete answers only. Naming more than the wanted number divides the score by
    the excess, twice as many names score 0, and a question for one name gets no partial credit.

    >>> from bbflow.testing import LISTED, print_scores
    >>> everything = "aspirin, ibuprofen, warfarin, amlodipine"
    >>> print_scores(PartialAnswer(), LISTED, ["aspirin, ibuprofen", "aspirin", "aspirin, warfarin", everything, ""])
    | completion | score |
    |---|---|
    | `aspirin, ibuprofen` | 1 |
    | `aspirin` | 0.667 |
    | `aspirin, warfarin` | 0.5 |
    | `aspirin, ibuprofen, warfarin, amlodipine` | 0 |
    | (nothing) | 0 |
    """

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion in [0, 1]."""
        pairs = zip(examples, completions, strict=True)
        return [self._f1(example, text) if example.options is None else None for example, text in pairs]

    def _f1(self, example: Example, completion: str) -> float:
        right = {self.graph.resolve(name) for name in (example.accepted or [example.answer])}
        if right == {None}:
            return float(self.is_right(example, completion))
        asked = {node for node in example.entities[:1] if node not in right}
        named = [node for node in mentions(self.graph, completion) if node not in asked]
        if is_obfuscated(example, completion) or self._denies(example, completion, named):
            return 0.0
        wanted = len(example.edges) if len(example.accepted) > 1 else 1
        hits = min(len(right.intersection(named)), wanted)
        if not hits or len(named) >= 2 * wanted > 2:  # listing everything is no partial answer
            return 0.0
        if wanted == 1:
            return float(self.is_right(example, completion))
        precision, recall = hits / len(named), hits / wanted
        return 2 * precision * recall / (precision + recall) / max(1.0, len(named) / wanted)


def _chooses(example: Example, options: Sequence[str], completion: str) -> bool:
    """Return whether a completion chooses the right option and does not take it back."""
    if example.answer not in options:
        what = f"the answer {example.answer!r:.40} is none of the options, so nothing could be right"
        raise InputError(Problem(what, f"example {example.example_id}: answer"))
    if not _is_free_form(example):
        index = chosen_option(example, completion)
        return index is not None and options[index] == example.answer and not retracts_option(example, completion, index)
    index = mentioned_option(example, completion)
    return index is not None and options[index] == example.answer and not denied(example, completion, [example.answer])


def _contradicts(amounts: Sequence[Quantity], completion: str) -> bool:
    """Return whether a completion gives another amount of the same dimension."""
    dimensions = {amount.dimension for amount in amounts}
    others = [q for q in quantities(completion) if q.dimension in dimensions] if amounts else []
    return any(not any(q.equals(amount) for amount in amounts) for q in others)


def _states(example: Example, golds: Sequence[str], completion: str) -> bool:
    """Return whether a completion states a gold that is no name of the graph: a decision, an amount, or a text."""
    if not any(gold.strip() for gold in golds):
        raise InputError(Problem("the record has no answer to compare with", f"example {example.example_id}: answer"))
    said, (claims, after) = final_answers(completion), other_answers(completion)
    folded = {fold(gold) for gold in golds} - {""}
    if not folded:
        what = f"the answer {golds[0]!r:.40} has no letter or digit that could be compared"
        raise InputError(Problem(what, f"example {example.example_id}: answer"))
    if folded <= set(DECISIONS):
        short = [t for t in (*claims, *map(strip_explanation, claims), *after) if len(t.split()) <= _SHORT]
        found = {decision(text) for text in said} | {decision(text) for text in short} - {None}
        return len(found) == 1 and found <= folded
    wanted = [amount for gold in golds if (amount := _whole_amount(gold)) is not None]
    if wanted:
        return _states_amount(wanted, said, [*claims, *after])
    agrees = all(fold(claim) in folded or fold(strip_explanation(claim)) in folded for claim in claims)
    return agrees and len({fold(text) for text in said}) == 1 and fold(said[0]) in folded


def _states_amount(wanted: Sequence[Quantity], said: Sequence[str], further: Sequence[str]) -> bool:
    """Return whether all final answers are the same wanted amount and no further text is another amount of its dimension."""
    stated = [single_quantity(text) for text in said]
    again = [amount for text in further if (amount := _whole_amount(text)) is not None]
    return any(
        all(amount is not None and amount.equals(gold) for amount in stated)
        and all(amount.equals(gold) for amount in again if amount.dimension == gold.dimension)
        for gold in wanted
    )


_SHORT = 3
"""Most words of a sentence after the answer that is read as another decision; a longer one explains."""


def _whole_amount(gold: str) -> Quantity | None:
    """Return the amount that a gold is; None for a text, even one with a number in it."""
    return single_quantity(gold) if re.match(r"\s*[-+\u2212]?[\d.]", gold) else None


def _is_free_form(example: Example) -> bool:
    """Return whether the constraints leave no room for an `Answer:` mark, so that the one option it names is the answer."""
    return bool(example.constraints) and all(c["type"] not in (LETTER_ONLY, MARKED) for c in example.constraints)
