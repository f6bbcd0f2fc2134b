"""Rewards for correct answers to questions of any form: options, names, decisions, amounts and texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from bbflow.errors import InputError, Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.graph.memo import memoize_per_graph
from bbflow.records import Example
from bbflow.rewards.advice_reader import AdviceReader
from bbflow.rewards.base import Reward, Score
from bbflow.text.answers.consistency import begins_with_gold, is_taken_back, sentences_beside
from bbflow.text.answers.extraction import (
    LETTER_ONLY,
    MARKED,
    answered_option,
    begins_with_option,
    chosen_answers,
    chosen_option,
    cores,
    final_answers,
    has_answer_marker,
    mentioned_option,
)
from bbflow.text.answers.obfuscation import is_obfuscated
from bbflow.text.answers.options import decided_otherwise, is_negated, named_options, split_clauses
from bbflow.text.answers.quantities import DECISIONS, Quantity, decision, quantities, single_quantity
from bbflow.text.answers.reading import Sentence, read_completion
from bbflow.text.answers.relations import contradicts_proof, is_proven, read_clause
from bbflow.text.entity_linking import mentions


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


_CACHE_SIZE = 5_000


@memoize_per_graph
def _verdicts(graph: KnowledgeGraph) -> dict[tuple[int, str], tuple[Example, bool]]:
    """Return the verdicts on completions of late, each with its example, since several rewards judge the same completions."""
    return {}


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

    def prepare(self, graph: KnowledgeGraph | None) -> None:
        """Keep the graph, and the reader of advice that needs it."""
        super().prepare(graph)
        self.reader = AdviceReader(self.graph)

    def is_right(self, example: Example, completion: str) -> bool:
        """Return whether a completion answers its example, and nothing in it takes that back, contradicts it or endangers the patient.

        Raises:
            InputError: The record has no answer that a completion could give.
        """
        known, key = _verdicts(self.graph), (id(example), completion)
        entry = known.get(key)
        if entry is not None and entry[0] is example:
            return entry[1]
        right = self._answers(example, completion) and not is_obfuscated(example, completion) and not self._is_undone(example, completion)
        if len(known) >= _CACHE_SIZE:
            known.clear()
        known[key] = example, right
        return right

    def _answers(self, example: Example, completion: str) -> bool:
        if example.options is not None:
            return _chooses(example, example.options, completion)
        golds = example.accepted or [example.answer]
        right = {self.graph.resolve(name) for name in golds}
        if right == {None}:
            return _states(example, golds, completion)
        amounts = [amount for gold in golds if (amount := _whole_amount(gold)) is not None]
        return _states(example, golds, completion) if amounts else self._names_right(example, completion, right)

    def _is_undone(self, example: Example, completion: str) -> bool:
        """Return whether a completion with the right answer takes it back, contradicts it, or advises what the patient must not have."""
        announced = is_announced(example, completion)
        if announced and says_nothing_else(self.graph, example, completion):
            return False
        index = chosen_or_mentioned(example, completion) if example.options is not None else None
        return (
            is_taken_back(example, completion, index)
            or contradicts_proof(self.graph, example, completion, announced)
            or (example.patient is not None and self.reader.forbids(example, completion))
        )

    def _names_right(self, example: Example, completion: str, right: set[str | None]) -> bool:
        """Return whether a completion names as many right nodes as are wanted, none twice and no other."""
        asked = {node for node in example.entities[:1] if node not in right}
        wanted = len(example.edges) if len(example.accepted) > 1 else 1
        if not has_answer_marker(completion):
            named = [node for node in self._asserted(completion, right) if node not in asked]
            return len(set(named)) == len(named) == wanted and right.issuperset(named)
        given = {self._names_of_answer(text, asked, right, wanted) for text in final_answers(completion)}
        return len(given) == 1 and None not in given

    def _asserted(self, completion: str, right: set[str | None]) -> list[str]:
        """Return the nodes that a completion names, without wrong ones that it names only to deny them: `A, not B`."""
        named = mentions(self.graph, completion)
        if right.issuperset(named):
            return named
        sentences = read_completion(completion).sentences
        clauses = [read_clause(self.graph, text) for sentence in sentences for text in split_clauses(sentence.text)]
        denied_ones = {n for clause in clauses if is_negated(clause.words) for n in clause.nodes} - right
        kept = {n for clause in clauses if not is_negated(clause.words) for n in clause.nodes}
        return [node for node in named if node not in denied_ones - kept]

    def _names_of_answer(self, text: str, asked: set[str], right: set[str | None], wanted: int) -> frozenset[str] | None:
        """Return the right nodes that an answer gives; None where it gives none, too few, too many, or another one."""
        for said, rest in cores(text):
            named = {node for node in mentions(self.graph, said) if node not in asked}
            if len(named) == wanted and right.issuperset(named) and not is_negated(read_clause(self.graph, said).words):
                kinds = {self.graph.node(node).kind for node in named}
                clauses = [read_clause(self.graph, part) for part in split_clauses(rest)]
                further = {n for c in clauses if not is_negated(c.words) for n in c.nodes if self.graph.node(n).kind in kinds}
                return None if further - right - asked else frozenset(named)
        return None


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
        if is_obfuscated(example, completion) or self._is_undone(example, completion):
            return 0.0
        if has_answer_marker(completion) and any(is_negated(read_clause(self.graph, text).words) for text in final_answers(completion)):
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
    """Return whether a completion chooses the right option."""
    if example.answer not in options:
        what = f"the answer {example.answer!r:.40} is none of the options, so nothing could be right"
        raise InputError(Problem(what, f"example {example.example_id}: answer"))
    index = chosen_or_mentioned(example, completion)
    return index is not None and options[index] == example.answer


def chosen_or_mentioned(example: Example, completion: str) -> int | None:
    """Return the option that a completion chooses; in free form, where there is no room for a mark, the one that it names."""
    index = chosen_option(example, completion)
    if index is not None or not _is_free_form(example) or has_answer_marker(completion):
        return index
    options = example.options or []
    if (index := mentioned_option(example, completion)) is not None:
        return index
    kept = []
    for clause in (text for sentence in read_completion(completion).sentences for text in split_clauses(sentence.text)):
        named, words = named_options(clause, options)
        if not (named and is_negated(words)):
            kept.append(clause)
    return mentioned_option(example, ". ".join(kept))


def says_nothing_else(graph: KnowledgeGraph, example: Example, completion: str) -> bool:
    """Return whether a completion holds true statements and its answer alone, so that nothing in it can contradict the answer."""
    reading = read_completion(completion)
    if not all(not sentence.asks and is_proven(graph, sentence.text) for sentence in reading.sentences):
        return False
    return example.options is None or not any(rest for _, rest in chosen_answers(example, completion))


def is_announced(example: Example, completion: str) -> bool:
    """Return whether a completion gives its answer by itself, and not within its sentences."""
    if has_answer_marker(completion):
        return True
    return begins_with_gold(example, completion) if example.options is None else begins_with_option(example, completion)


def _states(example: Example, golds: Sequence[str], completion: str) -> bool:
    """Return whether a completion states a gold that is no name of the graph: a decision, an amount, or a text."""
    if not any(gold.strip() for gold in golds):
        raise InputError(Problem("the record has no answer to compare with", f"example {example.example_id}: answer"))
    folded = {fold(gold) for gold in golds} - {""}
    if not folded:
        what = f"the answer {golds[0]!r:.40} has no letter or digit that could be compared"
        raise InputError(Problem(what, f"example {example.example_id}: answer"))
    said = final_answers(completion)
    if folded <= set(DECISIONS):
        found = {_decision_of(text) for text in said}
        return len(found) == 1 and found <= folded and not any(_decides_otherwise(s, folded) for s in sentences_beside(example, completion))
    wanted = [amount for gold in golds if (amount := _whole_amount(gold)) is not None]
    if wanted:
        after = [s.text for s in sentences_beside(example, completion) if s.after]
        return _states_amount(wanted, said, after)
    return all(any(fold(core) in folded and (not rest or _EXPLAINS.match(rest)) for core, rest in cores(text)) for text in said)


_EXPLAINS = re.compile(r"(?:because|since|as|which|who|that is|for|due to|given|i\.?e)\b", re.IGNORECASE)
"""The beginning of a reason behind an answer."""
_RATE = re.compile(r"(?:per|a|an|each|every|daily|hourly|weekly|times|twice|once|in|x)\b|/|.*[0-9]", re.IGNORECASE)
"""What belongs to the amount before it."""


def _decision_of(text: str) -> str | None:
    """Return the decision of an answer, alone or before its reason."""
    options = sorted(DECISIONS)
    index, rest = answered_option(text, options)
    if index is None:
        return decision(text)
    otherwise = any(decided_otherwise(clause, options[index]) for clause in split_clauses(rest))
    return None if otherwise else options[index]


def _decides_otherwise(sentence: Sentence, wanted: set[str]) -> bool:
    """Return whether a sentence after the answer decides otherwise."""
    return sentence.after and any(decided_otherwise(clause, next(iter(wanted))) for clause in split_clauses(sentence.text))


def _states_amount(wanted: Sequence[Quantity], said: Sequence[str], after: Sequence[str]) -> bool:
    """Return whether all final answers are the same wanted amount and no sentence after them gives another one of its dimension."""
    further = [amount for text in after for amount in quantities(text)]
    return any(
        all(any(_is_amount(core, rest, gold) for core, rest in cores(text)) for text in said)
        and all(amount.equals(gold) for amount in further if amount.dimension == gold.dimension)
        for gold in wanted
    )


def _is_amount(core: str, rest: str, gold: Quantity) -> bool:
    """Return whether an answer is an amount, alone or before a reason that gives no other one."""
    amount = single_quantity(core.casefold() if core.isupper() else core)
    if amount is None or not amount.equals(gold):
        return False
    if not _EXPLAINS.match(rest) and _RATE.match(rest):
        return False
    return all(other.equals(gold) for other in quantities(rest) if other.dimension == gold.dimension)


def _whole_amount(gold: str) -> Quantity | None:
    """Return the amount that a gold is; None for a text, even one with a number in it."""
    return single_quantity(gold) if re.match(r"\s*[-+\u2212]?[\d.]", gold) else None


def _is_free_form(example: Example) -> bool:
    """Return whether the constraints leave no room for an `Answer:` mark, so that the one option it names is the answer."""
    return bool(example.constraints) and all(c["type"] not in (LETTER_ONLY, MARKED) for c in example.constraints)
