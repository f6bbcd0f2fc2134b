"""Rewards for clinical steps in the right order, and for action on red flags."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example
from bbflow.rewards.base import Reward, Score
from bbflow.rewards.correctness import CorrectAnswer
from bbflow.text.answers.consistency import has_single_answer
from bbflow.text.answers.extraction import has_answer_marker
from bbflow.text.answers.obfuscation import is_obfuscated
from bbflow.text.entity_linking import NameIndex, mentions
from bbflow.text.negation import DENIED_URGENCY, SKIPPED_STEP
from bbflow.text.tokenization import TokenizedText

ESCALATION = ("emergency", "emergent", "urgent", "urgently", "immediately", "immediate", "refer", "referral", "admit", "admission")
"""Words for immediate action."""
_REACH = 12
"""Number of words before a step in which a denial is looked for."""
_ESCALATES = re.compile(rf"\b(?:{'|'.join(ESCALATION)})\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[.;\n]")


class WorkflowSteps(Reward):
    """Steps in the right order, over the larger of the wanted and the named steps. Range: [0, 1]; abstains without a workflow.

    The score counts the longest run of wanted steps that the completion names in their order (longest increasing subsequence). A
    repeated step counts again as a named step, so that naming all steps over and over does not pay. If the prompt lists the steps, as
    in a question of ordering, a repetition of the prompt scores as its order deserves. Two different answers, or none among the
    options, score 0; a wrong answer does not change the score.

    >>> from bbflow.testing import WORKFLOW, print_scores
    >>> whole, backwards = "history, examination, spirometry, treatment", "treatment, spirometry, examination, history"
    >>> print_scores(WorkflowSteps(), WORKFLOW, [whole, "history, spirometry, treatment", backwards, f"history, {whole}", ""])
    | completion | score |
    |---|---|
    | `history, examination, spirometry, treatment` | 1 |
    | `history, spirometry, treatment` | 0.75 |
    | `treatment, spirometry, examination, history` | 0.25 |
    | `history, history, examination, spirometry, treatment` | 0.8 |
    | (nothing) | 0 |

    Args:
        whole: Score 1 for all steps in order, else 0.
    """

    requires: ClassVar[tuple[str, ...]] = ("workflow",)

    def __init__(self, whole: bool = False) -> None:
        self.whole = whole

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion in [0, 1]."""
        pairs = zip(examples, completions, strict=True)
        return [(self._score(e.workflow, text) if _may_count(e, text) else 0.0) if e.workflow else None for e, text in pairs]

    def _score(self, steps: Sequence[str], completion: str) -> float:
        told = extract_steps(steps, completion)
        ends: list[int] = []
        for step in told:
            place = bisect_left(ends, step)
            ends[place : place + 1] = [step]
        share = len(ends) / max(len(steps), len(told))
        return float(share == 1.0) if self.whole else share


def _may_count(example: Example, completion: str) -> bool:
    """Return whether a completion gives one answer, legibly, where the record offers options or the completion marks an answer."""
    answers = example.options is not None or has_answer_marker(completion)
    return has_single_answer(example, completion) if answers else not is_obfuscated(example, completion)


def extract_steps(steps: Sequence[str], completion: str) -> list[int]:
    """Return the steps that a text names, in order of naming; of overlapping names the longest counts. Denied steps are left out.

    >>> extract_steps(["test", "blood test"], "First the blood test, then another test."), extract_steps(["history"], "Skip the history.")
    ([1, 0], [])
    """
    number = {step: i for i, step in enumerate(steps)}
    text = TokenizedText(completion)
    found = _index_of(tuple(steps)).mentions(text)
    before = [" ".join(text.words[max(0, m.first - _REACH) : m.first]) + " " for m in found]
    return [number[m.nodes[0]] for m, words in zip(found, before, strict=True) if not SKIPPED_STEP.reaches(words, len(words))]


@lru_cache(maxsize=1_000)
def _index_of(steps: tuple[str, ...]) -> NameIndex:
    return NameIndex.of(steps)


class RedFlagHandled(CorrectAnswer):
    """1 if a red flag of the prompt is named and acted on at once, else 0; without one, 1 if nothing is escalated. Range: 0 or 1.

    A red flag is a finding marked so in the graph, by itself (`red_flag: true`) or for a disease of the record (`has_red_flag`).
    Action is one of the words `urgent`, `emergency`, `refer` and the like, not denied. The answer must also be right, so that silence, a
    repeated prompt or arbitrary text scores 0. Escalating everything does not pay, since prompts without a red flag count too. Abstains
    if the record has no workflow, and if the reference response does not act on a red flag of the prompt, since the action has been
    taken already or the question is about something else.

    >>> from dataclasses import replace
    >>> from bbflow.graph.knowledge_graph import KnowledgeGraph, Node
    >>> from bbflow.testing import example
    >>> reward = RedFlagHandled()
    >>> reward.prepare(KnowledgeGraph([Node("finding:stiff_neck", "PhenotypicFeature", "stiff neck", (), {"red_flag": True})], []))
    >>> flagged = example("A patient has a headache and a stiff neck. What next?", "lumbar puncture", workflow=["history"],
    ...                   response="Stiff neck: urgent. Answer: lumbar puncture")
    >>> plain = example("A patient has a headache. What next?", "history", workflow=["history"])
    >>> reward([flagged] * 3, ["Stiff neck: urgent. Answer: lumbar puncture", "Answer: lumbar puncture", "Stiff neck: urgent."])
    [1.0, 0.0, 0.0]
    >>> reward([plain, plain, plain], ["urgent referral. Answer: history", "Answer: history", "anything"])
    [0.0, 1.0, 0.0]
    """

    requires: ClassVar[tuple[str, ...]] = ("workflow",)

    def prepare(self, graph: KnowledgeGraph | None) -> None:
        """Keep the graph, and collect the findings that are red flags by themselves."""
        super().prepare(graph)
        self.flags = {node.id for node in self.graph.nodes() if node.attributes.get("red_flag")}

    def red_flags(self, example: Example) -> set[str]:
        """Return the red flags that the prompt names."""
        diseases = [node for node in example.entities if node in self.graph]
        return {
            finding
            for finding in mentions(self.graph, example.prompt)
            if finding in self.flags or any(_marks(self.graph, disease, finding) for disease in diseases)
        }

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion 0 or 1."""
        return [self._score(e, text) if e.workflow else None for e, text in zip(examples, completions, strict=True)]

    def _score(self, example: Example, completion: str) -> Score:
        flags = self.red_flags(example)
        if flags and not _escalates(example.response):
            return None
        if not self.is_right(example, completion) or _escalates(completion) != bool(flags):
            return 0.0
        return float(not flags or bool(flags.intersection(mentions(self.graph, completion))))


def _escalates(completion: str) -> bool:
    """Return whether a text calls for immediate action without denying it.

    >>> _escalates("urgent referral, no delay"), _escalates("not urgent"), _escalates("no need for an urgent referral")
    (True, False, False)
    """
    return any(
        not DENIED_URGENCY.reaches(text, match.start()) for text in _SENTENCE.split(completion) for match in _ESCALATES.finditer(text)
    )


def _marks(graph: KnowledgeGraph, disease: str, finding: str) -> bool:
    """Return whether a finding is a red flag of a disease in the graph."""
    edge = graph.edge(disease, "has_phenotype", finding)
    return graph.has(disease, "has_red_flag", finding) or (edge is not None and bool(edge.attributes.get("red_flag")))
