"""`Rewriter`, the base class of rewriters, and the check that their texts must pass."""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from bbflow.errors import Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example, Message
from bbflow.text.entity_linking import entity_linker
from bbflow.text.negation import count_negations
from bbflow.text.tokenization import TokenizedText

_NUMBERS = re.compile(r"\d+(?:\.\d+)?")


class Rewriter(ABC):
    """Propose other wordings. Proposals may be wrong: `rewrite` checks each and otherwise keeps the first wording."""

    def problems(self, where: str) -> list[Problem]:
        """List the mistakes in the settings; `where` is their key in the recipe."""
        return []

    @abstractmethod
    def __call__(self, texts: Sequence[str], seed: int) -> list[list[str]]:
        """Propose wordings.

        Args:
            texts: Questions, without their options and constraints.
            seed: The same texts and seed give the same proposals.

        Returns:
            For each text its proposals, best first; may be empty.
        """


def rewrite(graph: KnowledgeGraph, rewriter: Rewriter, examples: Sequence[Example], seed: int) -> list[Example]:
    """Rewrite the question in each example's last user turn; evidence, options and constraints are unchanged."""
    parts = [_parts(example) for example in examples]
    proposals = rewriter([question for _, question, _ in parts], seed)
    found = []
    for example, (before, question, after), texts in zip(examples, parts, proposals, strict=True):
        accepted = next((text for text in texts if text != question and faithful(graph, question, text)), None)
        if accepted is None:
            found.append(example)
            continue
        messages = [Message(role=m["role"], content=m["content"]) for m in example.messages]
        last = max(i for i, message in enumerate(messages) if message["role"] == "user")
        messages[last]["content"] = before + accepted + after
        provenance = example.provenance and {
            **example.provenance,
            "template": f"{example.provenance['template']}~{type(rewriter).__name__}",
        }
        found.append(replace(example, messages=messages, provenance=provenance))
    return found


def faithful(graph: KnowledgeGraph, before: str, after: str) -> bool:
    """Return whether a paraphrase has each entity, number and negation equally often, and ends like the question.

    Entities are compared by node, so a synonym may replace a name. Since nothing that decides the answer can appear, vanish or be
    negated, the answer is that of the first wording.
    """
    if not after.strip() or "\n" in after.strip() or len(after) > 3 * len(before) + 40:
        return False
    if _named(graph, before) != _named(graph, after):
        return False
    if Counter(_NUMBERS.findall(before)) != Counter(_NUMBERS.findall(after)):
        return False
    return count_negations(before) == count_negations(after) and before.rstrip()[-1:] == after.rstrip()[-1:]


def _named(graph: KnowledgeGraph, text: str) -> Counter[tuple[str, ...]]:
    """Count what a text names: the nodes of a name, or the family of drugs."""
    linker, words = entity_linker(graph), TokenizedText(text)
    found = linker.mentions(words, longest=linker.with_amounts)
    return Counter(m.nodes or (linker.family(words, m) or "".join(words.words[m.first : m.last]),) for m in found)


def _parts(example: Example) -> tuple[str, str, str]:
    """Split a prompt into the text before the question, the question, and its options and constraints."""
    lines = example.prompt.split("\n")
    at = 1 if example.open_book and len(lines) > 1 else 0
    before = "".join(f"{line}\n" for line in lines[:at])
    after = "".join(f"\n{line}" for line in lines[at + 1 :])
    return before, lines[at], after


def generator(text: str, seed: int) -> random.Random:
    """Return a random generator for one text, so that its wording does not depend on the other texts of the batch."""
    return random.Random(f"{seed}/{text}")  # noqa: S311 (not for secrets)
