"""Reward for citations: the cited facts exist, and they support the sentences that cite them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from bbflow.graph.knowledge_graph import fold
from bbflow.records import Example, Triple
from bbflow.rewards.base import Score
from bbflow.rewards.correctness import CorrectAnswer
from bbflow.rewards.reasoning import canonical, proof_of
from bbflow.text.answers.consistency import has_single_answer
from bbflow.text.answers.extraction import final_answers
from bbflow.text.verbalization import parse

_NUMBERED = re.compile(r"\[(\d+)\]\s*([^\[\n]+)")
_CITED = re.compile(r"\[(\d+)\]")


class GroundedCitations(CorrectAnswer):
    """F1 of the citations against the proof: a citation counts if its fact exists, is an edge, and is stated by its sentence.

    The prompt numbers its facts, `[1] asthma is diagnosed by spirometry.`, and the reasoning cites them, `asthma is diagnosed by
    spirometry [1].` Precision is over the sentences of the reasoning and all further citations, recall over the record's proof. Range:
    [0, 1]; 0 if the answer is not right; abstains if the prompt numbers no facts or the record has no proof.

    >>> from bbflow.testing import CITED, print_scores
    >>> one, two = "propranolol is contraindicated in asthma", "asthma is diagnosed by spirometry"
    >>> every = "[1] [2] [3]"
    >>> good, bad = f"{one} [1]. {two} [3].", f"{one} [1]. {two} [2]."
    >>> texts = [good, bad, f"{one} [1].", f"{one}. {two}.", f"{one} {every}. {two} {every}."]
    >>> print_scores(GroundedCitations(), CITED, [f"{text} Answer: spirometry" for text in texts])
    | completion | score |
    |---|---|
    | `propranolol is contraindicated in asthma [1]. asthma is diagnosed by spirometry [3]. Answer: spirometry` | 1 |
    | `propranolol is contraindicated in asthma [1]. asthma is diagnosed by spirometry [2]. Answer: spirometry` | 0.5 |
    | `propranolol is contraindicated in asthma [1]. Answer: spirometry` | 0.667 |
    | `propranolol is contraindicated in asthma. asthma is diagnosed by spirometry. Answer: spirometry` | 0 |
    | `propranolol is contraindicated in asthma [1] [2] [3]. asthma is diagnosed by spirometry [1] [2] [3]. Answer: spirometry` | 0.5 |
    """

    requires: ClassVar[tuple[str, ...]] = ("answer", "edges")

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion in [0, 1]."""
        return [self._score(example, text) for example, text in zip(examples, completions, strict=True)]

    def _score(self, example: Example, completion: str) -> Score:
        facts = self.facts(example.prompt)
        if not facts or not example.edges:
            return None
        proof = proof_of(example)
        head, marker, _ = completion.rpartition("Answer:")
        if not marker or not self.ends_right(example, completion):
            return 0.0
        claims, grounded = 0, set[Triple]()
        for sentence in filter(str.strip, re.split(r"\.(?:\s|$)|\n", head)):
            cited = _CITED.findall(sentence)
            stated = parse(self.graph, _CITED.sub("", sentence))
            said = [canonical(t) for t in stated if t is not None and self.graph.has(*t)]
            claims += max(1, len(cited), len(stated))
            grounded |= {t for t in said if any(facts.get(number) == t for number in cited)}
        hits = len(grounded & proof)
        return 2 * hits / (claims + len(proof)) if hits else 0.0

    def ends_right(self, example: Example, completion: str) -> bool:
        """Return whether every final answer is right, ignoring the names in the reasoning."""
        if example.options is not None:
            return self.is_right(example, completion)
        golds = example.accepted or [example.answer]
        right = {self.graph.resolve(gold) or fold(gold) for gold in golds}
        said = {self.graph.resolve(text) or fold(text) for text in final_answers(completion)}
        return len(said) == 1 and said <= right and has_single_answer(example, completion)

    def facts(self, prompt: str) -> dict[str, Triple]:
        """Return the numbered facts of a prompt that are statements, as number to triple."""
        found = {}
        for number, text in _NUMBERED.findall(prompt):
            triple = (parse(self.graph, text.strip()) or [None])[0]
            if triple is not None:
                found[number] = canonical(triple)
        return found
