"""Are the clinical steps there, in order, and is a red flag acted on?"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import ClassVar

from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.records import Example
from bbflow.rewards.base import Reward, Score
from bbflow.rewards.extraction import mentions

ESCALATION = ("emergency", "emergent", "urgent", "urgently", "immediately", "immediate", "refer", "referral", "admit", "admission")
"""Words that say that something is acted on at once."""
_NEGATED = re.compile(r"\b(no|not|non|without|never|nothing)\b")


class WorkflowSteps(Reward):
    """Steps in the right order, over the larger of the steps wanted and the steps told. Range: [0, 1]; abstains without a workflow.

    The score counts the longest run of wanted steps that the completion names in their order (longest increasing subsequence); a step told
    twice counts as told twice, so naming all steps over and over does not pay. Where the prompt already lists the steps, as in a question
    of ordering, one that merely repeats it in its own order gets what that order is worth.

    >>> from bbflow.rewards.worked import WORKFLOW, table
    >>> whole, backwards = "history, examination, spirometry, treatment", "treatment, spirometry, examination, history"
    >>> table(WorkflowSteps(), WORKFLOW, [whole, "history, spirometry, treatment", backwards, f"history, {whole}", ""])
    | completion | score |
    |---|---|
    | `history, examination, spirometry, treatment` | 1 |
    | `history, spirometry, treatment` | 0.75 |
    | `treatment, spirometry, examination, history` | 0.25 |
    | `history, history, examination, spirometry, treatment` | 0.8 |
    | (nothing) | 0 |

    Args:
        whole: Pay 1 for all steps in order and nothing for less.
    """

    requires: ClassVar[tuple[str, ...]] = ("workflow",)

    def __init__(self, whole: bool = False) -> None:
        self.whole = whole

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Scores each completion in [0, 1]."""
        return [self._score(e.workflow, text) if e.workflow else None for e, text in zip(examples, completions, strict=True)]

    def _score(self, steps: Sequence[str], completion: str) -> float:
        told = told_steps(steps, completion)
        ends: list[int] = []
        for step in told:
            place = bisect_left(ends, step)
            ends[place:] = [step]
        share = len(ends) / max(len(steps), len(told))
        return float(share == 1.0) if self.whole else share


def told_steps(steps: Sequence[str], completion: str) -> list[int]:
    """Returns which steps a text names, in order of naming; the longest name wins where names overlap.

    >>> told_steps(["test", "blood test"], "First the blood test, then another test.")
    [1, 0]
    """
    longest = sorted(range(len(steps)), key=lambda i: -len(fold(steps[i])))
    pattern = "|".join(re.escape(fold(steps[i])) for i in longest if fold(steps[i]))
    number = {fold(step): i for i, step in enumerate(steps)}
    return [number[match[0]] for match in re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", fold(completion))] if pattern else []


class RedFlagHandled(Reward):
    """1 where a red flag of the prompt is named and acted on at once, else 0; without one, 1 where nothing is escalated. Range: 0 or 1.

    A red flag is a finding that the graph marks so, by itself (`red_flag: true`) or for a disease of the record (`has_red_flag`); acting
    is one of the words `urgent`, `emergency`, `refer` and their kin, not negated in its sentence. Escalating everything does not pay,
    since prompts without a red flag count too. Abstains where the record has no workflow.

    >>> from dataclasses import replace
    >>> from bbflow.graph.knowledge_graph import KnowledgeGraph, Node
    >>> from bbflow.rewards.worked import example
    >>> reward = RedFlagHandled()
    >>> reward.prepare(KnowledgeGraph([Node("finding:stiff_neck", "PhenotypicFeature", "stiff neck", (), {"red_flag": True})], []))
    >>> flagged = example("A patient has a headache and a stiff neck. What next?", "lumbar puncture", workflow=["history"])
    >>> plain = example("A patient has a headache. What next?", "history", workflow=["history"])
    >>> reward([flagged, flagged, plain, plain], ["Stiff neck: urgent lumbar puncture.", "history", "urgent referral", "history"])
    [1.0, 0.0, 0.0, 1.0]
    """

    requires: ClassVar[tuple[str, ...]] = ("workflow",)

    def prepare(self, graph: KnowledgeGraph | None) -> None:
        """Keeps the graph, and lists what is a red flag by itself."""
        self.graph = graph
        self.flags = {node.id for node in graph.nodes() if node.attributes.get("red_flag")} if graph else set()

    def red_flags(self, example: Example) -> set[str]:
        """Returns the red flags that the prompt names."""
        if self.graph is None:
            return set()
        diseases = [node for node in example.entities if node in self.graph]
        return {
            finding
            for finding in mentions(self.graph, example.prompt)
            if finding in self.flags or any(_marks(self.graph, disease, finding) for disease in diseases)
        }

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Scores each completion 0 or 1."""
        return [self._score(e, text) if e.workflow else None for e, text in zip(examples, completions, strict=True)]

    def _score(self, example: Example, completion: str) -> float:
        if self.graph is None or not completion.strip():
            return 0.0
        flags = self.red_flags(example)
        escalated = any(
            set(fold(sentence).split()) & set(ESCALATION) and not _NEGATED.search(fold(sentence))
            for sentence in re.split(r"[.;\n]", completion)
        )
        named = bool(flags.intersection(mentions(self.graph, completion)))
        return float(escalated and named) if flags else float(not escalated)


def _marks(graph: KnowledgeGraph, disease: str, finding: str) -> bool:
    """Tells whether the graph calls a finding a red flag of a disease."""
    edge = graph.edge(disease, "has_phenotype", finding)
    return graph.has(disease, "has_red_flag", finding) or (edge is not None and bool(edge.attributes.get("red_flag")))
